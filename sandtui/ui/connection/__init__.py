"""The connection to the platform, and the work over it."""
