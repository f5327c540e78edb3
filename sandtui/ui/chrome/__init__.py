"""What every screen has around its body: header, status line, key hints."""
