"""Measurements as ratios against a peer of the same run: ``make bench``."""
