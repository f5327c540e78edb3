"""What is kept: records, secrets, and the disk under them."""
