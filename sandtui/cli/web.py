"""``sandtui web``: the dashboard in a browser."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandtui.cli.options import LOCAL, PROFILE, READ_ONLY
from sandtui.cli.usage import FAILURE, UsageError, complain
from sandtui.directories import describe
from sandtui.scratch import scratch_directory
from sandtui.web.settings import LOOPBACK, WebError, WebSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PORT = 65535
MAX_FLEET = 20_000
LEAST_PASSWORD = 12
MAX_PASSWORD = 1024

OTHER_TERMINAL = (
    "COLUMNS", "DISPLAY", "LINES", "NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "STY", "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION", "TEXTUAL_DRIVER", "TMUX", "TMUX_PANE", "VTE_VERSION", "WAYLAND_DISPLAY", "WINDOWID",
    "WSL_DISTRO_NAME",
)  # fmt: skip
"""Variables that describe the terminal of this process, which is not the one of the page, and its desktop."""

OPEN_PAGE = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}">\n'


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "web",
        help="serve the dashboard to a browser",
        description="Serve the dashboard to a browser, print its address and open it. The address logs in one browser, "
        "once; press Enter for another. A session outlives its tab by ten minutes, and the command ends when nobody "
        "has come back.",
        epilog="`sandtui help web` says how it is protected.",
    )
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on (default: %(default)s); any other than loopback needs the three options below",
    )  # fmt: skip
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate (PEM) for HTTPS")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="private key of the certificate")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE",
        help=f"log in with the password in this file (at least {LEAST_PASSWORD} characters), not a one-time address",
    )  # fmt: skip
    parser.add_argument(
        "--label", action="append", default=[], metavar="LABEL", dest="labels",
        help="with --read-only: show only sandboxes with this label, as in run=42, without values of variables (may be "
        "repeated)",
    )  # fmt: skip
    parser.add_argument("--demo", action="store_true", help="show simulated sandboxes, as `sandtui demo` does")
    parser.add_argument("--fleet", type=_count, default=2000, metavar="N", help="with --demo: number of sandboxes")
    parser.add_argument("--once", action="store_true", help="end with the first session")
    parser.add_argument("--no-open", action="store_true", help="do not open the browser")
    # For tests: how long a session waits for its browser.
    parser.add_argument("--wait", type=float, default=None, help=argparse.SUPPRESS)
    parser.set_defaults(run=run, takes=frozenset({LOCAL, PROFILE, READ_ONLY}), why_not="")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    password = _check(arguments)
    from sandtui.web.server import run as serve

    with scratch_directory("web") as folder:
        settings = WebSettings(
            command=session_command(arguments),
            environ=session_environ(os.environ),
            folder=folder / "drops",
            host=arguments.host,
            port=arguments.port,
            certificate=arguments.tls_cert,
            key=arguments.tls_key,
            password=password,
            takes_files=not arguments.options.read_only,
            once=arguments.once,
            **({} if arguments.wait is None else {"back_seconds": arguments.wait}),
        )
        opened: list[str] = []

        def announce(address: str, plain: str) -> None:
            print(address, flush=True)
            if not opened:
                opened.append(plain)
                if not arguments.no_open and _open(address, folder):
                    _note("opened in the browser")
            if not password:
                _note("this address logs in one browser, once; Enter prints another; ctrl+c ends all sessions")

        try:
            asyncio.run(serve(settings, announce))
        except WebError as error:
            complain(error)
            return FAILURE
    return 0


def session_command(arguments: argparse.Namespace) -> list[str]:
    """Return the command of a session."""
    options = arguments.options
    chosen: dict[str, Any] = {
        "local": options.local,
        "profile": options.profile,
        "read_only": options.read_only,
        "labels": arguments.labels,
        "fleet": arguments.fleet if arguments.demo else None,
    }
    return [sys.executable, "-P", "-m", "sandtui.cli.web_session", json.dumps(chosen)]


def session_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a session: those of this process, but for what is about its terminal."""
    kept = {name: value for name, value in environ.items() if name not in OTHER_TERMINAL}
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def _check(arguments: argparse.Namespace) -> str:
    """Return the password, if there is one.

    Raises:
        UsageError: the options do not go together, or a file cannot be used.
    """
    options = arguments.options
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    if arguments.host not in LOOPBACK and (arguments.tls_cert is None or arguments.password_file is None):
        raise UsageError(
            f"--host {arguments.host} lets other machines in: it needs --tls-cert, --tls-key and --password-file. "
            "Without them, use a tunnel: ssh -L 8080:127.0.0.1:8080 HOST"
        )
    if arguments.demo and (options.local or options.profile):
        raise UsageError("--demo uses a platform of its own: leave out --local and --context")
    if arguments.labels and not options.read_only:
        raise UsageError("--label is for sharing: add --read-only")
    if any(not label.strip() for label in arguments.labels):
        raise UsageError("--label needs a label, as in run=42")
    if not arguments.demo:
        options.context()
    return _password(arguments.password_file) if arguments.password_file is not None else ""


def _password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MAX_PASSWORD + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = describe(error) if isinstance(error, OSError) else f"{path}: {error}"
        raise UsageError(f"--password-file {reason}") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise UsageError(f"--password-file {path}: others can read it; run `chmod 600 {path}`")
    password = text.strip("\r\n")
    if not LEAST_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UsageError(f"--password-file {path}: the password must have at least {LEAST_PASSWORD} characters")
    return password


def _open(address: str, folder: Path) -> bool:
    """Open the address in a browser; return whether there is one."""
    from sandtui.ui.web_browser import open_file, opener

    command = opener(os.environ)
    if command is None:
        return False
    # Not on the command line, which all users of this machine can read.
    page = folder / "open.html"
    page.write_text(OPEN_PAGE.format(url=address))
    with suppress(OSError):
        open_file(command, page)
        return True
    return False


def _note(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        with suppress(OSError):
            print(f"sandtui web: {text}", file=sys.stderr)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= MAX_PORT):
        raise argparse.ArgumentTypeError("expected a port from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= MAX_FLEET):
        raise argparse.ArgumentTypeError(f"expected a whole number up to {MAX_FLEET:,}")
    return int(text)
