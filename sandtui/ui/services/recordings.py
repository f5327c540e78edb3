"""Recordings of what terminals show: begun and ended here, for shells and consoles alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App

from sandtui.clock import Clock
from sandtui.config.recordings import FileTape, RecordingStore
from sandtui.directories import describe
from sandtui.fleet.recordings import Recorder
from sandtui.terminal import Emulation
from sandtui.terminal.redraw import redraw
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work


class Recordings:
    """The recordings of this user, and those that are being made."""

    def __init__(self, app: App[Any], clock: Clock, folder: Path, work: Work, notifier: Notifier) -> None:
        self._app, self._clock, self._work, self._notifier = app, clock, work, notifier
        self.store = RecordingStore(folder)
        self._recorders: dict[Recorder, FileTape] = {}

    def record(self, title: str, size: tuple[int, int], beginning: Callable[[], bytes] = bytes) -> Recorder:
        """Begin a recording of a terminal of some size, which starts with what ``beginning`` returns.

        The recorder is to be given the output, as bytes; :meth:`end` ends it.
        """

        def failed(error: OSError) -> None:
            text = f"The recording is not written any more: {describe(error)}"
            self._app.call_from_thread(self._notifier.notify, text, "error")

        tape = self.store.new_tape(self._clock.now(), title, failed)
        recorder = Recorder(tape, self._clock, size, title)
        recorder.output(beginning())
        self._recorders[recorder] = tape
        return recorder

    def record_terminal(self, title: str, terminal: Emulation) -> Recorder:
        """Begin a recording of a terminal, with what it shows already."""
        return self.record(title, terminal.size, lambda: redraw(terminal))

    def end(self, recorder: Recorder) -> None:
        """End a recording and tell where it is."""
        tape = self._recorders.pop(recorder, None)
        if tape is not None:
            self._work.start(self._end(recorder, tape), "recording")

    def flush(self) -> None:
        """Write what was collected, so that little is lost should the program be killed."""
        for recorder in self._recorders:
            recorder.flush()

    async def end_all(self) -> None:
        """End all of them: the program ends."""
        for recorder in list(self._recorders):
            self._recorders.pop(recorder)
            await asyncio.to_thread(recorder.stop)

    async def _end(self, recorder: Recorder, tape: FileTape) -> None:
        await asyncio.to_thread(recorder.stop)
        if tape.path.exists():
            self._notifier.notify(f"Recorded to {tape.path}.")
