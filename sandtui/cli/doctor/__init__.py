"""What ``sandtui doctor`` looks at, one module for each subject; used by the command line alone."""
