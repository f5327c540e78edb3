"""Directories on this machine and in sandboxes: what is in them, and small changes to them."""
