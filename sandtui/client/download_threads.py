"""Bodies of replies that are read in threads, beside the event loop.

On the loop a fast download costs more than the network and the disk together: each 256 KiB that arrive are handed
through its queues, and what writes and hashes them has to wait for it. A thread receives, hashes and writes with
nothing between; all of that lets other threads run meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sandtui.client.blocking_port import BlockingPort
from sandtui.client.network_deadline import Exchange
from sandtui.client.port import Sink, TransportFault, WireReply, WireRequest, run_blocking

MOST = 16
"""Replies that are read in threads at once; further ones are read on the event loop."""


class DownloadThreads:
    """Threads that read replies, over connections of their own that ``make`` opens when the first is asked for."""

    def __init__(self, make: Callable[[], BlockingPort]) -> None:
        self._make = make
        self._port: BlockingPort | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._busy = 0

    @property
    def is_free(self) -> bool:
        """Whether one more reply can be read."""
        return self._busy < MOST

    async def send(self, request: WireRequest, sink: Sink) -> WireReply:
        """Send a request whose reply goes to ``sink``; see :meth:`Port.send`.

        When the caller is cancelled the connection is cut, and the sink is not touched any more afterwards.
        """
        self._busy += 1
        gate = _Gate(sink)
        try:
            if self._port is None or self._threads is None:
                self._port = await asyncio.to_thread(self._make)
                self._threads = ThreadPoolExecutor(MOST, "sandtui-download")
            read = partial(_read, self._port, request, gate)
            reading = asyncio.get_running_loop().run_in_executor(self._threads, read)
            try:
                await asyncio.wait((reading,))
            except asyncio.CancelledError:
                stopping = asyncio.ensure_future(asyncio.to_thread(gate.stop))
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
        return self._sink.may_restart

    def begin(self, length: int | None) -> None:
        with self._lock:
            self._check()
            self._sink.begin(length)

    def take(self, piece: bytes) -> None:
        with self._lock:
            self._check()
            self._sink.take(piece)

    def stop(self) -> None:
        """Cut the connection; the sink is left alone from now on."""
        self.exchange.cut()
        with self._lock:
            self._is_stopped = True

    def _check(self) -> None:
        if self._is_stopped:
            raise TransportFault("the download was cut", sent=True, timeout=False)


def _read(port: BlockingPort, request: WireRequest, gate: _Gate) -> WireReply:
    with port.cut_by(gate.exchange):
        return run_blocking(port.send(request, gate))


def _noted(reading: asyncio.Future[WireReply]) -> None:
    if not reading.cancelled():
        reading.exception()  # it was cut: nobody asks what became of it
