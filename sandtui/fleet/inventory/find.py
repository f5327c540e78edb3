"""Finds sandboxes by a filter, for scripts: all pages, without a store."""

from __future__ import annotations

from datetime import datetime

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.inventory.query import Query, QueryError, parse
from sandtui.fleet.inventory.row import Row, seconds

PER_PAGE = 100
MAX_PAGES = 1000


def script_query(text: str, me: str | None) -> Query:
    """Parse the filter of a script, where nothing is measured.

    Raises:
        QueryError: it can't be understood, or asks for what is measured in the dashboard alone.
    """
    query = parse(text, me)
    if query.asks_use:
        raise QueryError("used, memused and unmeasured are for the dashboard, which can measure", 0, len(text))
    if query.asks_owners:
        raise QueryError("orphaned is for the dashboard; `sandtui reap --dry-run` lists them", 0, len(text))
    return query


async def find(client: AsyncSandboxClient, query: Query, now: datetime) -> list[Row]:
    """Return active matches in the platform's order; the platform filters by labels and status.

    Raises:
        SandboxClientError: a page could not be had.
    """
    part = query.server
    rows: dict[str, Row] = {}
    for page in range(1, MAX_PAGES + 1):
        reply = await client.list(
            labels=part.labels or None, status=part.status, page=page, per_page=PER_PAGE, exclude_terminated=True
        )
        rows |= {sandbox.id: Row.of(sandbox, 1) for sandbox in reply.sandboxes}
        if not reply.has_next:
            break
    return query.select(list(rows.values()), seconds(now))
