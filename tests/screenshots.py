"""Takes the pictures in ``screenshots/`` from the real app on a seeded fleet: ``make screenshots``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

os.environ |= {"TEXTUAL_ANIMATIONS": "none", "TZ": "UTC", "SANDTUI_GLYPHS": "unicode", "COLORTERM": "truecolor"}
os.environ.pop("NO_COLOR", None)

from textual.pilot import Pilot

from tests.ui.test_fanout import BROKEN, PYTEST, answering, marked, over, run_command
from tests.ui.world import World, keys, settled, until

FOLDER = Path(__file__).parents[1] / "screenshots"
SIZES = ((120, 36), (80, 24))
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


SCREENS: dict[str, Steps] = {
    "fleet": keys("j", "j", "space", "j", "space"),
    "filter": keys("slash", *"#rl", "space", *"status", "colon", *"running", "enter"),
    "detail": keys("slash", *"status", "colon", *"error", "enter", "enter"),
    "create": keys("n"),
    "console": console,
    "fanout": fan_out,
    "views": keys("v"),
    "groups": keys("z", "6", "j"),
    "delete": keys("asterisk", "D"),
    "help": keys("question_mark"),
}


async def take(name: str, steps: Steps, size: tuple[int, int], theme: str) -> None:
    """Take one picture."""
    app = World()
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
