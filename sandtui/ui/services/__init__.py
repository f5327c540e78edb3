"""The services of the screens: created once at startup and passed to each screen."""
