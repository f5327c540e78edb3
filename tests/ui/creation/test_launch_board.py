"""The launch board in view: the overview above the lines, and the room that the lines share."""

import pytest
from textual.geometry import Size

from sandtui.client.models import CreateSandboxRequest
from sandtui.fleet.creation.launch import Step
from sandtui.fleet.creation.launch_plan import LaunchPlan
from sandtui.ui.creation.launch_screen import LaunchScreen
from tests.probes import text_of
from tests.ui.world import World, settled, until

COUNT = 40


def requests(names):
    return tuple(CreateSandboxRequest(name=name, docker_image="python:3.11-slim") for name in names)


async def launched(pilot, names):
    """Show a launch that is over: each was queued for a second, requested in one and started in two."""
    app = await settled(pilot)
    launch = app.services.launches.make(LaunchPlan("launch-1", requests(names)))
    for number, item in enumerate(launch.items):
        item.step, item.sandbox_id = Step.READY, f"sbx_{number:04}"
        item.queued, item.began, item.created, item.ended = 0.0, 1.0, 2.0, 4.0 + number / 10
    app.services.launches.all.append(launch)
    app.services.navigator.open_launch(launch)
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and bool(app.screen.query("#board")))
    await until(pilot, lambda: app.screen.marks.current == 0)


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (200, 50)])
async def test_the_overview_is_in_view_beside_the_first_sandboxes(size):
    app = World(fleet=0)
    async with app.run_test(size=size) as pilot:
        await launched(pilot, [f"try-{number:02}" for number in range(COUNT)])
        await until(pilot, lambda: "p90" in text_of(app))
        assert "try-00" in text_of(app)


async def test_names_have_the_cells_that_they_need_and_keep_both_ends():
    app = World(fleet=0)
    async with app.run_test(size=(120, 36)) as pilot:
        await launched(pilot, ["a", "eval-" + "x" * 60 + "-1095"])
        await until(pilot, lambda: "-1095 ready" in text_of(app))
        line = next(line for line in text_of(app).splitlines() if "-1095" in line)
        assert "eval-x" in line and "…" in line


async def test_a_smaller_window_is_filled_anew_when_nothing_else_happens():
    app = World(fleet=0)
    async with app.run_test(size=(200, 50)) as pilot:
        await launched(pilot, [f"try-{number:02}" for number in range(COUNT)])
        await pilot.resize_terminal(80, 24)
        view = app.screen.view
        await until(pilot, lambda: view.size.width < 80 and view.virtual_size.width <= view.size.width)
        assert view.virtual_size != Size(0, 0)


async def test_a_launch_of_one_is_of_one_sandbox():
    app = World(fleet=0)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await launched(pilot, ["only"])
        await until(pilot, lambda: "─ 1 sandbox ─" in text_of(app))
