"""What screens may use: made once, when the settings are known, and handed to each screen."""
