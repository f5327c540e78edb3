"""Which program of this machine shows a web page beside the terminal. A text browser would take the terminal over."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import quote

_RESERVED = "%:/?#[]@!&()*+,;=-._~"
"""What may stand in an address as it is. Quotes, ``$`` and backticks may not: openers are shell scripts."""


def opener(environ: Mapping[str, str]) -> list[str] | None:
    """Return the command that opens an address, without the address; None where there is no graphical one."""
    if sys.platform == "darwin":
        return ["open"]
    if environ.get("WSL_DISTRO_NAME") and shutil.which("wslview"):
        return ["wslview"]
    if (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")) and shutil.which("xdg-open"):
        return ["xdg-open"]
    return None


def encoded(url: str) -> str:
    """Return an address as it may be given to a program: in ASCII, with everything encoded that is no part of one.

    Raises:
        ValueError: it is no address of a web page.
    """
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("it is no address of a web page")
    return quote(str(parsed), safe=_RESERVED)


def open_page(command: Sequence[str], url: str) -> None:
    """Start the command on an address; it may stay as long as the browser does, also after this program's end.

    Raises:
        OSError: it can't be started.
        ValueError: it is no address of a web page.
    """
    url = encoded(url)
    null = subprocess.DEVNULL
    process = subprocess.Popen([*command, url], stdin=null, stdout=null, stderr=null, start_new_session=True)  # noqa: S603
    threading.Thread(target=process.wait, name="browser", daemon=True).start()
