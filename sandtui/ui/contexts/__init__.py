"""Choosing where to work, and what a context forbids or asks twice."""
