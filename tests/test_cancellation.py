"""Work that is run to its end is cancelled at each moment of it."""

import asyncio
import gc
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.cancellation import run_to_end


class Work:
    """Takes some turns of the event loop, then returns or raises."""

    def __init__(self, turns: int = 3, error: Exception | None = None) -> None:
        self.turns, self.error = turns, error
        self.begun = self.ended = False

    async def run(self) -> str:
        self.begun = True
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.ended = True
        if self.error is not None:
            raise self.error
        return "done"


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_returns_the_result() -> None:
    assert await run_to_end(Work().run()) == "done"


async def test_raises_the_error() -> None:
    with pytest.raises(OSError, match="full"):
        await run_to_end(Work(error=OSError("full")).run())


async def test_work_that_is_cancelled_itself_cancels_the_caller() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_to_end(work())


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("moment", range(12))
async def test_a_cancellation_waits_for_the_end(moment: int, fails: bool) -> None:
    work = Work(turns=5, error=OSError("full") if fails else None)
    caller = asyncio.ensure_future(run_to_end(work.run()))
    await turns(moment)
    if caller.done():
        assert work.ended
        await asyncio.gather(caller, return_exceptions=True)
        return
    caller.cancel("leave")
    with pytest.raises(asyncio.CancelledError):
        await caller
    # Cancelled before its first step, nothing of it runs; later, all of it.
    assert work.ended is work.begun
    assert work.begun is (moment > 0)


async def test_a_second_cancellation_ends_the_wait_but_not_the_work() -> None:
    gate = asyncio.Event()
    ended = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        ended.set()

    caller = asyncio.ensure_future(run_to_end(work()))
    await turns(2)
    caller.cancel()
    await turns(3)
    assert not caller.done()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not ended.is_set()
    gate.set()
    await ended.wait()


async def test_the_wait_ends_with_the_grace_but_not_the_work() -> None:
    gate = asyncio.Event()
    ended = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        ended.set()

    caller = asyncio.ensure_future(run_to_end(work(), grace=0.01))
    await turns(2)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not ended.is_set()
    gate.set()
    await ended.wait()


async def test_the_grace_does_not_bound_a_caller_that_is_not_cancelled() -> None:
    async def work() -> str:
        await asyncio.sleep(0.02)
        return "done"

    assert await run_to_end(work(), grace=0.0) == "done"


async def test_a_timeout_around_it_is_reported_as_a_timeout() -> None:
    work = Work(turns=50)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await run_to_end(work.run())
    assert work.ended is work.begun


async def test_the_error_of_work_that_was_left_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise OSError("full")

    with caplog.at_level(logging.ERROR):
        caller = asyncio.ensure_future(run_to_end(work(), grace=0.0))
        await turns(2)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        gate.set()
        await turns(3)
        del caller
        gc.collect()
        await turns(1)
    assert not caplog.records


@given(length=st.integers(0, 6), first=st.integers(1, 8), second=st.integers(0, 8))
def test_whenever_it_is_cancelled_what_has_begun_ends(length: int, first: int, second: int) -> None:
    """At any two moments, the work is carried out whole, and the caller is cancelled unless it was done before."""

    async def scenario() -> None:
        work = Work(turns=length)
        caller = asyncio.ensure_future(run_to_end(work.run()))
        await turns(first)
        was_done = caller.done()
        caller.cancel()
        await turns(second)
        caller.cancel()
        result = (await asyncio.gather(caller, return_exceptions=True))[0]
        assert result == "done" if was_done else isinstance(result, asyncio.CancelledError)
        await turns(length + 2)
        assert work.ended

    asyncio.run(scenario())
