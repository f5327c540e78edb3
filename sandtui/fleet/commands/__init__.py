"""Commands in sandboxes: the command line, the console of one sandbox, and runs in many sandboxes."""
