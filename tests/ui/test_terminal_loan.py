"""The terminal is lent: ctrl+c is a signal then, and not ours."""

import asyncio
import os
import signal
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from textual.driver import Driver

from sandtui.ui.services.terminal import TerminalLender
from sandtui.ui.terminal_loan import TerminalLoanError, is_lent, lent, run_in_terminal
from tests.probes import FORK_EXEC, fork_exec


def app_of(driver):
    """Return the least of an app that has a terminal to lend."""
    return SimpleNamespace(
        _driver=driver,
        _exit=False,
        batch_update=nullcontext,
        call_later=lambda *_, **__: None,
        refresh=lambda **_: None,
        _suspend_signal=lambda: None,
        _resume_signal=lambda: None,
    )


class LoggedDriver:
    """A driver that only notes who has the terminal."""

    can_suspend = True
    _auto_restart = True
    no_automatic_restart = Driver.no_automatic_restart

    def __init__(self):
        self.log = []

    def suspend_application_mode(self):
        self.log.append("lent")

    def resume_application_mode(self):
        self.log.append("back")


@pytest.mark.parametrize("moment", ["given away", "lent", "taken back"])
async def test_ctrl_c_never_ends_the_program_during_a_loan(moment):
    """The terminal makes signals of ctrl+c as soon as it is given away, and until it is taken back."""

    def interrupt(now):
        if now == moment:
            os.kill(os.getpid(), signal.SIGINT)

    driver = SimpleNamespace(
        can_suspend=True,
        suspend_application_mode=lambda: interrupt("given away"),
        resume_application_mode=lambda: interrupt("taken back"),
        no_automatic_restart=nullcontext,
        _auto_restart=True,
    )
    app = app_of(driver)
    before = signal.getsignal(signal.SIGINT)
    with lent(app):
        interrupt("lent")
    await asyncio.sleep(0)
    assert signal.getsignal(signal.SIGINT) is before


async def test_a_program_waits_until_the_one_before_it_has_ended(tmp_path):
    """An editor that is cancelled takes a while to end: the next must not get the terminal meanwhile."""
    driver = LoggedDriver()
    app = app_of(driver)
    lender = TerminalLender(app, None, None)
    fifo = tmp_path / "running"
    os.mkfifo(fifo)
    stubborn = asyncio.create_task(lender.run(["sh", "-c", f"trap '' HUP TERM; echo > '{fifo}'; sleep 100"]))
    await asyncio.to_thread(fifo.read_text)
    next_one = asyncio.create_task(lender.run(["true"]))
    stubborn.cancel()
    assert await next_one == 0
    assert driver.log == ["lent", "back", "lent", "back"]
    assert not is_lent(app)


async def test_a_program_is_started_by_fork(monkeypatch):
    """Ctrl+z stops what vfork has made before it is the program, and so whoever waits for that."""
    flags = []

    def noted(*arguments):
        flags.append(arguments[-1])
        return fork_exec(*arguments)

    monkeypatch.setattr(FORK_EXEC, noted)
    assert await run_in_terminal(app_of(LoggedDriver()), ["true"]) == 0
    assert flags == [False]
    assert (await asyncio.create_subprocess_exec("true")) and flags == [False, True]


async def test_the_terminal_is_not_lent_twice():
    driver = LoggedDriver()
    app = app_of(driver)
    with lent(app), pytest.raises(TerminalLoanError, match="another program"), lent(app):
        pass
    assert driver.log == ["lent", "back"]
    assert not is_lent(app)


async def test_ctrl_z_belongs_to_a_shell_that_has_the_terminal(monkeypatch):
    """It may come as a signal, typed just before the shell had the terminal, which is not ours to leave then."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda *signal_to: sent.append(signal_to))
    lender = TerminalLender(app_of(LoggedDriver()), None, None)
    async with lender.lend_to_shell():
        lender.stop_process()
    assert sent == []
