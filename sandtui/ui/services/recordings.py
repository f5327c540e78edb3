"""Recording shells and consoles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App

from sandtui.clock import Clock
from sandtui.config.recordings import FileTape, RecordingStore
from sandtui.directories import describe
from sandtui.fleet.recordings.recorder import Recorder
from sandtui.ui.services.notifier import Notifier
from sandtui.ui.services.work import Work

if TYPE_CHECKING:
    from sandtui.terminal import Emulation


class Recordings:
    """Starts and stops recordings."""

    def __init__(self, app: App[Any], clock: Clock, folder: Path, work: Work, notifier: Notifier) -> None:
        self._app, self._clock, self._work, self._notifier = app, clock, work, notifier
        self.store = RecordingStore(folder)
        self._recorders: dict[Recorder, FileTape] = {}

    def record(self, title: str, size: tuple[int, int], beginning: Callable[[], bytes] = bytes) -> Recorder:
        """Start a recording of a terminal of some size, which begins with the output of ``beginning``.

        Feed the recorder with raw output; stop it with :meth:`end`.
        """

        def failed(error: OSError) -> None:
            text = f"Recording stopped: {describe(error)}"
            self._app.call_from_thread(self._notifier.notify, text, "error")

        tape = self.store.new_tape(self._clock.now(), title, failed)
        recorder = Recorder(tape, self._clock, size, title)
        recorder.output(beginning())
        self._recorders[recorder] = tape
        return recorder

    def record_terminal(self, title: str, terminal: Emulation) -> Recorder:
        """Start a recording of a terminal, including its current screen."""
        from sandtui.terminal.redraw import redraw

        return self.record(title, terminal.size, lambda: redraw(terminal))

    def end(self, recorder: Recorder) -> None:
        """Stop a recording and notify of its path."""
        tape = self._recorders.pop(recorder, None)
        if tape is not None:
            self._work.start(self._end(recorder, tape), "recording")

    def flush(self) -> None:
        """Write buffered output, so that little is lost if the program is killed."""
        for recorder in self._recorders:
            recorder.flush()

    async def end_all(self) -> None:
        """Stop all recordings, at shutdown."""
        for recorder in list(self._recorders):
            self._recorders.pop(recorder)
            await asyncio.to_thread(recorder.stop)

    async def _end(self, recorder: Recorder, tape: FileTape) -> None:
        await asyncio.to_thread(recorder.stop)
        if tape.path.exists():
            self._notifier.notify(f"Recording saved to {tape.path}")
