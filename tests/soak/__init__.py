"""A soak test: the real program in a pseudo-terminal under random input; see ``__main__``."""
