"""httpx, without its command line, and h11, which speaks HTTP under it.

Where Rich happens to be installed, ``import httpx`` loads httpx's own command line and Rich with it: a third of its
import time, for nothing that a library needs. httpx copes with its absence, so it is hidden during the import.
"""

import sys

if "httpx" in sys.modules:
    import httpx
else:
    sys.modules["httpx._main"] = None  # type: ignore[assignment] # how Python spells "not importable"
    try:
        import httpx
    finally:
        del sys.modules["httpx._main"]

import h11

__all__ = ["h11", "httpx"]
