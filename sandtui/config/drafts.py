"""The draft of the create form, stored so that a crash loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping

from sandtui.config.paths import Paths, read_text, write_private
from sandtui.fleet.creation.form import BY_ID, saved_text
from sandtui.fleet.fields import FOLDED_FIRST, SECTIONS

WRITE_AFTER = 0.5
"""Seconds without a change before a draft is written."""


def read_draft(paths: Paths) -> dict[str, str]:
    """Return the draft; empty if it cannot be read."""
    try:
        loaded = json.loads(paths.draft.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {key: value for key, value in loaded.items() if key in BY_ID and isinstance(value, str)}


async def write_draft(paths: Paths, values: Mapping[str, str]) -> None:
    """Write the draft after a moment without changes. Secrets are stored as references only, never as values."""
    await asyncio.sleep(WRITE_AFTER)
    kept = {key: saved_text(key, value) for key, value in values.items() if key in BY_ID}
    with contextlib.suppress(OSError):
        if kept:
            await asyncio.to_thread(write_private, paths.draft, json.dumps(kept))
        else:
            paths.draft.unlink(missing_ok=True)


def read_folded(paths: Paths) -> frozenset[str]:
    """Return the folded sections of the form; those that are rarely used until the user has chosen."""
    lines = read_text(paths.folded).splitlines()
    return frozenset(lines[1:]) & frozenset(SECTIONS) if lines else FOLDED_FIRST


async def write_folded(paths: Paths, folded: Iterable[str]) -> None:
    """Write the folded sections of the form."""
    with contextlib.suppress(OSError):
        await asyncio.to_thread(write_private, paths.folded, "\n".join(["folded sections:", *sorted(folded)]) + "\n")
