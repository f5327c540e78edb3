"""Exposed ports and forwards."""
