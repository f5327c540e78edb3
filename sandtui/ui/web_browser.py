"""Opens URLs in a graphical browser: a text browser would take over the terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

_RESERVED = "%:/?#[]@!&()*+,;=-._~"
"""Characters that need no encoding. Quotes, ``$`` and backticks are encoded, because openers are shell scripts."""


def opener(environ: Mapping[str, str]) -> list[str] | None:
    """Return the command that opens a URL, without the URL; None if there is no graphical browser."""
    if sys.platform == "darwin":
        return ["open"]
    if environ.get("WSL_DISTRO_NAME") and shutil.which("wslview"):
        return ["wslview"]
    if (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")) and shutil.which("xdg-open"):
        return ["xdg-open"]
    return None


def encoded(url: str) -> str:
    """Return a URL that is safe to pass to a program: in ASCII, with everything else percent-encoded.

    Raises:
        ValueError: not the URL of a web page.
    """
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("not the URL of a web page")
    return quote(str(parsed), safe=_RESERVED)


def open_page(command: Sequence[str], url: str) -> None:
    """Start the command on a URL; it may run as long as the browser does, even after this program ends.

    Raises:
        OSError: it cannot be started.
        ValueError: not the URL of a web page.
    """
    _start([*command, encoded(url)])


def open_file(command: Sequence[str], path: Path) -> None:
    """Start the command on a page that is a local file.

    Raises:
        OSError: it cannot be started.
    """
    _start([*command, str(path)])


def _start(command: Sequence[str]) -> None:
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)  # noqa: S603
    threading.Thread(target=process.wait, name="browser", daemon=True).start()
