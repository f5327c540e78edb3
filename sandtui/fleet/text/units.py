"""Numbers, sizes and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

NONE = "—"


def duration(seconds: float) -> str:
    """Return a short duration: ``41s``, ``14m``, ``3h``, ``1h2m``, ``5d``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    hours, minutes = divmod(whole // 60, 60)
    if hours < 10:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def long_duration(seconds: float) -> str:
    """Return a duration to the second: ``12m 04s``, ``1h 02m``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02}h"


def since(moment: datetime | None, now: datetime) -> float | None:
    """Return the seconds from a moment until now, or None; a time without a zone is UTC."""
    if moment is None:
        return None
    return (now - aware(moment)).total_seconds()


def aware(moment: datetime) -> datetime:
    """Return a moment with a zone; without one it is UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def number(value: float) -> str:
    """Return a number without trailing zeros: ``4``, ``0.5``, ``1,600,000``."""
    if abs(value) >= 1e12:
        return f"{value:g}"  # no fleet is that large: what a platform makes up must not fill the screen
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def counted(value: float, noun: str) -> str:
    """Return a number with its noun: ``1 core``, ``1.5 cores``, ``8 GPUs``."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def clock_time(moment: datetime, now: datetime) -> str:
    """Return the local time of a moment: the time of day, or date and time on another day."""
    here, today = aware(moment).astimezone(), aware(now).astimezone()
    return here.strftime("%H:%M:%S" if here.date() == today.date() else "%Y-%m-%d %H:%M")


def size_text(size: float) -> str:
    """Return a number of bytes, in powers of 1000: ``812 B``, ``4.1 kB``, ``812.0 MB``."""
    return _in_units(size, 1)


def short_size(count: int) -> str:
    """Return a number of bytes in two or three digits: ``88 kB``, ``1.2 MB``."""
    return _in_units(count, 0)


def _in_units(size: float, digits: int) -> str:
    """Return a number of bytes with ``digits`` decimals, but always with one below 10."""
    if size < 1000:
        return f"{int(size)} B"
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        text = f"{size:.{digits if size >= 9.95 else 1}f}"
        # Rounded up, it may be a whole one of the next unit.
        if float(text) < 1000 or unit == "TB":
            return f"{text} {unit}"
    raise AssertionError("the last unit takes every size")
