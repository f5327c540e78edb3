"""Finds the sandboxes that a subcommand is about: NAME, ID or QUERY, the same everywhere.

A word is an id, the beginning of one (4 letters or more), or a name, each exactly. What has the signs of a filter, such
as ``#run=42``, ``status:error`` or ``name:web*``, is a QUERY. A plain word that names nothing is an error with the
nearest names; a subcommand that changes nothing may take it for a QUERY instead (``plain_queries``).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandtui.cli.progress import ProgressLine
from sandtui.cli.usage import UsageError

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.query import Query
    from sandtui.fleet.inventory.row import Row

MIN_PREFIX = 4
SHOWN = 20
NEAREST = 5
ASKED_BY_ID = 3
"""Up to so many plain words are asked for as ids before the fleet is listed: one request each, however large it is."""

_QUERY_SIGNS = re.compile(r"[\s#:<>~=*?()\"']|^[!-]?(mine|untouched)$")
"""A ! or - before a plain word is none: `rm -- -x` must not delete all but x."""

_ID = re.compile(r"[A-Za-z0-9._-]{4,128}")


def is_query(word: str) -> bool:
    """Whether a word is a filter rather than a name or an id."""
    return not word or _QUERY_SIGNS.search(word) is not None


def read_query(text: str, me: str | None = "me") -> Query:
    """Parse a filter; before connecting, ``me`` stands for whoever connects.

    Raises:
        UsageError: it is not valid, or asks for what only the dashboard measures.
    """
    from sandtui.fleet.inventory.find import script_query
    from sandtui.fleet.inventory.query import QueryError

    try:
        return script_query(text, me)
    except QueryError as error:
        raise UsageError(f"query: {error}. `sandtui help filter` explains filters") from None


def check_words(words: Sequence[str]) -> None:
    """Check targets before connecting.

    Raises:
        UsageError: one is empty or not a valid filter, or there are several filters.
    """
    queries = [word for word in words if is_query(word)]
    if "" in queries:
        raise UsageError("an empty text names no sandbox; use --all for all")
    for word in queries:
        read_query(word)
    if len(queries) > 1:
        both, either = " ".join(queries), " or ".join(queries)
        raise UsageError(f"several filters: write one, either '{both}' (all of it) or '{either}' (any of it)")


async def resolve(
    client: AsyncSandboxClient,
    words: Sequence[str],
    *,
    ended: bool = False,
    plain_queries: bool = False,
    only: str | None = None,
) -> list[Row]:
    """Return the sandboxes that the words stand for, each once, in the order of the words.

    ``ended`` includes those that have ended, which a filter about them and an exact id do in any case. ``only`` leaves
    out all of another status, such as ``RUNNING``, and says so where none is left.

    Raises:
        UsageError: a word names nothing or several, or a filter matches nothing.
        SandboxClientError: the platform could not be asked.
    """
    check_words(words)
    exact = await _by_id(client, [word for word in words if not is_query(word)])
    fleet: list[Row] | None = None
    alive: list[Row] | None = None
    chosen: dict[str, Row] = {}
    for word in words:
        if word in exact:
            found = [exact[word]]
        elif is_query(word):
            found = await _matching(client, word, ended=ended)
        else:
            if only is not None and alive is None:
                # One page less for each hundred that have ended.
                alive = await everyone(client, ended=False, status=only)
            found = _exactly(word, alive or ())
            if not found:
                if fleet is None:
                    fleet = await everyone(client, ended=True)
                found = _named(word, fleet, plain_queries=plain_queries, ended=ended)
        able = [row for row in found if only is None or row.status == only]
        if not able:
            raise UsageError(_not_able(word, found, only or ""))
        chosen |= {row.id: row for row in able}
    return list(chosen.values())


async def resolve_one(client: AsyncSandboxClient, word: str, *, ended: bool = False, only: str | None = None) -> Row:
    """Return the one sandbox that a word stands for: a name, an id, or a filter that matches one.

    Raises:
        UsageError: it is none, or several: their ids are in the message.
        SandboxClientError: the platform could not be asked.
    """
    rows = await resolve(client, [word], ended=ended, only=only)
    if len(rows) > 1:
        raise ambiguous(word, rows)
    return rows[0]


def ambiguous(word: str, rows: Sequence[Row]) -> UsageError:
    """Return the error for who named several sandboxes: their ids, with what tells them apart."""
    lines = [f"  {row.id}  {row.status}  {' '.join(row.sandbox.labels)}".rstrip() for row in rows[:SHOWN]]
    more = [f"  … and {len(rows) - SHOWN:,} more"] if len(rows) > SHOWN else []
    return UsageError(f'"{word}" is ambiguous ({len(rows):,} sandboxes); use an id:', details=[*lines, *more])


def nothing_matches(text: str, *, ended: bool, advice: str = "") -> str:
    """Return what to tell who filtered for something that is not there; ``advice`` is how to include ended ones."""
    if not text.strip():
        return "no sandboxes" if ended else f"no active sandboxes{advice}"
    return f"no {'' if ended else 'active '}sandbox matches the filter: {text}{'' if ended else advice}"


async def _by_id(client: AsyncSandboxClient, words: Sequence[str]) -> dict[str, Row]:
    from sandtui.client import InvalidRequestError, NotFoundError, RequestRejectedError
    from sandtui.fleet.inventory.row import Row

    if len(words) > ASKED_BY_ID:
        return {}

    async def one(word: str) -> Row | None:
        try:
            sandbox = await client.get(word)
        except (NotFoundError, InvalidRequestError, RequestRejectedError):
            return None
        return Row.of(sandbox, 1) if sandbox.id == word else None

    possible = list(dict.fromkeys(word for word in words if _ID.fullmatch(word)))
    found = await asyncio.gather(*map(one, possible))
    return {word: row for word, row in zip(possible, found, strict=True) if row is not None}


async def everyone(client: AsyncSandboxClient, *, ended: bool, status: str = "") -> list[Row]:
    """Return the whole fleet, or all of a status.

    Raises:
        SandboxClientError: the platform could not be asked.
    """
    from sandtui.fleet.inventory.listing import matches

    query = read_query(f"status:{status}" if status else "")
    progress = ProgressLine("listing", 1)
    found: list[Row] = []
    try:
        async for rows in matches(client, query, ended=ended, on_page=progress.update_of):
            found += rows
    finally:
        progress.clear()
    return found


async def _matching(client: AsyncSandboxClient, text: str, *, ended: bool) -> list[Row]:
    from sandtui.fleet.inventory.listing import asks_for_ended, matches

    query = read_query(text, client.config.user_id)
    ended = ended or asks_for_ended(query)
    found = [row async for rows in matches(client, query, ended=ended) for row in rows]
    if not found:
        raise UsageError(nothing_matches(text, ended=ended))
    return found


def _exactly(word: str, fleet: Sequence[Row]) -> list[Row]:
    """Return those with this id, this name, or an id that begins so."""
    exact = [row for row in fleet if row.id == word]
    named = exact or [row for row in fleet if row.name == word]
    if not named and len(word) >= MIN_PREFIX:
        named = [row for row in fleet if row.id.startswith(word)]
    # A name is used again after its sandbox has ended: who is alive is meant.
    named = [row for row in named if not row.sandbox.is_finished] or named
    if len(named) > 1:
        raise ambiguous(word, named)
    return named


def _named(word: str, fleet: Sequence[Row], *, plain_queries: bool, ended: bool) -> list[Row]:
    named = _exactly(word, fleet)
    if named:
        return named
    if plain_queries:
        now = datetime.now(UTC).timestamp()
        matching = read_query(word).select([row for row in fleet if ended or not row.sandbox.is_finished], now)
        if matching:
            return matching
    raise UsageError(_unknown(word, fleet))


def nearest_names(word: str, fleet: Sequence[Row]) -> list[str]:
    """Return the names that a word was probably meant to be: those that contain it first, then those like it."""
    from difflib import get_close_matches

    alive = [row for row in fleet if not row.sandbox.is_finished] or fleet
    names = list(dict.fromkeys(row.name for row in alive if row.name))
    lower = word.lower()
    return [name for name in names if lower in name.lower() or name.lower() in lower] or get_close_matches(
        word, names[:2000], NEAREST, 0.5
    )


def _unknown(word: str, fleet: Sequence[Row]) -> str:
    close = nearest_names(word, fleet)
    text = f'no sandbox named "{word}" (also tried as an id)'
    if not close:
        return text
    shown = ", ".join(close[:NEAREST])
    if len(close) > NEAREST:
        return f"{text}; nearest: {shown}, … ({len(close):,} in all; as a filter: 'name:*{word}*')"
    return f"{text}; did you mean {shown}?"


def _not_able(word: str, found: Sequence[Row], only: str) -> str:
    if len(found) == 1:
        row = found[0]
        why = f": {row.reason}" if row.reason else ""
        return f'"{row.name or row.id}" is {row.status.lower()}{why}, not {only.lower()}'
    return f"{len(found):,} sandboxes match the filter, none of them {only.lower()}: {word}"
