"""httpx, without its command line, and h11, which speaks HTTP under it.

Where Rich, Click and Pygments are installed, as Textual and uvicorn install them here, ``import httpx`` loads httpx's
command line with all three. httpx copes with its absence, so it is hidden during the import: that takes 47 ms instead
of 85 in a command, and 40 instead of 56 in the dashboard, which has loaded Rich already.
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
