"""The catalogue of calls: each call of the API stands here once, by its noun (WIRE.md 2 and 3)."""
