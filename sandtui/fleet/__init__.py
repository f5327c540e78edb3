"""What the dashboard knows and does, without a screen."""
