"""The frame of every screen: header, status line, key hints."""
