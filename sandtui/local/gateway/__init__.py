"""The gateway of each sandbox: commands, files, command sessions, exposed ports."""
