"""Background jobs of the whole fleet: found, watched, started, stopped, and kept when their sandbox is gone."""
