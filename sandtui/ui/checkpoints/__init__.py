"""The tree of checkpoints, comparing, and volumes."""
