"""Directories and files, on this machine and in sandboxes: listing, preview and small changes."""
