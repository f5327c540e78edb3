"""Checks at startup that the state can be stored, instead of when the first data is lost."""

from __future__ import annotations

from sandtui.config import activity, command_history, deaths, jobs, journal, transfers
from sandtui.config.paths import Paths
from sandtui.directories import check_writable


def check_state(paths: Paths) -> None:
    """Check the state directory and every existing database in it.

    Raises:
        OSError: something cannot be used; the message says what to do.
    """
    check_writable(paths.state, "state")
    for database in (
        activity.database(paths.activity),
        command_history.database(paths.commands),
        deaths.database(paths.deaths),
        jobs.database(paths.jobs),
        journal.database(paths.journal),
        transfers.database(paths.transfers),
    ):
        database.check()


def check_journal(paths: Paths) -> None:
    """Check the journal of launches before anything is sent.

    Raises:
        OSError: it cannot be used; the message says what to do.
    """
    check_writable(paths.state, "state")
    journal.database(paths.journal).check()
