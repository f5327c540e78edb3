"""The terminal is lent: ctrl+c is a signal then, and not ours."""

import asyncio
import os
import signal
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from sandtui.ui.terminal_loan import lent


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
    )
    app = SimpleNamespace(
        _driver=driver,
        _exit=False,
        batch_update=nullcontext,
        call_later=lambda *_, **__: None,
        refresh=lambda **_: None,
        _suspend_signal=lambda: None,
        _resume_signal=lambda: None,
    )
    before = signal.getsignal(signal.SIGINT)
    with lent(app):
        interrupt("lent")
    await asyncio.sleep(0)
    assert signal.getsignal(signal.SIGINT) is before
