"""Shells in sandboxes, in tabs or with the whole terminal."""
