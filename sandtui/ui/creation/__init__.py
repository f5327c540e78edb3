"""The create form and the launch board."""
