"""Reads what the platform has billed, where it has bills."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from sandtui.client import APIError, AsyncSandboxClient, SandboxClientError
from sandtui.clock import Clock
from sandtui.fleet.inventory.store import FleetStore

PAUSE_SECONDS: Final = 300.0

_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


async def billed(client: AsyncSandboxClient) -> dict[str, float] | None:
    """Return what was billed in dollars, by the id of the sandbox; None if the platform has no bills, or not for us.

    Raises:
        SandboxClientError: the platform could not be asked.
    """
    try:
        wallet = await client.get_wallet()
    except APIError as error:
        if error.status_code is not None and error.status_code < 500 and error.status_code != 429:
            return None
        raise
    amounts: dict[str, float] = {}
    for row in wallet.rows:
        # A sandbox may have several rows, one for each thing that is billed.
        amounts[row.resource_id] = amounts.get(row.resource_id, 0.0) + row.amount_usd
    return amounts


async def watch_bill(client: AsyncSandboxClient, store: FleetStore, clock: Clock) -> None:
    """Keep what was billed up to date, until cancelled. A platform on this machine has no bills, and is not asked."""
    if urlsplit(client.config.base_url).hostname in _HERE:
        return
    while True:
        try:
            amounts = await billed(client)
        except SandboxClientError:
            amounts = {}  # what is known stays
        if amounts is None:
            return
        if amounts:
            store.set_billed(amounts)
        await clock.sleep(PAUSE_SECONDS)
