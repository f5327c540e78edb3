"""How often the platform is polled, and when polling stops."""

from __future__ import annotations

from dataclasses import dataclass

from sandtui.clock import Clock

SECONDS_PER_PAGE = 0.2
"""The listing is limited to 1,000 requests a minute (client/WIRE.md 2.1): sweeps stay under a third of it."""

SLOWEST = 16.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls: ``sweep`` while the user is active, ``calm`` after a minute, ``away`` in the background.

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
    """The current pace, from the user's activity and the platform's responses."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self.pace = pace
        self._clock = clock
        self._active_at = clock.monotonic()
        self._slow = 1.0
        self.visible = True
        self.failures = 0

    @property
    def idle(self) -> float:
        """Seconds since the last key press."""
        return self._clock.monotonic() - self._active_at

    @property
    def stopped(self) -> bool:
        """Whether the user has been inactive for so long that polling stops."""
        return self.idle >= self.pace.stop_after

    def touch(self) -> bool:
        """Note activity of the user; return whether polling was slow until now."""
        was_calm = self.idle > self.pace.calm_after
        self._active_at = self._clock.monotonic()
        return was_calm

    def after_sweep(self, pages: int, took: float) -> float:
        """Return the pause after a complete listing, from its pages and duration, and reset the back-off."""
        self.failures = 0
        self._slow = max(1.0, self._slow * 0.8)
        base = self.pace.sweep
        if not self.visible:
            base = self.pace.away
        elif self.idle > self.pace.calm_after:
            base = self.pace.calm
        # A slow platform gets a pause of at least twice its response time.
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
        """Seconds between polls of changing sandboxes."""
        return self.pace.changing * self._slow

    @property
    def visible_pause(self) -> float:
        """Seconds between polls of visible sandboxes."""
        return self.pace.visible * self._slow
