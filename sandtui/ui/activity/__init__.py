"""The activity log, and the API requests of its entries."""
