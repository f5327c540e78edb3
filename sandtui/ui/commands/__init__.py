"""The console of one sandbox, and one command on many."""
