"""The command line: `program` parses the arguments; each subcommand is a module that imports what it needs."""
