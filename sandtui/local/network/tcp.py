"""One TCP connection of a sandbox: terminated here, carried on by a socket of this machine (RFC 9293, server side)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, cast

from sandtui.local.network.budget import MAX_SHARE, MIN_SHARE
from sandtui.local.network.packets import ACK, FIN, PSH, RST, SYN, Segment, build_segment, option

MTU: Final = 65520
MSS: Final = MTU - 40
_SCALE: Final = 7
ROOM: Final = 1024 * 1024
"""The most bytes that a sandbox may have in flight to us."""
_RETRY_SECONDS: Final = 0.5
_MAX_RETRIES: Final = 12
_MASK: Final = 0xFFFFFFFF

_SCRATCH: Final = memoryview(bytearray(256 * 1024))
"""The receive buffer of all connections; data is copied out before the next read."""

Key = tuple[str, int, str, int]


class TcpFlow(asyncio.BufferedProtocol):
    """The state of one connection. On the way to a local device, only a full queue loses packets."""

    def __init__(
        self,
        syn: Segment,
        write: Callable[[bytes], None],
        over: Callable[[Key], None],
        room: Callable[[], int] = lambda: ROOM,
        share: Callable[[], int] = lambda: MAX_SHARE,
        hold: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.key: Key = (syn.source, syn.source_port, syn.target, syn.target_port)
        self._write = write
        self._over = over
        self._room = room
        self._share = share
        self._hold = hold
        self._held = 0
        self._high = MIN_SHARE
        self._transport: asyncio.Transport | None = None
        self._next = (syn.seq + 1) & _MASK
        """The sequence number of the next byte from the sandbox."""
        self._base = 1
        """Our sequence number of the first byte that is not acknowledged."""
        self._sent = 0
        """The bytes of the buffer that are in flight."""
        self._buffer = bytearray()
        self._window = syn.window
        scale = option(syn, 3)
        self._scale = min(scale[0], 14) if scale else 0
        self._has_scale = bool(scale)
        mss = option(syn, 2)
        self._mss = min(MSS, max(int.from_bytes(mss, "big"), 64)) if mss else 536
        self._is_full = False
        self._heard_fin = self._their_fin = False
        self._our_fin = self._fin_acknowledged = False
        self._timer: asyncio.TimerHandle | None = None
        self._retries = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer the sandbox's SYN: the connection to the target is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._high = min(ROOM, self._share())
        self._transport.set_write_buffer_limits(high=self._high)
        self._answer_syn()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return a buffer for the next bytes of the target, no larger than what may be buffered."""
        return _SCRATCH[: max(1, min(len(_SCRATCH), self._share() - len(self._buffer)))]

    def buffer_updated(self, count: int) -> None:
        """Pass bytes of the target to the sandbox."""
        self._buffer += _SCRATCH[:count]
        self._push()
        self._count()
        if len(self._buffer) >= self._share() and self._transport is not None:
            self._transport.pause_reading()

    def _count(self) -> None:
        """Report the buffered bytes: those for the sandbox, and those of the sandbox once the socket is full."""
        waiting = self._transport.get_write_buffer_size() if self._is_full and self._transport is not None else 0
        held = len(self._buffer) + waiting
        self._hold(held - self._held)
        self._held = held

    def eof_received(self) -> bool:
        """Pass the end of the target's stream to the sandbox."""
        self._heard_fin = True
        self._push()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Reset the sandbox's side if the target's side failed."""
        self._transport = None
        if error is not None:
            self.reset()
        elif not self._heard_fin:
            self.eof_received()

    def pause_writing(self) -> None:
        """Stop acknowledging: the socket is full."""
        self._is_full = True
        self._count()
        self._send(ACK, self._sent)

    def resume_writing(self) -> None:
        """Acknowledge again."""
        self._is_full = False
        self._count()
        self._send(ACK, self._sent)

    def reset(self) -> None:
        """Reset the connection on both sides."""
        self._send(RST | ACK, self._sent)
        self.abort()

    def abort(self) -> None:
        """Close the connection without notice to the sandbox."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._hold(-self._held)
        self._held = 0
        self._buffer.clear()
        self._over(self.key)

    def receive(self, segment: Segment) -> None:
        """Process a segment of the sandbox."""
        if segment.flags & RST:
            self.abort()
            return
        if self._transport is None and not self._heard_fin:
            return  # still connecting: a retransmitted SYN
        if segment.flags & SYN:
            if self._base == 1 and not self._sent:
                self._answer_syn()
            return
        if segment.flags & ACK:
            self._acknowledged(segment)
        if segment.data or segment.flags & FIN:
            self._take(segment)
        self._push()
        if self._their_fin and self._fin_acknowledged:
            self.abort()

    def _answer_syn(self) -> None:
        options = b"\x02\x04" + MSS.to_bytes(2, "big")
        if self._has_scale:
            options += b"\x01\x03\x03" + bytes((_SCALE,))
        self._send(SYN | ACK, 0, b"", options)

    def _acknowledged(self, segment: Segment) -> None:
        self._window = segment.window << self._scale
        count = (segment.ack - self._base) & _MASK
        if self._our_fin and count == len(self._buffer) + 1:
            self._fin_acknowledged = True
            count -= 1
        if count > len(self._buffer):
            return
        if count:
            del self._buffer[:count]
            self._base = (self._base + count) & _MASK
            self._sent = max(0, self._sent - count)
            self._retries = 0
            self._count()
            if len(self._buffer) <= self._share() // 2 and self._transport is not None:
                with contextlib.suppress(RuntimeError):
                    self._transport.resume_reading()
        if self._timer is not None and not self._buffer and (not self._our_fin or self._fin_acknowledged):
            self._timer.cancel()
            self._timer = None

    def _take(self, segment: Segment) -> None:
        skip = (self._next - segment.seq) & _MASK
        data = segment.data
        if skip and skip <= len(data):
            data, skip = data[skip:], 0  # part of it was received before
        if skip:
            self._send(ACK, self._sent)
            return
        if data and self._transport is not None and not self._their_fin:
            waiting = self._transport.get_write_buffer_size()
            if waiting and waiting + len(data) > self._high + (
                MIN_SHARE if self._share() <= MIN_SHARE else self._room()
            ):
                return  # It exceeds the window and must be sent again.
            self._transport.write(data)
            if self._is_full:
                self._count()
        self._next = (self._next + len(data)) & _MASK
        if segment.flags & FIN and not self._their_fin:
            self._their_fin = True
            self._next = (self._next + 1) & _MASK
            if self._transport is not None:
                with contextlib.suppress(OSError, RuntimeError):
                    self._transport.write_eof()
        self._send(ACK, self._sent)

    def _push(self) -> None:
        """Send as much as the window of the sandbox allows."""
        while self._sent < len(self._buffer) and self._sent < self._window:
            size = min(self._mss, len(self._buffer) - self._sent, self._window - self._sent)
            at = self._sent
            self._send(ACK | PSH, at, bytes(self._buffer[at : at + size]))
            self._sent += size
        if self._heard_fin and self._sent == len(self._buffer) and not self._our_fin:
            self._our_fin = True
            self._send(FIN | ACK, self._sent)
        if self._buffer or (self._our_fin and not self._fin_acknowledged):
            self._arm()

    def _arm(self) -> None:
        if self._timer is None:
            delay = _RETRY_SECONDS * min(2**self._retries, 16)
            self._timer = asyncio.get_running_loop().call_later(delay, self._retransmit)

    def _retransmit(self) -> None:
        """Retransmit what was not acknowledged, or probe the window."""
        self._timer = None
        if self._window:
            self._retries += 1
            if self._retries > _MAX_RETRIES:
                self.reset()
                return
        self._sent = 0
        # The FIN is sent again after the data.
        self._our_fin = self._our_fin and self._fin_acknowledged
        if self._buffer and not self._window:
            self._send(ACK | PSH, 0, bytes(self._buffer[:1]))
        self._push()

    def _send(self, flags: int, at: int, data: bytes = b"", options: bytes = b"") -> None:
        seq = (self._base + at) & _MASK
        if flags & SYN:
            seq = 0
        elif self._our_fin and not flags & FIN and not data:
            seq = (seq + 1) & _MASK if at == len(self._buffer) else seq
        window = 0 if self._is_full else self._room() >> (_SCALE if self._has_scale else 0)
        if flags & SYN:
            window = 0xFFFF
        source, sport, target, dport = self.key
        self._write(build_segment(Segment(
            target, dport, source, sport, seq, self._next, flags, min(window, 0xFFFF), options, data,
        )))  # fmt: skip


def refusal(segment: Segment, write: Callable[[bytes], None]) -> None:
    """Reset a segment of an unknown connection, or of one that is not allowed."""
    if segment.flags & RST:
        return
    length = len(segment.data) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
    seq = segment.ack if segment.flags & ACK else 0
    write(build_segment(Segment(
        segment.target, segment.target_port, segment.source, segment.source_port,
        seq, segment.seq + length, RST | ACK, 0, b"", b"",
    )))  # fmt: skip
