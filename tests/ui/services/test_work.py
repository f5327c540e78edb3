"""Work over a connection that was left: it ends quietly, whatever it meets while it does."""

import asyncio

import pytest
from textual.worker import WorkerCancelled, WorkerFailed

from tests.ui.world import World, settled, until


async def fails_as_it_ends(began):
    """Work like an SSH session's: its last request comes when the client is closed already."""
    try:
        began.set()
        await asyncio.Event().wait()
    finally:
        raise RuntimeError("the client has been closed")


def leave(app):
    """Leave the connection for another one."""
    connection = app.services.platform.connection

    async def connect():
        return connection

    app.services.platform.switch(connect)


@pytest.mark.parametrize("group", ["shell", "measure", "edit", "keep"])
@pytest.mark.parametrize("way", ["worker", "start"])
async def test_what_fails_as_its_connection_is_left_is_not_a_fault(group, way):
    app = World(fleet=3)
    async with app.run_test() as pilot:
        await settled(pilot)
        began = asyncio.Event()
        work = app.services.work
        getattr(work, way)(fails_as_it_ends(began), group)
        await until(pilot, began.is_set)
        session = app.services.platform.session
        leave(app)
        work.cancel(group)
        await until(pilot, lambda: group not in work.groups)
        await until(pilot, lambda: app.services.platform.session not in {None, session})
        assert not list(app.paths.crashes.glob("crash-*.txt"))
        assert not [said.text for said in app.services.notifier.messages if "nternal error" in said.text]


async def test_who_waits_for_it_hears_that_it_was_cancelled():
    app = World(fleet=3)
    async with app.run_test() as pilot:
        await settled(pilot)
        began = asyncio.Event()
        worker = app.services.work.worker(fails_as_it_ends(began), "edit")
        await until(pilot, began.is_set)
        leave(app)
        worker.cancel()
        with pytest.raises(WorkerCancelled):
            await worker.wait()


async def test_the_result_and_the_failure_of_work_over_the_present_connection_arrive():
    async def good():
        return 7

    async def bad():
        raise ZeroDivisionError

    app = World(fleet=3)
    app.CONTAIN_FAULTS = True
    async with app.run_test() as pilot:
        await settled(pilot)
        assert await app.services.work.worker(good(), "edit").wait() == 7
        with pytest.raises(WorkerFailed):
            await app.services.work.worker(bad(), "edit").wait()


async def test_a_shell_in_the_whole_terminal_is_ended_before_its_connection_is_closed():
    """Its SSH session is closed over that connection: what comes too late would leave the session on the platform."""
    app = World(fleet=3)
    order = []

    async def shell(began):
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            order.append("session closed")

    async with app.run_test() as pilot:
        await settled(pilot)
        session = app.services.platform.session
        close = session.client.aclose

        async def noted():
            order.append("client closed")
            await close()

        session.client.aclose = noted
        began = asyncio.Event()
        app.services.work.worker(shell(began), "shell", exclusive=True)
        await until(pilot, began.is_set)
        leave(app)
        await until(pilot, lambda: len(order) == 2)
        assert order == ["session closed", "client closed"]
