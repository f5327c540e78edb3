"""TLS that can end one direction alone, which asyncio's cannot: the input of a command ends before its output."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final

_CHUNK: Final = 65536


class TlsWriter:
    """The writing side; create both sides with :func:`open_tls`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext, name: str, limit: int
    ) -> None:
        self._raw_reader, self._raw_writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.plain = asyncio.StreamReader(limit=limit)
        self._may_read = asyncio.Event()
        self._may_read.set()
        # Only what a stream reader calls: it holds a server back that sends faster than anyone reads.
        self.plain.set_transport(self)  # type: ignore[arg-type]
        self._pumping: asyncio.Task[None] | None = None

    async def shake_hands(self) -> None:
        """Agree with the server, then read what it sends.

        Raises:
            OSError: the server is not trusted, or closed the connection.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                self._feed(await self._raw_reader.read(_CHUNK))
            else:
                break
        await self._flush()
        self._pumping = asyncio.create_task(self._pump(), name="engine tls")

    def pause_reading(self) -> None:
        """Stop reading; the stream reader is full."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._may_read.set()

    def write(self, data: bytes) -> None:
        """Encrypt and send bytes."""
        self._tls.write(data)
        self._raw_writer.write(self._outgoing.read())

    async def drain(self) -> None:
        """Wait until there is room for more."""
        await self._raw_writer.drain()

    def write_eof(self) -> None:
        """End this direction; the other one goes on."""
        # Between two steps of the pump, nothing complete is left to read, so this only sends the alert.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        if data := self._outgoing.read():
            self._raw_writer.write(data)

    def close(self) -> None:
        """Close the connection."""
        if self._pumping is not None:
            self._pumping.cancel()
        self._raw_writer.close()

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            self._raw_writer.write(data)
            await self._raw_writer.drain()

    def _feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _pump(self) -> None:
        try:
            while self._decrypt():
                await self._flush()
                await self._may_read.wait()
                self._feed(await self._raw_reader.read(_CHUNK))
        except OSError as error:
            # A server that refuses our certificate says so only now, in TLS 1.3.
            self.plain.set_exception(error)
        else:
            self.plain.feed_eof()

    def _decrypt(self) -> bool:
        """Hand on all that has arrived; return False at the end."""
        while True:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                return True
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return False
            if not data:
                return False
            self.plain.feed_data(data)


async def open_tls(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext, name: str, limit: int
) -> tuple[asyncio.StreamReader, TlsWriter]:
    """Return an encrypted stream over a connection to the server ``name``.

    Raises:
        OSError: the server is not trusted, or closed the connection.
    """
    tls = TlsWriter(reader, writer, context, name, limit)
    try:
        await tls.shake_hands()
    except BaseException:
        tls.close()
        raise
    return tls.plain, tls
