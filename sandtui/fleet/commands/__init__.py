"""Commands in sandboxes: the line that is typed, the console of one sandbox, and one command on many."""
