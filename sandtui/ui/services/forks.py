"""Forks: asks how many of which sandboxes, and starts their launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import App

from sandtui.client import SandboxCheckpoint
from sandtui.fleet.checkpoints.forks import ForkPlan, source_of
from sandtui.fleet.creation.launch_plan import new_launch_id
from sandtui.fleet.inventory.row import Row
from sandtui.ui.dialogs.fork import ForkDialog
from sandtui.ui.services.launches import Launches
from sandtui.ui.services.notifier import Notifier


class Forks:
    """Forks running sandboxes."""

    def __init__(self, app: App[Any], notifier: Notifier, launches: Launches) -> None:
        self._app, self._notifier, self._launches = app, notifier, launches

    def ask(self, rows: Sequence[Row]) -> None:
        """Ask how many forks to create of each of some sandboxes, of which at least one runs, and create them."""
        running = [row for row in rows if row.status == "RUNNING"]
        if len(running) < len(rows):
            count = len(rows) - len(running)
            self._notifier.notify(f"{count:,} sandbox{'es' * (count != 1)} skipped (not running)")

        def on_result(forks: ForkPlan | None) -> None:
            if forks is not None:
                self._launches.fork(forks)

        self._app.push_screen(ForkDialog([row.sandbox for row in running], new_launch_id()), on_result)

    def ask_from(self, checkpoint: SandboxCheckpoint, row: Row | None) -> None:
        """Ask how many sandboxes to create from a checkpoint of a sandbox, and create them."""

        def on_result(forks: ForkPlan | None) -> None:
            if forks is not None:
                self._launches.fork(forks)

        source = source_of(checkpoint, row.sandbox if row is not None else None)
        self._app.push_screen(ForkDialog([source], new_launch_id(), checkpoint.id), on_result)
