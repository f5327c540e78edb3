"""Checkpoints of sandboxes, forks, and what differs between two of them."""
