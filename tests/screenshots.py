"""Takes the pictures in ``screenshots/`` from the real app on a seeded fleet: ``make screenshots``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

os.environ |= {"TEXTUAL_ANIMATIONS": "none", "TZ": "UTC", "SANDTUI_GLYPHS": "unicode", "COLORTERM": "truecolor"}
os.environ.pop("NO_COLOR", None)

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from sandtui.client import VolumeListResponse
from sandtui.client.flows.volumes import VolumeOperations
from sandtui.fleet.files.pane import Pane
from sandtui.ui.files.screen import FilesScreen
from tests.ui import test_snapshots
from tests.ui.activity import test_activity
from tests.ui.checkpoints import test_tree_screen
from tests.ui.commands.test_fanout import BROKEN, PYTEST, answering, marked, over, run_command
from tests.ui.files import test_files
from tests.ui.jobs import test_jobs
from tests.ui.recordings import test_recordings
from tests.ui.shells import test_shell
from tests.ui.volumes import test_volumes
from tests.ui.world import World, keys, settled, until

FOLDER = Path(__file__).parents[1] / "screenshots"
SIZES = ((120, 36), (80, 24), (200, 50))
THEMES = ("sandtui-dark", "sandtui-light")

Steps = Callable[[Pilot[None]], Awaitable[None]]


async def console(pilot: Pilot[None]) -> None:
    """Run some commands in a running sandbox."""
    await settled(pilot)
    await pilot.press("slash", *"status", "colon", *"running", "enter", "x")
    shown = pilot.app.screen.console  # type: ignore[attr-defined]
    for command in ("hostname", "echo hello from the sandbox", "false"):
        await pilot.press(*("space" if letter == " " else letter for letter in command), "enter")
        await until(pilot, lambda: shown.running is None)
    await keys()(pilot)


async def fan_out(pilot: Pilot[None]) -> None:
    """Run one command in many; two answer otherwise."""
    app = await marked(pilot)
    slow = PYTEST.replace("0.84s", "0.91s")
    answering(app, s1=(BROKEN, "warning: no GPU\n", 1), s6=(slow, "", 0), s7=(slow, "", 0))
    await run_command(pilot, "python -m pytest -q tests/smoke")
    await over(pilot)
    await pilot.press("escape", "g")
    await pilot.pause()


async def shell(pilot: Pilot[None]) -> None:
    """A shell in a tab, with colours."""
    await test_shell.opened(pilot, test_shell.COLOURS)
    pilot.app.clear_notifications()
    await pilot.pause()


async def player(pilot: Pilot[None]) -> None:
    """A recording, held in the middle of what it shows."""
    await test_recordings.played(pilot, *["right"] * 4)
    await pilot.pause()


async def jobs(pilot: Pilot[None]) -> None:
    """Jobs of several sandboxes; the one under the cursor is read."""
    await test_jobs.opened(pilot, test_jobs.JOBS[:-1])


async def files(pilot: Pilot[None]) -> None:
    """Two sides and a queue at work."""
    here, there = ([each for each in side if each.name.isascii()] for side in (test_files.HERE, test_files.THERE))
    there = [each for each in there if each.name.isprintable() and not each.name.startswith("-")]
    sides = (test_files.FakeSide(None, here), test_files.FakeSide("box", there))

    def make_pane(panes: FilesScreen, sandbox_id: str | None) -> Pane:
        side = sides[sandbox_id is not None]
        side.sandbox_id = sandbox_id
        title = "local" if sandbox_id is None else panes.name_of(sandbox_id)
        return Pane(side, title, "/home/me/acme" if sandbox_id is None else "/workspace")  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FilesScreen, "make_pane", make_pane)
        screen = await test_files.opened(pilot)
        await pilot.press("j", "j", "j", "space", "space", "j")
        screen.queue.transfers = [each for each in test_files.transfers() if str(each.spec.source.path).isprintable()]
        screen.draw_queue()
        screen.update_news()
        await pilot.pause()


async def ports(pilot: Pilot[None]) -> None:
    """Ports that answer, and one that does not."""
    board = (await settled(pilot)).services.platform.session.ports  # type: ignore[union-attr]
    await pilot.press("p")
    await until(pilot, lambda: board.loaded)
    board.rows = test_snapshots.port_rows()[:-1]
    board.on_change()
    await pilot.pause()


async def checkpoints(pilot: Pilot[None]) -> None:
    """Sandboxes, their checkpoints and what was made from them."""
    found = [each for each in test_tree_screen.CHECKPOINTS if not each.error]
    await test_tree_screen.opened(
        pilot, found, [each for each in test_tree_screen.SANDBOXES if each.name.isprintable()]
    )
    await pilot.press("g", "j")
    await pilot.pause()


async def volumes(pilot: Pilot[None]) -> None:
    """Volumes, and the sandboxes that they are attached to."""

    async def listed(*_: object, **__: object) -> VolumeListResponse:
        return VolumeListResponse(volumes=test_volumes.VOLUMES[:-1], storage_limit_gb=100)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(VolumeOperations, "list", listed)
        await test_volumes.shown(pilot)


async def activity(pilot: Pilot[None]) -> None:
    """What was done and what went wrong."""
    app = await settled(pilot)
    test_activity.earlier(app, test_activity.ENTRIES[:-1])
    await test_activity.open_activity(pilot, app)
    app.screen.query_one(Input).cursor_blink = False
    await pilot.pause()


SCREENS: dict[str, Steps] = {
    "fleet": keys("j", "j", "space", "j", "space"),
    "filter": keys("slash", *"#rl", "space", *"status", "colon", *"running", "enter"),
    "detail": keys("slash", *"status", "colon", *"error", "enter", "enter"),
    "create": keys("n"),
    "console": console,
    "fanout": fan_out,
    "shell": shell,
    "recordings": test_recordings.listed,
    "player": player,
    "files": files,
    "jobs": jobs,
    "ports": ports,
    "launch": test_snapshots.launch_board,
    "log": keys("slash", *"status", "colon", *"running", "enter", "L"),
    "checkpoints": checkpoints,
    "volumes": volumes,
    "activity": activity,
    "requests": test_activity.requests_shown,
    "views": keys("v"),
    "groups": keys("z", "6", "j"),
    "map": keys("number_sign", "right_square_bracket"),
    "delete": keys("asterisk", "D"),
    "help": keys("question_mark"),
}


MADE_UP = {"jobs", "checkpoints", "volumes"}
"""What brings sandboxes of its own."""

RECORDED = {"recordings", "player"}
"""What needs recordings."""


class Recorded(test_recordings.Recorded):
    """The app of a user whose recordings can all be played."""

    rows = tuple(each for each in test_recordings.ROWS if each.header is not None and each.header.title.isprintable())


async def take(name: str, steps: Steps, size: tuple[int, int], theme: str) -> None:
    """Take one picture."""
    app = Recorded() if name in RECORDED else World(fleet=0 if name in MADE_UP else 40)
    app.theme = theme
    async with app.run_test(size=size) as pilot:
        await steps(pilot)
        picture = app.export_screenshot(title="sandtui")
    file = FOLDER / f"{name}-{size[0]}x{size[1]}-{theme.removeprefix('sandtui-')}.svg"
    file.write_text(picture, encoding="utf-8")
    print(file.name)


async def main() -> None:
    """Take all pictures anew."""
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    for name, steps in SCREENS.items():
        for size in SIZES:
            for theme in THEMES:
                await take(name, steps, size, theme)


if __name__ == "__main__":
    asyncio.run(main())
