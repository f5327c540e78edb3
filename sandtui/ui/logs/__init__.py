"""Logs of sandboxes, side by side."""
