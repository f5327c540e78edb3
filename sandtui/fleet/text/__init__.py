"""Text from outside: made safe to draw, and split into lines."""
