"""Colours: the two themes, and what each colour stands for."""
