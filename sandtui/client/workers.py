"""Concurrent flows, in tasks or in threads, with outcomes in order of completion."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, cast

from sandtui.client.port import K, Outcome, T, Workers, run_blocking


class WorkersMaker(Protocol):
    """A port, seen as a factory of workers."""

    def workers(self, at_once: int) -> Workers[Any, Any]:
        """Return workers that run ``at_once`` flows at most."""
        ...


async def fan_out(
    port: WorkersMaker, keys: Iterable[K], flow: Callable[[K], Awaitable[T]], at_once: int
) -> AsyncIterator[Outcome[K, T]]:
    """Run a flow for each key and yield outcomes as they complete; see :meth:`Port.fan_out`."""
    waiting = iter(keys)
    workers: Workers[K, T] = port.workers(at_once)
    try:
        while True:
            while workers.busy < at_once:
                try:
                    key = next(waiting)
                except StopIteration:
                    break
                workers.start(key, flow)
            if not workers.busy:
                return
            for outcome in await workers.ready():
                yield outcome
    finally:
        await workers.aclose()


class TaskWorkers(Generic[K, T]):
    """Runs flows in tasks of the event loop; closing cancels the unfinished ones."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: deque[Outcome[K, T]] = deque()
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def busy(self) -> int:
        """Number of flows whose outcome has not been returned yet."""
        return len(self._tasks) + len(self._finished)

    def start(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        """Queue a flow; it starts as soon as a slot is free."""
        task = asyncio.ensure_future(self._run(key, flow))
        self._tasks.add(task)

    async def ready(self, timeout: float | None = None) -> list[Outcome[K, T]]:
        """Wait for at least one outcome, or ``timeout`` seconds; return all available ones."""
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
        """Cancel unfinished flows and wait for their end."""
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
            # Cancelled from inside: the consumer must not wait for this outcome forever.
            outcome = Outcome(key, error=RuntimeError("the operation was cancelled"))
        except Exception as error:
            outcome = Outcome(key, error=error)
        self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        self._finished.append(outcome)
        self._wake.set()


class ThreadWorkers(Generic[K, T]):
    """Runs flows over a blocking port in threads; closing waits for running flows and starts no more."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="sandtui")
        self._finished: queue.SimpleQueue[Outcome[K, T]] = queue.SimpleQueue()
        self.busy = 0

    def start(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        """Queue a flow; it starts as soon as a thread is free."""
        self.busy += 1
        self._threads.submit(self._run, key, flow)

    async def ready(self, timeout: float | None = None) -> list[Outcome[K, T]]:
        """Wait for at least one outcome, or ``timeout`` seconds; return all available ones."""
        outcomes = []
        try:
            outcomes.append(self._finished.get(timeout=timeout))
            while True:
                outcomes.append(self._finished.get_nowait())
        except queue.Empty:
            self.busy -= len(outcomes)
            return outcomes

    async def aclose(self) -> None:
        """Wait for running flows; queued ones are dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, key: K, flow: Callable[[K], Awaitable[T]]) -> None:
        try:
            self._finished.put(Outcome(key, run_blocking(cast("Coroutine[Any, Any, T]", flow(key)))))
        except Exception as error:
            self._finished.put(Outcome(key, error=error))
        except BaseException:
            self._finished.put(Outcome(key, error=RuntimeError("the operation was cancelled")))
            raise
