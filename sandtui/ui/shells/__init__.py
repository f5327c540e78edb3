"""Shells in sandboxes, in tabs or full screen."""
