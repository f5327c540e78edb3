"""The checks of ``sandtui doctor``, one module for each subject."""
