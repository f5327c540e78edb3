"""Standard input and output as files, for ``cp -`` and ``run``."""

from __future__ import annotations

import codecs
import os
import select
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from sandtui.cli.usage import UsageError, on_terminal
from sandtui.scratch import scratch_directory

MAX_INPUT = 16 * 1024 * 1024
"""Most bytes of standard input for ``run``: each sandbox gets them as a file."""

FIRST_BYTE_SECONDS = 10.0
"""How long a pipe may stay silent. ``ssh HOST sandtui run ...`` has one that nobody writes to or closes."""

_PIECE = 64 * 1024


def piped_input(*, wait: bool) -> bytes:
    """Return piped standard input; empty if it is a terminal, a device or closed.

    With ``wait``, there is no time limit for the first byte.

    Raises:
        UsageError: no input in time, or more than MAX_INPUT.
    """
    descriptor = _descriptor()
    if descriptor is None:
        return b""
    kind = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not wait and not poll.poll(FIRST_BYTE_SECONDS * 1000):
        raise UsageError(
            f"no input within {FIRST_BYTE_SECONDS:g} s although standard input is open: "
            "use --no-stdin (or </dev/null) to ignore it, --stdin to wait for it"
        )
    pieces = bytearray()
    while piece := os.read(descriptor, _PIECE):
        pieces += piece
        if len(pieces) > MAX_INPUT:
            raise UsageError(
                f"standard input is longer than {MAX_INPUT >> 20} MiB: copy it with `sandtui cp - NAME:/PATH` first, "
                "then run the command with </PATH"
            )
    return bytes(pieces)


def save_input(path: Path) -> None:
    """Write all of standard input to a file.

    Raises:
        UsageError: standard input is closed.
    """
    if _descriptor() is None:
        raise UsageError("standard input is closed")
    with path.open("wb") as target:
        shutil.copyfileobj(sys.stdin.buffer, target)


def check_output() -> None:
    """Check that there is a standard output.

    Raises:
        UsageError: it is closed.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise UsageError("standard output is closed")


def write_output(path: Path) -> None:
    """Write a file to standard output, byte for byte.

    Raises:
        UsageError: the output is a terminal and the file is not plain text.
        BrokenPipeError: the reader has gone.
    """
    output: BinaryIO = sys.stdout.buffer
    with path.open("rb") as source:
        if on_terminal("stdout") and not _is_harmless(source):
            raise UsageError("the file is binary or contains escape sequences: redirect the output to a file or a pipe")
        source.seek(0)
        shutil.copyfileobj(source, output)
        output.flush()


@contextmanager
def temporary_directory(purpose: str) -> Iterator[Path]:
    """Create a private directory for the duration of the block.

    Raises:
        UsageError: none can be created.
    """
    with ExitStack() as stack:
        try:
            path = stack.enter_context(scratch_directory(purpose))
        except OSError as error:
            raise UsageError(
                f"cannot create a temporary directory ({error.strerror or error}): set TMPDIR to a writable directory"
            ) from None
        yield path


def _descriptor() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _is_harmless(source: BinaryIO) -> bool:
    """Whether a file is text without control characters; read in pieces, since it may be large."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        while piece := source.read(_PIECE):
            text = decode(piece)
            if any((letter < " " and letter not in "\t\n\r") or "\x7f" <= letter <= "\x9f" for letter in text):
                return False
        decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True
