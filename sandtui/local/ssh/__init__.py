"""SSH into sandboxes: shells, files and forwarded ports."""
