"""What stands where no row is: the cause, and one key that helps (tui.md 5.2)."""

from __future__ import annotations

from textwrap import wrap

from sandtui.fleet.refresh import Freshness, Phase
from sandtui.fleet.sanitize import clean
from sandtui.fleet.session import ConnectError
from sandtui.ui.render.text import Piece

Lines = list[list[Piece]]


def not_connected(problem: ConnectError) -> Lines:
    """Say why there is no platform."""
    advice = [[Piece(line, "dim")] for text in problem.advice.splitlines() for line in wrap(clean(text), 60)]
    words = [[Piece(line, "bad")] for text in problem.message.splitlines() for line in wrap(clean(text), 60)]
    keys = [Piece("r", "key"), Piece(" tries again   ", "dim"), Piece("@", "key"), Piece(" another context", "dim")]
    return [*words, [], *advice, [], keys]


def connecting() -> Lines:
    """Say that it takes a moment."""
    return [[Piece("◌ ", "waiting"), Piece("connecting …", "dim")]]


def why_empty(freshness: Freshness, known: int, query: str) -> Lines:
    """Say why a connected platform's list is empty; ``known`` counts all sandboxes, whatever the filter."""
    if freshness.phase is Phase.LOADING:
        return [[Piece("◌ ", "waiting"), Piece("loading the fleet …", "dim")]]
    if freshness.phase in {Phase.OFFLINE, Phase.UNAUTHORIZED} and not known:
        return [
            [Piece("No data yet", "bright")],
            [],
            *[[Piece(line, "bad")] for line in wrap(clean(freshness.problem), 60)],
            [],
            [Piece("r", "key"), Piece(" tries again now", "dim")],
        ]
    if not known:
        return [[Piece("No sandboxes yet", "bright")], [], *_tour()]
    if query:
        return [
            [Piece("No sandbox matches ", "bright"), Piece(clean(query), "info")],
            [],
            [Piece("esc", "key"), Piece(" clears the filter", "dim")],
        ]
    return [
        [Piece("All sandboxes have ended", "bright")],
        [],
        [Piece("a", "key"), Piece(" shows them", "dim")],
    ]


TOUR = (
    ("n", "create a sandbox, or a fleet of hundreds"),
    ("enter", "see everything about one"),
    ("x", "run commands in it, or in all that are marked"),
    ("s", "open a shell there"),
    ("space", "mark, then do something to all of them with m"),
    ("/", "find: words, #label, status:running, age>2h"),
    ("@", "work with another platform or account"),
    ("?", "see the keys that work here; : takes commands"),
)
"""What a newcomer needs first, in the order in which it is needed."""


def _tour() -> Lines:
    keys = max(len(key) for key, _ in TOUR)
    width = max(len(words) for _, words in TOUR)
    return [[Piece(f"{key:>{keys}}", "key"), Piece(f"  {words:<{width}}", "dim")] for key, words in TOUR]
