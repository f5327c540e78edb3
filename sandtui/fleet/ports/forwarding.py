"""Relaying bytes between a local connection and an SSH channel, counted, with flow control."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import asyncssh

from sandtui.fleet.ports.forward import LOOPBACK, Forward

WINDOW = 4 * 1024 * 1024
"""Receive window of an SSH channel in bytes."""


class LocalEnd(asyncio.Protocol):
    """The local end."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.other: ChannelEnd | None = None
        self.transport: asyncio.Transport | None = None
        self.said_all = False
        self.is_gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pause reading until the other end is connected."""
        self.transport = cast("asyncio.Transport", transport)
        if self.other is None:
            self.transport.pause_reading()

    def join(self, other: ChannelEnd) -> None:
        """Start relaying."""
        self.other = other
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Close at once without sending pending data; does nothing when the connection is gone."""
        if self.transport is not None and not self.is_gone:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Forward the data."""
        self.forward.sent += len(data)
        if self.other is not None and self.other.channel is not None:
            with contextlib.suppress(OSError):
                self.other.channel.write(data)

    def eof_received(self) -> bool:
        """Signal the end of input; data from the other end still passes."""
        if self.other is not None and self.other.channel is not None:
            with contextlib.suppress(OSError):
                self.other.channel.write_eof()
        self.said_all = True
        self.close_if_over()
        return True

    def close_if_over(self) -> None:
        """Close when both ends are finished, after flushing pending data to the local end."""
        if self.said_all and self.other is not None and self.other.said_all and self.transport is not None:
            self.transport.close()

    def pause_writing(self) -> None:
        """Stop reading from the channel: this end is slow."""
        if self.other is not None and self.other.channel is not None:
            self.other.channel.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading."""
        if self.other is not None and self.other.channel is not None:
            self.other.channel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end too."""
        if self.other is not None and self.other.channel is not None:
            self.other.channel.close()
        if not self.is_gone:
            self.is_gone = True
            self.forward.connections -= 1


class ChannelEnd(asyncssh.SSHTCPSession[bytes]):
    """The end in the sandbox (an SSH channel)."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.other: LocalEnd | None = None
        self.channel: asyncssh.SSHTCPChannel[bytes] | None = None
        self.said_all = False

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Store the channel."""
        self.channel = chan

    def session_started(self) -> None:
        """Start relaying."""
        if self.other is not None:
            self.other.join(self)

    def data_received(self, data: bytes, datatype: Any = None) -> None:
        """Forward the data."""
        self.forward.received += len(data)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Signal the end of input; data from the local end still passes."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.write_eof()
        self.said_all = True
        if self.other is not None:
            self.other.close_if_over()
        return True

    def pause_writing(self) -> None:
        """Stop reading from the local end."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the local end too."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


async def carry_out(forward: Forward, connection: asyncssh.SSHClientConnection, local: LocalEnd) -> None:
    """Connect an accepted local connection to the sandbox's port; close it on failure.

    Raises:
        asyncssh.Error: the connection was refused: nothing listens in the sandbox.
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
    """Connect to the local port for a connection from the sandbox.

    Raises:
        asyncssh.ChannelOpenError: nothing listens on the local port.
    """
    end, local = ChannelEnd(forward), LocalEnd(forward)
    end.other = local
    loop = asyncio.get_running_loop()
    forward.served += 1
    try:
        await loop.create_connection(lambda: local, LOOPBACK, forward.spec.local_port)
    except OSError as error:
        forward.note = f"connection refused: nothing listens on local port {forward.spec.local_port}"
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from None
    forward.connections += 1
    forward.note = ""
    return end
