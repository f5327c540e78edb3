"""The API calls, each described once, in one module per noun (WIRE.md 2 and 3)."""
