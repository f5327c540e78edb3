"""The tree of checkpoints, and comparing."""
