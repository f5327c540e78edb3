"""Recording and playing shells and consoles in the asciicast format, version 2."""
