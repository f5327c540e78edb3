"""Exposed ports, and ports forwarded over SSH."""
