"""Whether what the program keeps can be kept: asked at the start, not when the first thing is lost."""

from __future__ import annotations

from sandtui.config import activity, command_history, jobs, journal, transfers
from sandtui.config.paths import Paths
from sandtui.directories import check_writable


def check_state(paths: Paths) -> None:
    """Check the state directory and every database in it that exists.

    Raises:
        OSError: something can't be used; the text says what to do.
    """
    check_writable(paths.state, "state")
    for database in (
        activity.database(paths.activity),
        command_history.database(paths.commands),
        jobs.database(paths.jobs),
        journal.database(paths.journal),
        transfers.database(paths.transfers),
    ):
        database.check()


def check_journal(paths: Paths) -> None:
    """Check what a launch is written into before anything is sent.

    Raises:
        OSError: it can't be used; the text says what to do.
    """
    check_writable(paths.state, "state")
    journal.database(paths.journal).check()
