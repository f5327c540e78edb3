"""sandtui: see, drive and script fleets of sandboxes."""

__version__ = "0.1.0"
