"""What was done and what went wrong, and the requests behind it."""
