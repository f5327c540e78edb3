"""The grammar of keys: what each letter and sign means, the same on every screen.

Lower case looks, moves and opens; capitals change something, or are the larger or reverse form of the small letter.
In a text (output, logs, scrollback) ``n`` and ``N`` go to matches, as in less: the only keys with two meanings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sandtui.fleet.actions.action import GLOBAL, Action


class KeyGroup(StrEnum):
    """A group of the help, in its order."""

    MOVE = "Move"
    MARK = "Mark"
    ACT = "Act"
    VIEW = "View"
    GO = "Go"


@dataclass(frozen=True, slots=True)
class KeyMeaning:
    """What a key means. ``keys`` are Textual's names."""

    keys: tuple[str, ...]
    text: str
    group: KeyGroup


TEXTS = frozenset({"output", "results", "log", "job_log", "shell"})
"""Scopes in which ``n`` and ``N`` go to matches."""

MATCHES = KeyMeaning(("n", "N"), "next and previous match, in a text", KeyGroup.MOVE)

MEANINGS = (
    KeyMeaning(("enter",), "open", KeyGroup.GO),
    KeyMeaning(("escape", "q"), "back, or close", KeyGroup.GO),
    KeyMeaning(
        ("left_square_bracket", "right_square_bracket"), "previous and next tab, page or measure", KeyGroup.MOVE
    ),
    KeyMeaning(("less_than_sign", "greater_than_sign"), "earlier and later, slower and faster", KeyGroup.MOVE),
    KeyMeaning(("left_curly_bracket", "right_curly_bracket"), "further back and forward", KeyGroup.MOVE),
    KeyMeaning(("left", "h", "backspace"), "left, or the parent directory", KeyGroup.MOVE),
    KeyMeaning(("right",), "right", KeyGroup.MOVE),
    KeyMeaning(("g", "home"), "start", KeyGroup.MOVE),
    KeyMeaning(("G", "end"), "end", KeyGroup.MOVE),
    KeyMeaning(("pageup", "pagedown"), "previous and next page, or section of a form", KeyGroup.MOVE),
    KeyMeaning(("tab", "shift+tab"), "next and previous pane", KeyGroup.MOVE),
    KeyMeaning(("slash",), "search or filter", KeyGroup.VIEW),
    KeyMeaning(("ampersand",), "filter lines", KeyGroup.VIEW),
    KeyMeaning(("space",), "mark; pause a player", KeyGroup.MARK),
    KeyMeaning(("V",), "range", KeyGroup.MARK),
    KeyMeaning(("asterisk",), "mark all; in results those that failed", KeyGroup.MARK),
    KeyMeaning(("I",), "invert marks", KeyGroup.MARK),
    KeyMeaning(("u",), "clear marks", KeyGroup.MARK),
    KeyMeaning(("a", "full_stop"), "all: also what is ended or hidden", KeyGroup.VIEW),
    KeyMeaning(("b",), "background jobs", KeyGroup.GO),
    KeyMeaning(("c",), "columns", KeyGroup.VIEW),
    KeyMeaning(("d",), "details", KeyGroup.VIEW),
    KeyMeaning(("e",), "edit", KeyGroup.ACT),
    KeyMeaning(("f",), "files", KeyGroup.GO),
    KeyMeaning(("i",), "type: the prompt or the shell", KeyGroup.GO),
    KeyMeaning(("L", "l"), "logs", KeyGroup.GO),
    KeyMeaning(("m",), "more actions", KeyGroup.ACT),
    KeyMeaning(("n",), "new", KeyGroup.ACT),
    KeyMeaning(("N",), "new of another kind: a clone, a forward, a restored one", KeyGroup.ACT),
    KeyMeaning(("o",), "order", KeyGroup.VIEW),
    KeyMeaning(("O",), "reverse order", KeyGroup.VIEW),
    KeyMeaning(("p",), "ports", KeyGroup.GO),
    KeyMeaning(("r",), "refresh", KeyGroup.VIEW),
    KeyMeaning(("s",), "shell", KeyGroup.GO),
    KeyMeaning(("S",), "shell full screen", KeyGroup.GO),
    KeyMeaning(("t",), "follow (tail)", KeyGroup.VIEW),
    KeyMeaning(("v",), "views; another view of a file", KeyGroup.VIEW),
    KeyMeaning(("w",), "wrap", KeyGroup.VIEW),
    KeyMeaning(("x",), "exec", KeyGroup.GO),
    KeyMeaning(("X",), "last exec in many", KeyGroup.GO),
    KeyMeaning(("y",), "copy to the clipboard", KeyGroup.ACT),
    KeyMeaning(("Y",), "copy more to the clipboard", KeyGroup.ACT),
    KeyMeaning(("z",), "group", KeyGroup.VIEW),
    KeyMeaning(("Z",), "fold all", KeyGroup.VIEW),
    KeyMeaning(("A",), "allow: permissions, the clipboard, notifications", KeyGroup.ACT),
    KeyMeaning(("B",), "browser", KeyGroup.GO),
    KeyMeaning(("C",), "copy files", KeyGroup.ACT),
    KeyMeaning(("D",), "delete", KeyGroup.ACT),
    KeyMeaning(("E",), "errors: stderr instead of stdout", KeyGroup.VIEW),
    KeyMeaning(("F",), "fork", KeyGroup.ACT),
    KeyMeaning(("H",), "hide what has finished", KeyGroup.VIEW),
    KeyMeaning(("K",), "kill: stop or cancel", KeyGroup.ACT),
    KeyMeaning(("M",), "move or rename", KeyGroup.ACT),
    KeyMeaning(("P",), "pause", KeyGroup.ACT),
    KeyMeaning(("Q",), "QR code", KeyGroup.VIEW),
    KeyMeaning(("R",), "recordings", KeyGroup.GO),
    KeyMeaning(("T",), "then: what follows a job", KeyGroup.ACT),
    KeyMeaning(("U",), "again: retry, rerun, reconnect", KeyGroup.ACT),
    KeyMeaning(("W",), "write: to a file, or a version of a volume", KeyGroup.ACT),
    KeyMeaning(("exclamation_mark",), "only what failed", KeyGroup.VIEW),
    KeyMeaning(("percent_sign",), "measure", KeyGroup.ACT),
    KeyMeaning(("apostrophe",), "bookmarks", KeyGroup.GO),
    KeyMeaning(("tilde",), "go to a path", KeyGroup.GO),
    KeyMeaning(("equals_sign",), "compare, or make equal: checkpoints, directories, targets", KeyGroup.ACT),
    KeyMeaning(("vertical_line",), "the same path in both panes", KeyGroup.VIEW),
    KeyMeaning(("number_sign",), "map of the fleet", KeyGroup.VIEW),
    KeyMeaning(("plus",), "new tab", KeyGroup.ACT),
    KeyMeaning(
        ("1", "2", "3", "4", "5", "6", "7", "8"),
        "fleet, jobs, files, ports, activity, launches, checkpoints, volumes",
        KeyGroup.GO,
    ),
    KeyMeaning(("minus",), "previous screen", KeyGroup.GO),
    KeyMeaning(("at",), "another context or machine", KeyGroup.GO),
    KeyMeaning(("colon",), "command", KeyGroup.ACT),
    KeyMeaning(("question_mark",), "help", KeyGroup.GO),
)

_BY_KEY = {key: meaning for meaning in MEANINGS for key in meaning.keys}
_OF_FUNCTION_KEYS = {
    "history": KeyGroup.GO,
    "back": KeyGroup.GO,
    "manual": KeyGroup.GO,
    "presets": KeyGroup.GO,
    "command_palette": KeyGroup.GO,
    "quit": KeyGroup.GO,
    "suspend": KeyGroup.GO,
    "out": KeyGroup.GO,
    "next_problem": KeyGroup.MOVE,
    "fold": KeyGroup.VIEW,
    "clear": KeyGroup.VIEW,
}


def meaning_of(action: Action, key: str) -> KeyMeaning | None:
    """Return the meaning of a key of an action; None for a function key or one with ctrl, which have no grammar."""
    if key in MATCHES.keys and action.scope in TEXTS:
        return MATCHES
    return _BY_KEY.get(key)


def group_of(action: Action) -> KeyGroup:
    """Return the group of the help that an action belongs to, whatever keys the user has given to it."""
    meaning = meaning_of(action, action.keys[0]) if action.keys else None
    if meaning is not None and action.scope != GLOBAL:
        return meaning.group
    default = KeyGroup.GO if action.scope == GLOBAL else KeyGroup.ACT
    return _OF_FUNCTION_KEYS.get(action.name, meaning.group if meaning is not None else default)
