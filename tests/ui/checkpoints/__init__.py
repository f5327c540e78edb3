"""Checkpoints and forks on the screens."""
