"""Copying files between this machine and sandboxes: whole trees, several at once, and nothing half under its name."""
