"""Flows that run side by side: in tasks or in threads, each outcome told as it comes."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, cast

from sandtui.client.port import Crew, K, Outcome, T, run_blocking


class CrewMaker(Protocol):
    """What makes a crew: a port."""

    def crew(self, at_once: int) -> Crew[Any, Any]:
        """Return a crew."""
        ...


async def fan_out(
    port: CrewMaker, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
) -> AsyncIterator[Outcome[K, T]]:
    """Run a flow for each key and yield each outcome as it comes; see :meth:`Port.fan_out`."""
    waiting = iter(keys)
    crew: Crew[K, T] = port.crew(at_once)
    try:
        while True:
            while crew.busy < at_once:
                try:
                    key = next(waiting)
                except StopIteration:
                    break
                crew.start(key, flow)
            if not crew.busy:
                return
            for outcome in await crew.ready():
                yield outcome
    finally:
        await crew.aclose()


class TaskCrew(Generic[K, T]):
    """Runs flows in tasks of the event loop; closing it cancels those that still run."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: deque[Outcome[K, T]] = deque()
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def busy(self) -> int:
        """How many were started and not told yet."""
        return len(self._tasks) + len(self._finished)

    def start(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        """Start a flow as soon as there is a place."""
        task = asyncio.ensure_future(self._run(key, flow))
        self._tasks.add(task)

    async def ready(self, timeout: float | None = None) -> list[Outcome[K, T]]:
        """Wait for at least one outcome, or ``timeout`` seconds; return all that there are."""
        if not self._finished:
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                return []
        outcomes = list(self._finished)
        self._finished.clear()
        return outcomes

    async def aclose(self) -> None:
        """Cancel what still runs and wait for its end."""
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        outcome: Outcome[K, T]
        try:
            async with self._places:
                outcome = Outcome(key, await flow(key))
        except asyncio.CancelledError:
            if self._closing:
                raise
            # Cancelled from inside: whoever waits for this outcome must not wait for ever.
            outcome = Outcome(key, error=RuntimeError("the work was cancelled from elsewhere"))
        except Exception as error:
            outcome = Outcome(key, error=error)
        self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        self._finished.append(outcome)
        self._wake.set()


class ThreadCrew(Generic[K, T]):
    """Runs flows over a blocking port in threads; closing it waits for those that run and starts no more."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="sandtui")
        self._finished: queue.SimpleQueue[Outcome[K, T]] = queue.SimpleQueue()
        self.busy = 0

    def start(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        """Start a flow as soon as a thread is free."""
        self.busy += 1
        self._threads.submit(self._run, key, flow)

    async def ready(self, timeout: float | None = None) -> list[Outcome[K, T]]:
        """Wait for at least one outcome, or ``timeout`` seconds; return all that there are."""
        outcomes = []
        try:
            outcomes.append(self._finished.get(timeout=timeout))
            while True:
                outcomes.append(self._finished.get_nowait())
        except queue.Empty:
            self.busy -= len(outcomes)
            return outcomes

    async def aclose(self) -> None:
        """Wait for what runs; what waits for a thread is not started."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        try:
            self._finished.put(Outcome(key, run_blocking(cast("Coroutine[Any, Any, T]", flow(key)))))
        except Exception as error:
            self._finished.put(Outcome(key, error=error))
        except BaseException:
            self._finished.put(Outcome(key, error=RuntimeError("the work was ended from elsewhere")))
            raise
