"""How the list of a fleet was left, to be shown so again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sandtui.fleet.inventory.groups import grouping
from sandtui.fleet.inventory.order import ORDERS_BY_ID

MOST_COLLAPSED = 200
"""Collapsed groups that are stored."""

LONGEST_TEXT = 4000
WIDEST_COLUMN = 200


@dataclass(frozen=True, slots=True)
class ViewState:
    """Filter, order, groups, columns and position. ``line`` is the line of the window that has the cursor."""

    query: str = ""
    sort: str = "age"
    descending: bool = True
    active_only: bool = False
    group: str = ""
    collapsed: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict)
    cursor: str = ""
    line: int = 0

    def record(self) -> dict[str, Any]:
        """Return the state as values of JSON."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        collapsed, columns = list(self.collapsed[:MOST_COLLAPSED]), list(self.columns)
        return {**values, "collapsed": collapsed, "columns": columns, "widths": dict(self.widths)}

    @classmethod
    def read(cls, record: object) -> ViewState:
        """Return the state from values of JSON. Fields of another version are ignored, missing ones have defaults.

        Raises:
            ValueError: a value makes no sense.
        """
        if not isinstance(record, dict):
            raise ValueError("not an object")
        given = {name: check(record[name]) for name, check in _CHECKS.items() if name in record}
        return cls(**given)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise ValueError("not a text")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a number")
    return value


def _order(value: object) -> str:
    if value not in ORDERS_BY_ID:
        raise ValueError("no such order")
    return _text(value)


def _group(value: object) -> str:
    text = _text(value)
    if text and grouping(text) is None:
        raise ValueError("no such grouping")
    return text


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return tuple(map(_text, value))


def _widths(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return {_text(name): min(_number(width), WIDEST_COLUMN) for name, width in value.items()}


_CHECKS: Mapping[str, Callable[[object], Any]] = {
    "query": _text,
    "sort": _order,
    "descending": _truth,
    "active_only": _truth,
    "group": _group,
    "collapsed": _texts,
    "columns": _texts,
    "widths": _widths,
    "cursor": _text,
    "line": _number,
}
