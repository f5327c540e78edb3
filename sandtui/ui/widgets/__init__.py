"""Pieces used by several screens. They know no screen and no client."""
