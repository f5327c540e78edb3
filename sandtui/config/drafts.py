"""The draft of the create form, stored so that a crash loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping

from sandtui.config.paths import Paths, write_private
from sandtui.fleet.creation.form import BY_ID
from sandtui.fleet.creation.values import only_references

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
    kept = {key: _without_secrets(key, value) for key, value in values.items() if key in BY_ID}
    with contextlib.suppress(OSError):
        if kept:
            await asyncio.to_thread(write_private, paths.draft, json.dumps(kept))
        else:
            paths.draft.unlink(missing_ok=True)


def _without_secrets(key: str, value: str) -> str:
    return only_references(value) if BY_ID[key].secret else value
