"""What a process wrote before its end is never lost, however busy the machine and however slow the reader."""

import asyncio
import contextlib
import time

import pytest

from sandtui.local.drivers.base import Command
from sandtui.local.gateway.draining import Flow, drain
from sandtui.local.gateway.execution import Execution


class Lagging:
    """A command that has ended, and whose output takes some turns of the event loop to come."""

    def __init__(self, turns):
        self.turns = turns

    async def run(self, command):
        return self

    async def output(self, stream):
        for number in range(self.turns):
            await asyncio.sleep(0)
            yield f"{stream} {number}\n".encode()

    async def wait(self):
        return 3

    def close(self):
        pass


class Listening:
    """A client that stays."""

    async def receive(self):
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def busy_loop(seconds):
    async def hog():
        while True:
            time.sleep(seconds)
            await asyncio.sleep(0)

    task = asyncio.create_task(hog())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.parametrize("turns", [1, 3, 6])
async def test_a_busy_loop_loses_no_output(turns):
    async with busy_loop(0.11):
        reply = await Execution().run(Listening(), Lagging(turns), Command(["true"]), 60)
    assert reply.exit_code == 3
    for stream in ("stdout", "stderr"):
        text = getattr(reply, stream).decode("unicode_escape")
        assert text.splitlines() == [f"{stream} {number}" for number in range(turns)]


async def test_a_slow_reader_is_waited_for():
    flow, ready, taken = Flow(), asyncio.Event(), []

    async def slow(chunk):
        await ready.wait()
        taken.append(chunk)

    reading = asyncio.ensure_future(flow.forward(b"last words", slow))
    draining = asyncio.ensure_future(drain(reading, flow))
    for _ in range(30):
        await asyncio.wait({draining}, timeout=0.01)
    assert not draining.done()
    ready.set()
    await draining
    assert taken == [b"last words"]


@pytest.mark.parametrize("chunk", [b"", b"x", b"x" * 70_000])
async def test_a_child_that_continues_is_not_waited_for(chunk):
    flow = Flow()

    async def take(_):
        await asyncio.sleep(0)

    async def child():
        while True:
            await flow.forward(chunk, take)
            await asyncio.sleep(0.001)

    reading = asyncio.ensure_future(child())
    await asyncio.wait_for(drain(reading, flow), 30)
    assert not reading.done()
    reading.cancel()
