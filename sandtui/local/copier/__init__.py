"""A program of its own that copies the files of sandboxes, and stops their processes for that."""
