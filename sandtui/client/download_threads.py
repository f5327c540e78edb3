"""Files that are received in threads, beside the event loop.

On the loop a fast download costs more than the network and the disk together: each 256 KiB that arrive are handed
through its queues, and what writes and hashes them has to wait for it. A thread receives, hashes and writes with
nothing between, and lets other threads run meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sandtui.client.blocking_port import BlockingPort
from sandtui.client.forking import renew_in_child
from sandtui.client.network_deadline import Exchange
from sandtui.client.port import Sink, TransportFault, WireReply, WireRequest, run_blocking

MOST = 16
"""Transfers in threads at once; further ones go over the event loop."""

END_SECONDS = 1.0
"""Seconds that a thread has to end after its connection was cut; its sink is left alone whether it does or not."""


class DownloadThreads:
    """Threads that receive, over connections of their own that ``make`` opens when the first is asked for."""

    def __init__(self, make: Callable[[], BlockingPort]) -> None:
        self._make = make
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Begin without threads: a forked process has none of its parent's."""
        self._port: BlockingPort | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._busy = 0

    @property
    def is_free(self) -> bool:
        """Whether there is a thread for one more transfer."""
        return self._busy < MOST

    async def send(self, request: WireRequest, sink: Sink) -> WireReply:
        """Send a request; see :meth:`Port.send`.

        When the caller is cancelled the connection is cut, and the sink is not touched any more afterwards.
        """
        self._busy += 1
        gate = _Gate(sink)
        try:
            if self._port is None or self._threads is None:
                self._port = self._make()
                self._threads = ThreadPoolExecutor(MOST, "sandtui-transfer")
            read = partial(_read, self._port, request, gate)
            reading = asyncio.get_running_loop().run_in_executor(self._threads, read)
            try:
                # Not awaited itself: that would cancel it, and what a thread does can't be cancelled.
                await asyncio.wait((reading,))
            except asyncio.CancelledError:
                stopping = asyncio.ensure_future(_stop(gate, reading))
                while not stopping.done():
                    try:
                        await asyncio.wait((stopping,))
                    except asyncio.CancelledError:  # as asked for already; the caller goes on to remove the file
                        continue
                reading.add_done_callback(_noted)
                raise
            return reading.result()
        finally:
            self._busy -= 1

    async def aclose(self) -> None:
        """Close every connection; nothing is read any more."""
        if self._port is not None:
            await self._port.aclose()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class _Gate:
    """A sink until it is stopped."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._is_stopped = False
        self.exchange = Exchange()

    @property
    def may_restart(self) -> bool:
        return self._open_sink.may_restart

    def begin(self, length: int | None) -> None:
        with self._lock:
            self._open_sink.begin(length)

    def take(self, piece: bytes) -> None:
        with self._lock:
            self._open_sink.take(piece)

    def stop(self) -> None:
        """Cut the connection; the sink is left alone from now on."""
        self.exchange.cut()
        with self._lock:
            self._is_stopped = True

    @property
    def _open_sink(self) -> Sink:
        if self._is_stopped:
            raise TransportFault("the transfer was cut", sent=True, timeout=False)
        return self._sink


async def _stop(gate: _Gate, reading: asyncio.Future[WireReply]) -> None:
    await asyncio.to_thread(gate.stop)
    await asyncio.wait((reading,), timeout=END_SECONDS)


def _read(port: BlockingPort, request: WireRequest, gate: _Gate) -> WireReply:
    with port.cut_by(gate.exchange):
        return run_blocking(port.send(request, gate))


def _noted(reading: asyncio.Future[WireReply]) -> None:
    if not reading.cancelled():
        reading.exception()  # it was cut: nobody asks what became of it
