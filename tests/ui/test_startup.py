"""The first frame, and what comes after it: the rest of the program is loaded in a thread."""

import asyncio
import threading

import pytest
from textual.worker import WorkerFailed

from sandtui.config.paths import Paths
from sandtui.fleet.inventory.connection import ConnectError
from sandtui.ui.app import SandtuiApp
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.startup import StartupError, StartupLine, StartupOptions
from tests.ui.world import until


async def no_connection():
    raise ConnectError("There is no platform here.")


@pytest.fixture
def gate():
    """Holds the loading back until it is set; a thread that waits would hold the test's end up."""
    event = threading.Event()
    yield event
    event.set()


def app_behind(gate, tmp_path, result=None):
    def prepare():
        gate.wait()
        if result is not None:
            raise result
        return StartupOptions(no_connection)

    return SandtuiApp(prepare, paths=Paths(tmp_path / "config", tmp_path / "state"), ticking=False)


async def test_the_first_frame_stands_until_the_fleet_is_loaded(gate, tmp_path):
    app = app_behind(gate, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        assert "sandtui  starting" in app.query_one(StartupLine).render().plain
        await pilot.press("question_mark", "n", "ctrl+p", "colon")
        assert len(app.screen_stack) == 1
        assert not app.is_open
        gate.set()
        await until(pilot, lambda: app.is_open and isinstance(app.screen, FleetScreen))
        await until(pilot, lambda: app.services.platform.problem is not None)
        await pilot.press("question_mark")
        await until(pilot, lambda: len(app.screen_stack) == 3)


async def test_the_program_can_be_left_before_it_is_loaded(gate, tmp_path):
    app = app_behind(gate, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+q")
        gate.set()
    assert app.return_code == 0
    assert not app.is_open


async def test_what_is_wrong_with_the_settings_ends_the_program(gate, tmp_path, capsys):
    app = app_behind(gate, tmp_path, StartupError("[bold]config.toml[/bold], line 3: no such key"))
    gate.set()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 2
    assert "sandtui: [bold]config.toml[/bold], line 3: no such key" in capsys.readouterr().err


async def test_a_fault_while_loading_ends_in_a_report(gate, tmp_path):
    app = app_behind(gate, tmp_path, ZeroDivisionError("what should not be"))
    gate.set()
    with pytest.raises(WorkerFailed):
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.return_code)
    assert [report.read_text() for report in app.paths.crashes.iterdir()]


async def test_tasks_begin_in_the_next_turn_in_every_python(gate, tmp_path):
    seen = []

    async def begin():
        seen.append("begun")

    async def steps(pilot):
        task = asyncio.create_task(begin())
        seen.append("made")
        await task
        gate.set()
        await until(pilot, lambda: pilot.app.is_open)
        pilot.app.exit()

    # Not run_test, which does without what run does to the loop.
    await app_behind(gate, tmp_path).run_async(headless=True, auto_pilot=steps)
    assert seen == ["made", "begun"]
