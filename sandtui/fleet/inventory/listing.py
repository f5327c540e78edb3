"""The fleet page by page, for scripts: without a store, and no more requests than the dashboard's first sweep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from sandtui.client import AsyncSandboxClient
from sandtui.client.models import SandboxPage
from sandtui.client.models.sandbox import FINISHED_STATUSES
from sandtui.fleet.inventory.query import Query
from sandtui.fleet.inventory.query.terms import All, AnyOf, CompareTime, Pattern, Status, Term, Text
from sandtui.fleet.inventory.row import Row, seconds

PER_PAGE = 100
PAGES_AT_ONCE = 4


def asks_for_ended(query: Query) -> bool:
    """Whether a filter is about sandboxes that have ended, so that it makes no sense to leave them out."""
    return _asks(query.term)


def _asks(term: Term) -> bool:
    if isinstance(term, All | AnyOf):
        return any(_asks(part) for part in term.terms)
    if isinstance(term, Status):
        return any(status.startswith(word) for status in FINISHED_STATUSES for word in term.words)
    if isinstance(term, CompareTime):
        return term.name == "ended"
    return isinstance(term, Text | Pattern) and term.name == "error"


async def matches(
    client: AsyncSandboxClient, query: Query, *, ended: bool, on_page: Callable[[int, int], None] = lambda *_: None
) -> AsyncIterator[list[Row]]:
    """Yield the rows of each page that match, in the platform's order; it filters by labels and status.

    ``ended`` includes sandboxes that have ended. ``on_page`` is called with the number of pages so far and of all.

    Raises:
        SandboxClientError: a page could not be had.
    """
    part = query.server
    seen: set[str] = set()

    async def page(number: int) -> SandboxPage:
        return await client.list(
            labels=part.labels or None,
            status=part.status,
            page=number,
            per_page=PER_PAGE,
            exclude_terminated=None if ended else True,
        )

    def rows(reply: SandboxPage) -> list[Row]:
        # What was created meanwhile moves sandboxes to the next page, where they come again.
        fresh = [sandbox for sandbox in reply.sandboxes if sandbox.id not in seen]
        seen.update(sandbox.id for sandbox in fresh)
        return query.select([Row.of(sandbox, 1) for sandbox in fresh], seconds(datetime.now(UTC)))

    number, reply = 1, await page(1)
    pages = max(1, -(-reply.total // max(1, reply.per_page)))
    on_page(1, pages)
    yield rows(reply)
    while reply.has_next and reply.sandboxes:
        some = range(number + 1, max(number + 1, min(number + PAGES_AT_ONCE, pages)) + 1)
        replies = await asyncio.gather(*map(page, some))
        number, reply = some[-1], replies[-1]
        on_page(number, max(pages, number))
        for each in replies:
            yield rows(each)
