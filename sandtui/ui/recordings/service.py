"""Recordings of what terminals show: begun and ended here, for shells and consoles alike."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import App

from sandtui.directories import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandtui.config.paths import Paths
    from sandtui.config.recordings import FileTape, RecordingStore
    from sandtui.fleet.recordings import Recorder
    from sandtui.terminal import Emulation
    from sandtui.ui.chrome.screen import Severity
    from sandtui.ui.connection.bridge import Bridge


class Recording(App[None]):
    """The part of the app that records."""

    bridge: Bridge
    paths: Paths

    def __init__(self) -> None:
        super().__init__()
        self._recorders: dict[Recorder, FileTape] = {}

    def say(self, text: str, severity: Severity = "information") -> None:
        """Tell the user something."""
        raise NotImplementedError

    @property
    def recordings(self) -> RecordingStore:
        """The recordings of this user."""
        from sandtui.config.recordings import RecordingStore

        return RecordingStore(self.paths.recordings)

    def record(self, title: str, size: tuple[int, int], beginning: Callable[[], bytes] = bytes) -> Recorder:
        """Begin a recording of a terminal of some size, which starts with what ``beginning`` returns.

        The recorder is to be given the output, as bytes; :meth:`end_recording` ends it.
        """
        from sandtui.fleet.recordings import Recorder

        clock = self.bridge.clock

        def failed(error: OSError) -> None:
            self.call_from_thread(self.say, f"The recording is not written any more: {describe(error)}", "error")

        tape = self.recordings.new_tape(clock.now(), title, failed)
        recorder = Recorder(tape, clock, size, title)
        recorder.output(beginning())
        self._recorders[recorder] = tape
        return recorder

    def record_terminal(self, title: str, terminal: Emulation) -> Recorder:
        """Begin a recording of a terminal, with what it shows already."""
        from sandtui.terminal.redraw import redraw

        return self.record(title, terminal.size, lambda: redraw(terminal))

    def end_recording(self, recorder: Recorder) -> None:
        """End a recording and tell where it is."""
        tape = self._recorders.pop(recorder, None)
        if tape is not None:
            self.bridge.run_flow(self._end(recorder, tape), "recording")

    def flush_recordings(self) -> None:
        """Write what was collected, so that little is lost should the program be killed."""
        for recorder in self._recorders:
            recorder.flush()

    async def end_recordings(self) -> None:
        """End all of them: the program ends."""
        for recorder in list(self._recorders):
            self._recorders.pop(recorder)
            await asyncio.to_thread(recorder.stop)

    async def _end(self, recorder: Recorder, tape: FileTape) -> None:
        await asyncio.to_thread(recorder.stop)
        if tape.path.exists():
            self.say(f"Recorded to {tape.path}.")
