"""Volumes: data that outlives sandboxes."""
