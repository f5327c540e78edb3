"""What makes a sandbox real: one interface, one module for each way to do it."""
