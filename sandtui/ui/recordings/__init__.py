"""Recordings: the list and the player."""
