"""Storage: records, secrets, and the space on their disk."""
