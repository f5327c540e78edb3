"""The drivers, which run sandboxes: one interface, and a module for each driver."""
