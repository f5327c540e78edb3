"""Lends the terminal to another program: an editor, a shell in a sandbox, or the user's shell after ctrl+z.

It is lent in one place and always taken back, whatever happens: the other program cannot be started, fails or is
stopped, or this program shuts down. Slow steps, such as connecting, are done before.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import shutil
import signal
import subprocess
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
"""How long the other program may take to end when this one shuts down."""

CONTINUED_SECONDS = 0.2

USE_VFORK = "_USE_VFORK"
"""The switch that the documentation of ``subprocess`` names."""


class TerminalLoanError(Exception):
    """The terminal could not be lent; the text says why and what to do."""


@contextmanager
def lent(app: App[Any]) -> Iterator[None]:
    """Lend the terminal for a block. Loans must not overlap: the end of one would take the terminal from the other.

    Raises:
        TerminalLoanError: there is no terminal, it is lent already, or it does not accept output.
    """
    driver = app._driver
    if driver is None or not driver.can_suspend:
        raise TerminalLoanError("this terminal cannot be lent to another program")
    if is_lent(app):
        raise TerminalLoanError("another program has the terminal")
    # Nothing is painted meanwhile. All the time that ctrl+c is a signal, it is for the other program.
    with _ignoring_interrupts(), app.batch_update():
        app._suspend_signal()
        driver.suspend_application_mode()
        try:
            if isinstance(driver, TerminalDriver) and not driver.is_left:
                raise TerminalLoanError("the terminal does not accept output now; retry later")
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
                # Redrawn after the batch, whatever happened inside.
                app.call_later(app.refresh, layout=True)


def is_lent(app: App[Any]) -> bool:
    """Whether another program has the terminal."""
    return app._driver is not None and not app._driver._auto_restart


def editor_command() -> list[str]:
    """Return the user's editor: ``$VISUAL``, ``$EDITOR``, or one that is installed.

    Raises:
        TerminalLoanError: there is none, or the variable is not a valid command.
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
    raise TerminalLoanError("no editor found: set EDITOR, for example EDITOR=nano")


async def run_in_terminal(app: App[Any], command: Sequence[str]) -> int:
    """Run a program in the terminal until it ends; return its exit code.

    Raises:
        TerminalLoanError: it cannot be started.
    """
    program = command[0]
    if shutil.which(program) is None:
        raise TerminalLoanError(f"{program}: {_why_not_found(program)}")
    with lent(app):
        try:
            with _stopping_no_child():
                process = await asyncio.create_subprocess_exec(*command)
        except OSError as error:
            raise TerminalLoanError(f"{program}: {_why_not_started(error)}") from None
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                await _end(process)


def stop_process(app: App[Any], notify: Callable[[str, Severity], object]) -> None:
    """Suspend this process group until the shell continues it, as ctrl+z does."""
    driver = app._driver
    if not isinstance(driver, TerminalDriver):
        notify("Suspending needs a terminal", "warning")
        return
    if is_lent(app):
        # Another program has the terminal, and was stopped together with us.
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    continued: list[bool] = []
    try:
        _stop_in(app, driver, continued)
    except TerminalLoanError as error:
        notify(f"Not suspended: {error}", "warning")
        return
    if not continued:
        notify("Not suspended: no shell could resume sandtui", "warning")


def _stop_in(app: App[Any], driver: TerminalDriver, continued: list[bool]) -> None:
    with lent(app):
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGTSTP)
        loop.remove_signal_handler(signal.SIGCONT)
        signal.signal(signal.SIGCONT, lambda *_: continued.append(True))
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            # The whole group: our parent (make, a wrapper) must not hold the terminal. The kernel does not stop a
            # group that no shell could continue.
            os.kill(0, signal.SIGTSTP)
            end = monotonic() + CONTINUED_SECONDS
            while not continued and monotonic() < end:
                sleep(CONTINUED_SECONDS / 20)
        finally:
            driver.take_signals()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Ignore ctrl+c, which every program of the terminal gets, but which is meant for the other one."""
    before = signal.signal(signal.SIGINT, _ignore_interrupt)
    try:
        yield
    finally:
        # If shutdown has started meanwhile, its handler stays.
        if signal.getsignal(signal.SIGINT) is _ignore_interrupt:
            signal.signal(signal.SIGINT, before)


def _ignore_interrupt(number: int, frame: object) -> None:
    """Do nothing. A handler, unlike SIG_IGN, is not inherited by a program that is started."""


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS / 3):
                await process.wait()
                return


@contextmanager
def _stopping_no_child() -> Iterator[None]:
    """Start programs with fork instead of vfork.

    Ctrl+z typed ahead comes as a signal once the terminal is lent. After vfork it would stop the child before it has
    become the program, and this process, which waits for exactly that, forever: no shell would see it stop. After fork
    our handler is still in place there.
    """
    names = vars(subprocess)
    before = names[USE_VFORK]
    names[USE_VFORK] = False
    try:
        yield
    finally:
        names[USE_VFORK] = before


def _why_not_found(program: str) -> str:
    if os.path.sep in program and os.path.isfile(program):  # noqa: PTH113 - a name as the user typed it
        return "not executable"
    return "not found"


def _why_not_started(error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return "cannot be executed: the file has no `#!` line and is not a binary"
    if error.errno == errno.ENOENT:
        return "its interpreter was not found"
    return error.strerror or str(error)
