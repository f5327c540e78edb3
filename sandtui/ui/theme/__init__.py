"""Colors: the themes, and the roles of text."""
