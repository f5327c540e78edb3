"""What stands where no row is: the cause, and one key that helps."""

from __future__ import annotations

import re
from textwrap import wrap

from sandtui.fleet.inventory.refresh import Freshness, Phase
from sandtui.fleet.inventory.session import ConnectError
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.text import Piece

Lines = list[list[Piece]]


def not_connected(problem: ConnectError, key: KeyOf) -> Lines:
    """Say why there is no platform."""
    advice = [[Piece(line, "dim")] for text in problem.advice.splitlines() for line in wrap(clean(text), 60)]
    words = [[Piece(line, "bad")] for text in problem.message.splitlines() for line in wrap(clean(text), 60)]
    return [*words, [], *advice, [], _again(key)]


def _again(key: KeyOf) -> list[Piece]:
    again = [Piece(key("app.refresh"), "key"), Piece(" tries again   ", "dim")]
    return [*again, Piece(key("app.context"), "key"), Piece(" another context", "dim")]


def connecting() -> Lines:
    """Say that it takes a moment."""
    return [[Piece("◌ ", "waiting"), Piece("connecting …", "dim")]]


def why_empty(freshness: Freshness, known: int, query: str, key: KeyOf) -> Lines:
    """Say why a connected platform's list is empty; ``known`` counts all sandboxes, whatever the filter."""
    if freshness.phase is Phase.LOADING:
        return [[Piece("◌ ", "waiting"), Piece("loading the fleet …", "dim")]]
    if freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED} and not known:
        return [
            [Piece("No data yet", "bright")],
            [],
            *[[Piece(line, "bad")] for line in wrap(clean(freshness.problem), 60)],
            [],
            _again(key),
        ]
    if not known:
        return [[Piece("No sandboxes yet", "bright")], [], *_tour(key)]
    if query:
        return [
            [Piece("No sandbox matches ", "bright"), Piece(clean(query), "info")],
            [],
            [Piece(key("fleet.back"), "key"), Piece(" clears the filter", "dim")],
        ]
    return [
        [Piece("All sandboxes have ended", "bright")],
        [],
        [Piece(key("fleet.active"), "key"), Piece(" shows them", "dim")],
    ]


TOUR = (
    ("fleet.new", "create a sandbox, or a fleet of hundreds"),
    ("fleet.open", "see everything about one"),
    ("fleet.exec", "run commands in it, or in all that are marked"),
    ("fleet.shell", "open a shell there"),
    ("fleet.mark", "mark, then do something to all of them with {fleet.many}"),
    ("fleet.filter", "find: words, #label, status:running, age>2h"),
    ("app.context", "work with another platform or account"),
    ("app.help", "see the keys that work here; {app.command} takes commands"),
)
"""What a newcomer needs first, in the order in which it is needed; in braces the keys of other actions."""


def _tour(key: KeyOf) -> Lines:
    rows = [(key(action_id), re.sub(r"\{(.+?)\}", lambda match: key(match[1]), words)) for action_id, words in TOUR]
    keys = max(len(name) for name, _ in rows)
    width = max(len(words) for _, words in rows)
    return [[Piece(f"{name:>{keys}}", "key"), Piece(f"  {words:<{width}}", "dim")] for name, words in rows]
