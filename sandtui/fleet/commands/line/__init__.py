"""What a command line knows before its text is sent: continuation, completion, history, secrets, place."""
