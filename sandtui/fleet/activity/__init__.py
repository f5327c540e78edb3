"""The activity log: actions and errors, with their API requests."""
