"""What can be done with the sandboxes that a row of any screen names: a job, a result, a port, a line of a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sandtui.client import SandboxCheckpoint
from sandtui.fleet.inventory.bulk_plan import DELETE, FORK, RUN, Verb
from sandtui.fleet.inventory.row import Row
from sandtui.ui.navigator import Navigator
from sandtui.ui.services.forks import Forks
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.platform import PlatformConnection

NEEDS_RUNNING = frozenset({"shell", "whole_shell", "files", "exec", "fork", "egress", "measure"})
"""The names of the actions that only a running sandbox allows; for others they say so."""

MOST_SHELLS = 12
"""Shells opened at once."""


class AsksBulk(Protocol):
    """What is needed of the bulk actions."""

    def ask(self, verb: Verb, rows: Sequence[Row], hidden: int = 0) -> None:
        """Show the plan of an action on some rows."""
        ...

    def why_none(self, verb: Verb, rows: Sequence[Row]) -> str:
        """Return why no row is eligible."""
        ...


def needs_running(name: str, rows: Iterable[Row]) -> bool:
    """Return whether an action needs a running sandbox, and none of these is one."""
    return name in NEEDS_RUNNING and all(row.status != "RUNNING" for row in rows)


class SandboxActions:
    """Acts on sandboxes by their ids; each refusal says why."""

    def __init__(
        self, platform: PlatformConnection, navigator: Navigator, bulk: AsksBulk, notifier: Notifier, forks: Forks
    ) -> None:
        self._platform, self._navigator, self._bulk, self._notifier = platform, navigator, bulk, notifier
        self._forks = forks

    def rows(self, sandbox_ids: Sequence[str]) -> list[Row]:
        """Return those of the sandboxes that are listed, each once."""
        session = self._platform.session
        if session is None:
            return []
        return [row for each in dict.fromkeys(sandbox_ids) if (row := session.store.get(each)) is not None]

    def why_not(self, sandbox_ids: Sequence[str]) -> str:
        """Return why nothing can be done with them, or an empty text."""
        if self.rows(sandbox_ids):
            return ""
        return "The sandbox is no longer listed" if len(sandbox_ids) == 1 else "The sandboxes are no longer listed"

    def refuses(self, name: str, sandbox_ids: Sequence[str]) -> bool:
        """Return whether an action would only say that none of them is running: no key hint offers it."""
        return needs_running(name, self.rows(sandbox_ids))

    def open_sandbox(self, sandbox_ids: Sequence[str]) -> None:
        """Open the details of the first."""
        for row in self.rows(sandbox_ids)[:1]:
            self._navigator.open_detail(row.id)

    def shell(self, sandbox_ids: Sequence[str]) -> None:
        """Open a shell in each."""
        rows = self.rows(sandbox_ids)
        if len(rows) > MOST_SHELLS:
            text = f"{len(rows):,} sandboxes, but at most {MOST_SHELLS} shells open at once: mark fewer"
            self._notifier.refuse(text, "shell")
        else:
            self._navigator.open_shells([row.id for row in rows])

    def logs(self, sandbox_ids: Sequence[str]) -> None:
        """Show their logs side by side."""
        self._navigator.open_logs([row.id for row in self.rows(sandbox_ids)])

    def files(self, sandbox_ids: Sequence[str]) -> None:
        """Browse their files."""
        rows = self.rows(sandbox_ids)
        running = [row.id for row in rows if row.status == "RUNNING"]
        if running:
            self._navigator.open_files(running)
        else:
            self._notifier.refuse(self._bulk.why_none(RUN, rows), "files")

    def exec(self, sandbox_ids: Sequence[str]) -> None:
        """Open the console of one, or the command line for several."""
        rows = self.rows(sandbox_ids)
        running = [row for row in rows if row.status == "RUNNING"]
        if len(running) > 1:
            if len(running) < len(rows):
                self._notifier.notify(f"{len(rows) - len(running):,} sandboxes skipped (not running)")
            self._navigator.open_fan_out(running)
        elif len(rows) > 1 and not running:
            self._notifier.refuse(self._bulk.why_none(RUN, rows), "exec")
        else:
            self._navigator.open_console((running or rows)[0].id)

    def fork(self, sandbox_ids: Sequence[str]) -> None:
        """Ask how many forks of each to create."""
        rows = self.rows(sandbox_ids)
        if any(row.status == "RUNNING" for row in rows):
            self._forks.ask(rows)
        else:
            self._notifier.refuse(self._bulk.why_none(FORK, rows), "fork")

    def fork_from(self, checkpoint: SandboxCheckpoint) -> None:
        """Ask how many sandboxes to create from a checkpoint."""
        session = self._platform.session
        self._forks.ask_from(checkpoint, session.store.get(checkpoint.sandbox_id) if session is not None else None)

    def delete(self, sandbox_ids: Sequence[str]) -> None:
        """Show the plan of their deletion."""
        self._bulk.ask(DELETE, self.rows(sandbox_ids))
