"""Playing a recording into an emulated terminal, with pause, speed and seeking."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from sandtui.fleet.recordings.asciicast import CastEvent, CastHeader, parse_event, parse_header
from sandtui.terminal import Emulation, TerminalText

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LONGEST_PAUSE = 2.0
"""Maximum length of a pause in seconds: longer ones are shortened."""

BUSY_CHARACTERS = 256 * 1024
"""Characters played at once; a seek over more takes several steps."""


class Player:
    """A recording and the position in it. ``position`` and ``length`` are in seconds, with long pauses shortened."""

    def __init__(self, header: CastHeader, events: Iterable[CastEvent]) -> None:
        self.header = header
        self._events: list[CastEvent] = []
        self._times: list[float] = []
        at = before = 0.0
        for event in events:
            at += min(max(0.0, event.at - before), LONGEST_PAUSE)
            before = max(before, event.at)
            self._events.append(event)
            self._times.append(at)
        self.length = at
        self.paused = False
        self.speed = 1.0
        self._restart()
        self._wanted = 0.0

    @classmethod
    def read(cls, text: str) -> Player:
        """Read a whole file.

        Raises:
            ValueError: the recording can't be played; the message says why.
        """
        first, _, rest = text.partition("\n")
        return cls(parse_header(first), (event for line in rest.splitlines() if (event := parse_event(line))))

    @property
    def position(self) -> float:
        """The position in seconds."""
        return self._wanted

    @property
    def at_end(self) -> bool:
        """Whether the end is reached."""
        return self._next == len(self._events) and self._wanted >= self.length

    @property
    def behind(self) -> bool:
        """Whether a seek is unfinished: ``catch_up`` continues it."""
        return self._next < bisect_right(self._times, self._wanted)

    def advance(self, seconds: float) -> None:
        """Advance the time, at the current speed."""
        if not self.paused:
            self._wanted = min(self.length, self._wanted + max(0.0, seconds) * self.speed)
            self.catch_up()

    def seek(self, position: float) -> None:
        """Seek to a position; the terminal has caught up when ``behind`` is false."""
        position = max(0.0, min(position, self.length))
        if position < self._wanted:
            self._restart()
        self._wanted = position
        self.catch_up()

    def catch_up(self) -> None:
        """Play up to the wanted position, for at most some milliseconds."""
        end = bisect_right(self._times, self._wanted)
        budget = BUSY_CHARACTERS
        while self._next < end and budget > 0:
            event = self._events[self._next]
            self._next += 1
            budget -= len(event.data) + 100
            if event.kind == "o":
                self.terminal.feed(event.data.encode("utf-8", "replace"))
                self.terminal.take_replies()
            elif (size := event.size) is not None:
                self.terminal.resize(*size)

    def faster(self, step: int) -> None:
        """Change to the next higher (1) or lower (-1) speed."""
        self.speed = SPEEDS[max(0, min(SPEEDS.index(self.speed) + step, len(SPEEDS) - 1))]

    def _restart(self) -> None:
        self.terminal = Emulation(self.header.width, self.header.height)
        self.text = TerminalText(self.terminal)
        self._next = 0
