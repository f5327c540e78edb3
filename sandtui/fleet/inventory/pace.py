"""How often the platform is asked, and when it is left alone."""

from __future__ import annotations

from dataclasses import dataclass

from sandtui.clock import Clock

SECONDS_PER_PAGE = 0.2
"""The listing is limited to 1,000 requests a minute (client/WIRE.md 2.1): sweeps stay under a third of it."""

SLOWEST = 16.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between questions. ``sweep`` while somebody types, ``calm`` after a minute, ``away`` unseen.

    ``behind`` is between sweeps of the whole fleet while a filter of the server's is in use. Nothing is asked
    ``stop_after`` the last key.
    """

    changing: float = 1.0
    visible: float = 2.0
    sweep: float = 2.0
    calm: float = 10.0
    away: float = 60.0
    behind: float = 60.0
    calm_after: float = 60.0
    stop_after: float = 1800.0
    longest_back_off: float = 60.0


class Rhythm:
    """What the pace comes to: who is there, and how the platform bears it."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self.pace = pace
        self._clock = clock
        self._active_at = clock.monotonic()
        self._slow = 1.0
        self.visible = True
        self.failures = 0

    @property
    def idle(self) -> float:
        """Seconds since the last key."""
        return self._clock.monotonic() - self._active_at

    @property
    def stopped(self) -> bool:
        """Whether nobody has been there for so long that nothing is asked."""
        return self.idle >= self.pace.stop_after

    def touch(self) -> bool:
        """Note that somebody is there; return whether questions were seldom until now."""
        was_calm = self.idle > self.pace.calm_after
        self._active_at = self._clock.monotonic()
        return was_calm

    def after_sweep(self, pages: int, took: float) -> float:
        """Return the pause after a sweep of some pages that took some seconds, and ask faster again."""
        self.failures = 0
        self._slow = max(1.0, self._slow * 0.8)
        base = self.pace.sweep
        if not self.visible:
            base = self.pace.away
        elif self.idle > self.pace.calm_after:
            base = self.pace.calm
        # A platform that takes its time is given twice as much before it is asked again.
        return max(base, pages * SECONDS_PER_PAGE, 2 * took) * self._slow

    def after_refusal(self, retry_after: float | None, *, limited: bool) -> float:
        """Return the pause after a failure; ``limited`` says that the platform asked for fewer requests."""
        self.failures += 1
        if limited:
            self._slow = min(SLOWEST, self._slow * 2)
        pause = min(self.pace.longest_back_off, 2.0 ** min(self.failures, 10))
        if retry_after is not None:
            pause = max(pause, min(retry_after, self.pace.longest_back_off))
        return pause

    @property
    def changing_pause(self) -> float:
        """Seconds between questions about what is changing."""
        return self.pace.changing * self._slow

    @property
    def visible_pause(self) -> float:
        """Seconds between questions about what is on the screen."""
        return self.pace.visible * self._slow
