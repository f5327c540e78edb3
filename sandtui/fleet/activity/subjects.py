"""The sandboxes that an entry of the activity log is about."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sandtui.fleet.activity.requests import Request
from sandtui.fleet.inventory.row import Row

_PART = re.compile(r"[A-Za-z0-9_-]+")
_EDGES = ".,:;!?()[]\"'“”…"


def sandboxes_of(text: str, requests: Iterable[Request], rows: Iterable[Row]) -> list[str]:
    """Return the ids of the listed sandboxes that an entry names, or else those that its requests were for.

    Of sandboxes with the same name it is the one that a request was for, or else the newest.
    """
    by_name: dict[str, Row] = {}
    known = {row.id: row for row in rows}
    asked = [part for each in requests for part in _PART.findall(f"{each.path} {each.body}") if part in known]
    preferred = set(asked)
    for row in known.values():
        old = by_name.get(row.name)
        if old is None or (row.id in preferred, row.created) > (old.id in preferred, old.created):
            by_name[row.name] = row
    found: dict[str, None] = {}
    for word in text.split():
        for each in (word, word.strip(_EDGES)):
            if each in known:
                found[each] = None
            elif each in by_name:
                found[by_name[each].id] = None
    # Names with spaces in them.
    found |= {row.id: None for name, row in by_name.items() if " " in name.strip() and name in text}
    return list(found or dict.fromkeys(asked))
