"""Which program of this machine shows a web page beside the terminal. A text browser would take the terminal over."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence


def opener(environ: Mapping[str, str]) -> list[str] | None:
    """Return the command that opens an address, without the address; None where there is no graphical one."""
    if sys.platform == "darwin":
        return ["open"]
    if environ.get("WSL_DISTRO_NAME") and shutil.which("wslview"):
        return ["wslview"]
    if (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")) and shutil.which("xdg-open"):
        return ["xdg-open"]
    return None


def open_page(command: Sequence[str], url: str) -> None:
    """Start the command on an address; it may stay as long as the browser does, also after this program's end.

    Raises:
        OSError: it can't be started.
    """
    null = subprocess.DEVNULL
    process = subprocess.Popen([*command, url], stdin=null, stdout=null, stderr=null, start_new_session=True)  # noqa: S603
    threading.Thread(target=process.wait, name="browser", daemon=True).start()
