"""What can be done with sandboxes: one module for each noun, written once for both clients."""
