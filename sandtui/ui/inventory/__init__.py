"""The fleet, and one sandbox in detail."""
