"""The command line: `program` reads the arguments; a module for each subcommand imports what it needs when it runs."""
