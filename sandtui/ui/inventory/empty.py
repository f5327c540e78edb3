"""What the empty list shows: the reason, and the key that helps."""

from __future__ import annotations

import re
from textwrap import wrap

from sandtui.fleet.inventory.connection import ConnectError
from sandtui.fleet.inventory.refresh import Freshness, Phase
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.text import Piece

Lines = list[list[Piece]]


def not_connected(problem: ConnectError, key: KeyOf) -> Lines:
    """Return why the platform cannot be reached, with advice."""
    advice = [[Piece(line, "dim")] for text in problem.advice.splitlines() for line in wrap(clean(text), 60)]
    message = [[Piece(line, "bad")] for text in problem.message.splitlines() for line in wrap(clean(text), 60)]
    return [*message, [], *advice, [], _retry(key)]


def _retry(key: KeyOf) -> list[Piece]:
    retry = [Piece(key("app.refresh"), "key"), Piece(" retry   ", "dim")]
    return [*retry, Piece(key("app.context"), "key"), Piece(" switch context", "dim")]


def connecting() -> Lines:
    """Return what is shown until the first connection."""
    return [[Piece("◌ ", "waiting"), Piece("Connecting…", "dim")]]


def why_empty(freshness: Freshness, known: int, query: str, key: KeyOf) -> Lines:
    """Return why the list is empty while connected; ``known`` counts all sandboxes, whatever the filter."""
    if freshness.phase is Phase.LOADING:
        return [[Piece("◌ ", "waiting"), Piece("Loading sandboxes…", "dim")]]
    if freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED} and not known:
        return [
            [Piece("Not connected", "bright")],
            [],
            *[[Piece(line, "bad")] for line in wrap(clean(freshness.problem), 60)],
            [],
            _retry(key),
        ]
    if not known:
        return [[Piece("No sandboxes yet", "bright")], [], *_tour(key)]
    if query:
        return [
            [Piece("No sandboxes match ", "bright"), Piece(clean(query), "info")],
            [],
            [Piece(key("fleet.back"), "key"), Piece(" clear the filter", "dim")],
        ]
    return [
        [Piece("No running sandboxes", "bright")],
        [],
        [Piece("press ", "dim"), Piece(key("fleet.active"), "key"), Piece(" to show ended ones", "dim")],
    ]


TOUR = (
    ("fleet.new", "create one or many sandboxes"),
    ("fleet.open", "open a sandbox"),
    ("fleet.exec", "run a command (marked or current)"),
    ("fleet.shell", "open a shell"),
    ("fleet.mark", "mark ({fleet.many} for bulk actions)"),
    ("fleet.filter", "filter: text, #label, status:running, age>2h"),
    ("app.context", "switch context"),
    ("app.help", "keyboard shortcuts ({app.command} for commands)"),
)
"""What a newcomer needs first, in that order; an action id in braces stands for its key."""


def _tour(key: KeyOf) -> Lines:
    rows = [(key(action_id), re.sub(r"\{(.+?)\}", lambda match: key(match[1]), text)) for action_id, text in TOUR]
    keys = max(len(name) for name, _ in rows)
    width = max(len(text) for _, text in rows)
    return [[Piece(f"{name:>{keys}}", "key"), Piece(f"  {text:<{width}}", "dim")] for name, text in rows]
