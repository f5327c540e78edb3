"""The screens, one module each, with their dialogs."""
