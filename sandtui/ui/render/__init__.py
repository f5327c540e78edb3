"""Pure functions from what is known and the time to what is drawn. Every colour decision is here."""
