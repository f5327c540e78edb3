"""Carries bytes between a local connection and an SSH channel, both ways, counted, at the pace of the slower side."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import asyncssh

from sandtui.fleet.ports.forward import LOOPBACK, Forward

WINDOW = 4 * 1024 * 1024
"""Bytes that may be on their way to us before we say that we took some."""


class LocalEnd(asyncio.Protocol):
    """The end on this machine."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.other: ChannelEnd | None = None
        self.transport: asyncio.Transport | None = None
        self.said_all = False
        self.is_gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing before there is somewhere to send it."""
        self.transport = cast("asyncio.Transport", transport)
        if self.other is None:
            self.transport.pause_reading()

    def join(self, other: ChannelEnd) -> None:
        """Begin to carry."""
        self.other = other
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Close at once and send nothing more; nothing is to be done once the connection is gone."""
        if self.transport is not None and not self.is_gone:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Send it on."""
        self.forward.sent += len(data)
        if self.other is not None and self.other.channel is not None:
            with contextlib.suppress(OSError):
                self.other.channel.write(data)

    def eof_received(self) -> bool:
        """Tell the other side; what it still has to say comes through."""
        if self.other is not None and self.other.channel is not None:
            with contextlib.suppress(OSError):
                self.other.channel.write_eof()
        self.said_all = True
        self.close_if_over()
        return True

    def close_if_over(self) -> None:
        """Close when both sides have said all: what is still on its way to the local side goes out first."""
        if self.said_all and self.other is not None and self.other.said_all and self.transport is not None:
            self.transport.close()

    def pause_writing(self) -> None:
        """Take no more from the channel: this side is slow."""
        if self.other is not None and self.other.channel is not None:
            self.other.channel.pause_reading()

    def resume_writing(self) -> None:
        """Take more."""
        if self.other is not None and self.other.channel is not None:
            self.other.channel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side too."""
        if self.other is not None and self.other.channel is not None:
            self.other.channel.close()
        if not self.is_gone:
            self.is_gone = True
            self.forward.connections -= 1


class ChannelEnd(asyncssh.SSHTCPSession[bytes]):
    """The end in the sandbox."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.other: LocalEnd | None = None
        self.channel: asyncssh.SSHTCPChannel[bytes] | None = None
        self.said_all = False

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Keep the channel."""
        self.channel = chan

    def session_started(self) -> None:
        """Begin to carry."""
        if self.other is not None:
            self.other.join(self)

    def data_received(self, data: bytes, datatype: Any = None) -> None:
        """Send it on."""
        self.forward.received += len(data)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Tell the local side; what it still has to say goes through."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.write_eof()
        self.said_all = True
        if self.other is not None:
            self.other.close_if_over()
        return True

    def pause_writing(self) -> None:
        """Take no more from the local side."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Take more."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the local side too."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


async def carry_out(forward: Forward, connection: asyncssh.SSHClientConnection, local: LocalEnd) -> None:
    """Connect a local connection that was accepted to the sandbox's port; close it when that can't be.

    Raises:
        asyncssh.Error: the sandbox refused: nothing listens there.
    """
    end = ChannelEnd(forward)
    end.other = local
    try:
        await connection.create_connection(
            lambda: end, LOOPBACK, forward.spec.sandbox_port, encoding=None, window=WINDOW
        )
    except BaseException:
        if local.transport is not None:
            local.transport.close()
        raise


async def carry_in(forward: Forward) -> ChannelEnd:
    """Dial the local port for a connection that came in the sandbox.

    Raises:
        asyncssh.ChannelOpenError: nothing listens here.
    """
    end, local = ChannelEnd(forward), LocalEnd(forward)
    end.other = local
    loop = asyncio.get_running_loop()
    forward.served += 1
    try:
        await loop.create_connection(lambda: local, LOOPBACK, forward.spec.local_port)
    except OSError as error:
        forward.words = f"nothing listens on {forward.spec.local_port} here"
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from None
    forward.connections += 1
    forward.words = ""
    return end
