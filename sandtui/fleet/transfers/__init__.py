"""Copying files and trees between this machine and sandboxes. A file appears under its name only when complete."""
