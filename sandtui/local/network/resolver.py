"""The resolver of a sandbox over TCP (RFC 7766): each query is parsed and checked before it is forwarded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from sandtui.local.network import dns

_IDLE_SECONDS: Final = 30.0
_RESPONSE_SECONDS: Final = 15.0
_MIN_MESSAGE: Final = 12


Resolve = Callable[[bytes], Awaitable[bytes]]


class Names(Protocol):
    """The rules of a sandbox for host names."""

    def allows_lookup(self, message: bytes) -> bool:
        """Return whether a query is allowed."""
        ...

    def learn(self, name: str, addresses: list[str]) -> None:
        """Store the addresses that a name resolved to."""
        ...


async def serve_queries(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    names: Names,
    resolve: Resolve,
    *,
    learns: bool = True,
    answer: Callable[[bytes], bytes | None] | None = None,
) -> None:
    """Serve one connection to its end, one query at a time; what ``answer`` knows is not forwarded."""
    try:
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                message = await _receive(reader)
            if len(message) < _MIN_MESSAGE:
                break
            if answer is not None and (known := answer(message)) is not None:
                response = known
            elif names.allows_lookup(message):
                async with asyncio.timeout(_RESPONSE_SECONDS):
                    response = await resolve(message)
                if learns and (name := dns.queried_name(response)) is not None:
                    names.learn(name, dns.addresses(response))
            else:
                response = dns.refused(message)
            writer.write(len(response).to_bytes(2, "big") + response)
            await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        pass  # The client retries over another connection.
    finally:
        writer.close()


async def forward_query(message: bytes, server: str | None) -> bytes:
    """Return a name server's response to a query.

    Raises:
        OSError: there is no name server, or it cannot be reached.
        IncompleteReadError: the response was cut off.
    """
    if server is None:
        raise OSError("this machine has no IPv4 name server")
    reader, writer = await asyncio.open_connection(server, 53)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        await writer.drain()
        return await _receive(reader)
    finally:
        writer.transport.abort()


async def _receive(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(size)
