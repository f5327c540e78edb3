"""The sandbox' resolver over TCP (RFC 7766): each question is read and checked here, before any is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from sandtui.local.network import dns

_IDLE_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 15.0
_LEAST: Final = 12


Ask = Callable[[bytes], Awaitable[bytes]]


class Names(Protocol):
    """What a sandbox' rules say of names."""

    def allows_lookup(self, message: bytes) -> bool:
        """Return whether a question may be asked."""
        ...

    def learn(self, name: str, addresses: list[str]) -> None:
        """Remember which addresses a name led to."""
        ...


async def answer_questions(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, names: Names, ask: Ask, *, learns: bool = True
) -> None:
    """Serve one connection until its end, one question after the other."""
    try:
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                message = await _receive(reader)
            if len(message) < _LEAST:
                break
            if names.allows_lookup(message):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    reply = await ask(message)
                if learns and (name := dns.question(reply)) is not None:
                    names.learn(name, dns.addresses(reply))
            else:
                reply = dns.refused(message)
            writer.write(len(reply).to_bytes(2, "big") + reply)
            await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        pass  # The other side asks again, over another connection.
    finally:
        writer.close()


async def pass_on(message: bytes, server: str | None) -> bytes:
    """Return a name server's answer to a question.

    Raises:
        OSError: there is none, or it can't be reached.
        IncompleteReadError: it broke off.
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
