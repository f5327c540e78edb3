"""``sandtui lease``: a program whose sandboxes are found again when it dies."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from sandtui.cli.arguments import seconds
from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.usage import EXIT_CODES, UsageError, complain, note
from sandtui.directories import describe
from sandtui.leases import GRACE_SECONDS, VARIABLE, LeaseFiles, LeaseMark, give_signs, new_mark

_DESCRIPTION = """\
Run a program under a lease: every sandbox that it creates with sandtui gets LABEL, and a label that names the user, the
host and the process. When the program is gone, what it left is shown as orphaned in the dashboard, and `sandtui reap`
deletes it. Nothing is deleted otherwise. The exit code is that of the program.

  sandtui lease run=42 -- python train.py
"""

NOT_FOUND, NOT_EXECUTABLE = 127, 126

_PASSED_ON = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "lease",
        help="run a program whose sandboxes are found again when it dies",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui lease [options] LABEL -- COMMAND ...",
    )
    parser.add_argument("label", metavar="LABEL", help="the label of the run, such as run=42")
    parser.add_argument("command", metavar="COMMAND", nargs="*", help="the program and its arguments, after --")
    parser.add_argument(
        "--grace",
        type=seconds,
        default=float(GRACE_SECONDS),
        metavar="TIME",
        help="after how much silence a host that can't be asked counts as gone: 90s, 10m, 2h (default: 10m)",
    )
    parser.set_defaults(run=run, takes_tail=True, takes=NOTHING, why_not=NO_PLATFORM)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    label: str = arguments.label.strip()
    words: list[str] = arguments.tail or []
    if arguments.command or not words:
        raise UsageError("write the program after --, as in: sandtui lease run=42 -- python train.py")
    if not label:
        raise UsageError("LABEL is empty; write one such as run=42")
    if not 1 <= arguments.grace < 1e7:
        raise UsageError("--grace must be at least 1s")
    files = LeaseFiles()
    mark = new_mark(int(arguments.grace))
    descriptor: int | None = None
    try:
        descriptor = files.take(mark, label)
    except OSError as error:
        complain(f"no file for the lease, so that only this host can watch it: {describe(error, files.folder)}")
    if sys.stdout is not None:
        sys.stdout.flush()
    # From here on, what ends this process must reach the program: until it is passed on, it waits.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    pid = os.fork()
    if pid == 0:
        _become(words, label, mark, descriptor, mask)
    ended = threading.Event()
    if descriptor is not None:
        threading.Thread(target=give_signs, args=(mark, descriptor, ended), daemon=True).start()
    code = _wait(pid, mask)
    ended.set()
    files.end(mark)
    note(f"the lease {label} has ended; `sandtui reap` deletes what it left running")
    return code


def _become(
    words: list[str], label: str, mark: LeaseMark, descriptor: int | None, mask: Iterable[signal.Signals | int]
) -> NoReturn:
    """Replace this process by the program, which owns the lease: it lives on if what started it is killed."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        own = new_mark(mark.grace, token=mark.token)
        if descriptor is not None:
            os.set_inheritable(descriptor, True)
        os.environ[VARIABLE] = json.dumps([label, own.label])
        os.execvp(words[0], words)  # noqa: S606 - the program that the user named
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        with suppress(OSError):
            os.write(2, f"sandtui: {describe(error, words[0])}\n".encode())
    except BaseException:
        code = NOT_EXECUTABLE
    os._exit(code)


def _wait(pid: int, mask: Iterable[signal.Signals | int]) -> int:
    """Wait for the program. ctrl+c reaches it from the terminal; other ends are passed on."""
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda each, _: _pass_on(pid, each))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        _, status = os.waitpid(pid, 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _pass_on(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
