"""The console of one sandbox, and runs in many sandboxes."""
