"""Volumes on the screens."""
