"""Ports carried through SSH: one of a sandbox to this machine, and one of this machine into a sandbox."""
