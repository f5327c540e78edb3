"""What was recorded: the list of files, and playing one."""
