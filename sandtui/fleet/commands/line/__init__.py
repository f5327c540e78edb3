"""The command line: continuation, completion, history, redaction, shell state."""
