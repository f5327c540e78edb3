"""Background jobs of the fleet: polling, starting, killing, logs, and storage beyond the life of their sandbox."""
