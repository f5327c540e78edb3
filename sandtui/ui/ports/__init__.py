"""Ports: exposures and forwards."""
