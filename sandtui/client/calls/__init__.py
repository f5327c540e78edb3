"""The catalogue of calls: each call of the API stands here once, by its noun (wire.md 2 and 3)."""
