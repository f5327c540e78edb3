"""Text from outside: made safe to draw, and output turned into lines."""
