"""Downloads in threads, beside the event loop.

On the loop a fast download costs more than network and disk together: every 256 KiB pass through its queues, and
writing and hashing wait for it. A thread receives, hashes and writes directly, and releases the GIL meanwhile.
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
from sandtui.client.port import Sink, TransportFault, WireRequest, WireResponse, run_blocking

MOST = 16
"""Maximum number of concurrent downloads in threads; further ones run on the event loop."""

END_SECONDS = 1.0
"""Seconds to wait for a thread after its connection was cut; the sink is not used afterwards in either case."""


class DownloadThreads:
    """A pool of download threads with connections of their own, which ``make`` opens on first use."""

    def __init__(self, make: Callable[[], BlockingPort]) -> None:
        self._make = make
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked process, which has no threads of its parent."""
        self._port: BlockingPort | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._busy = 0

    @property
    def is_free(self) -> bool:
        """Whether a thread is available."""
        return self._busy < MOST

    async def send(self, request: WireRequest, sink: Sink) -> WireResponse:
        """Send a request; see :meth:`Port.send`.

        If the caller is cancelled, the connection is cut and the sink is not used any more.
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
                # Not awaited directly: that would cancel the future, but not the thread.
                await asyncio.wait((reading,))
            except asyncio.CancelledError:
                stopping = asyncio.ensure_future(_stop(gate, reading))
                while not stopping.done():
                    try:
                        await asyncio.wait((stopping,))
                    except asyncio.CancelledError:  # already stopping; the caller is about to remove the file
                        continue
                reading.add_done_callback(_noted)
                raise
            return reading.result()
        finally:
            self._busy -= 1

    async def aclose(self) -> None:
        """Close all connections; nothing is read after that."""
        if self._port is not None:
            await self._port.aclose()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class _Gate:
    """Passes data to a sink until it is stopped."""

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
        """Cut the connection; the sink is not used from now on."""
        self.exchange.cut()
        with self._lock:
            self._is_stopped = True

    @property
    def _open_sink(self) -> Sink:
        if self._is_stopped:
            raise TransportFault("the transfer was cut", sent=True, timeout=False)
        return self._sink


async def _stop(gate: _Gate, reading: asyncio.Future[WireResponse]) -> None:
    await asyncio.to_thread(gate.stop)
    await asyncio.wait((reading,), timeout=END_SECONDS)


def _read(port: BlockingPort, request: WireRequest, gate: _Gate) -> WireResponse:
    with port.cut_by(gate.exchange):
        return run_blocking(port.send(request, gate))


def _noted(reading: asyncio.Future[WireResponse]) -> None:
    if not reading.cancelled():
        reading.exception()  # it was cut: its result does not matter
