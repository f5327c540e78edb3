"""The whole terminal for another program: an editor, a shell in a sandbox, the user's own shell after ctrl+z.

It is given away in one place and always taken back, whatever happens meanwhile: the other program can't be started,
fails, is stopped, or this program is told to end. What takes long (a connection) is done before.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from time import monotonic, sleep
from typing import Any

from textual.app import App

from sandtui.ui.driver import TerminalDriver
from sandtui.ui.services.notifier import Severity

EDITORS = ("nano", "vim", "vi")
"""Tried in this order when neither VISUAL nor EDITOR is set."""

END_SECONDS = 1.0
"""How long a program that has the terminal may take to end when this one ends."""

CONTINUED_SECONDS = 0.2


class TerminalLoanError(Exception):
    """The terminal could not be given away; the text says why and what to do."""


@contextmanager
def lent(app: App[Any]) -> Iterator[None]:
    """Give the terminal away for a block.

    Raises:
        TerminalLoanError: there is no terminal to give away, or it does not take what is written to it.
    """
    driver = app._driver
    if driver is None or not driver.can_suspend:
        raise TerminalLoanError("this terminal can't be handed to another program")
    # Nothing is painted meanwhile. From the first moment to the last at which ctrl+c is a signal it is not ours.
    with _interrupts_are_theirs(), app.batch_update():
        app._suspend_signal()
        driver.suspend_application_mode()
        try:
            if isinstance(driver, TerminalDriver) and not driver.is_left:
                raise TerminalLoanError("the terminal takes no output at the moment; try again")
            with (
                driver.no_automatic_restart(),
                redirect_stdout(sys.__stdout__),
                redirect_stderr(sys.__stderr__),
            ):
                yield
        finally:
            if not app._exit:
                driver.resume_application_mode()
                app._resume_signal()
                # Drawn once the batch has ended, whatever happened inside.
                app.call_later(app.refresh, layout=True)


def editor_command() -> list[str]:
    """Return the user's editor: ``$VISUAL``, ``$EDITOR``, or one that is installed.

    Raises:
        TerminalLoanError: there is none, or the variable can't be read as a command.
    """
    for name in ("VISUAL", "EDITOR"):
        if written := os.environ.get(name, "").strip():
            try:
                command = shlex.split(written)
            except ValueError as error:
                raise TerminalLoanError(f"{name} is not a command ({error}): {written}") from None
            if command:
                return command
    for editor in EDITORS:
        if found := shutil.which(editor):
            return [found]
    raise TerminalLoanError("no editor found: set EDITOR to one, such as EDITOR=nano")


async def run_in_terminal(app: App[Any], command: Sequence[str]) -> int:
    """Run a program that has the whole terminal until it ends; return its exit code.

    Raises:
        TerminalLoanError: it can't be started.
    """
    program = command[0]
    if shutil.which(program) is None:
        raise TerminalLoanError(f"{program}: {_why_not_found(program)}")
    with lent(app):
        try:
            process = await asyncio.create_subprocess_exec(*command)
        except OSError as error:
            raise TerminalLoanError(f"{program}: {_why_not_started(error)}") from None
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                await _end(process)


def stop_process(app: App[Any], notify: Callable[[str, Severity], object]) -> None:
    """Stop this process and all of its job until the shell continues them, as ctrl+z does."""
    driver = app._driver
    if not isinstance(driver, TerminalDriver):
        notify("Suspending works only in a terminal.", "warning")
        return
    if not driver._auto_restart:
        # Another program has the terminal, and has been stopped with us.
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    continued: list[bool] = []
    try:
        _stop_in(app, driver, continued)
    except TerminalLoanError as error:
        notify(f"Not suspended: {error}.", "warning")
        return
    if not continued:
        notify("Can't suspend: no shell would bring sandtui back.", "warning")


def _stop_in(app: App[Any], driver: TerminalDriver, continued: list[bool]) -> None:
    with lent(app):
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGTSTP)
        loop.remove_signal_handler(signal.SIGCONT)
        signal.signal(signal.SIGCONT, lambda *_: continued.append(True))
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            # The whole group: what started us (make, a wrapper) must not hold the terminal. The kernel does not
            # stop a group that no shell could continue.
            os.kill(0, signal.SIGTSTP)
            end = monotonic() + CONTINUED_SECONDS
            while not continued and monotonic() < end:
                sleep(CONTINUED_SECONDS / 20)
        finally:
            driver.take_signals()


@contextmanager
def _interrupts_are_theirs() -> Iterator[None]:
    """Ctrl+c goes to every program of the terminal; what it means is the business of the one that has it."""
    before = signal.signal(signal.SIGINT, _leave_it_to_them)
    try:
        yield
    finally:
        # When the program began to end meanwhile, its own handler stays.
        if signal.getsignal(signal.SIGINT) is _leave_it_to_them:
            signal.signal(signal.SIGINT, before)


def _leave_it_to_them(number: int, frame: object) -> None:
    """Unlike a signal that is ignored, it is back to normal in a program that is started."""


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS / 3):
                await process.wait()
                return


def _why_not_found(program: str) -> str:
    if os.path.sep in program and os.path.isfile(program):  # noqa: PTH113 - a name as the user wrote it
        return "it is not executable"
    return "not found"


def _why_not_started(error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return "it can't be run: the file has no `#!` line and is no program"
    if error.errno == errno.ENOENT:
        return "its interpreter was not found"
    return error.strerror or str(error)
