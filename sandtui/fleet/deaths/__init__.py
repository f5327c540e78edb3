"""What is kept of sandboxes that ended otherwise than by being deleted."""
