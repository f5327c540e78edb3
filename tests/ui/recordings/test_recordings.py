"""The list of recordings and the player, on recordings that are made up."""

import json
from pathlib import Path

import pytest

from sandtui.config.recordings import Recording, RecordingStore
from sandtui.fleet.recordings.asciicast import CastEvent, CastHeader, event_line, header_line
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.recordings.player_screen import PlayerScreen
from sandtui.ui.recordings.screen import RecordingsScreen
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.terminal_view import TerminalView
from tests.ui.world import World, settled, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])

FOLDER = Path("/home/me/.local/state/sandtui/recordings")
BEGAN = 1_795_500_000
PROMPT = "\x1b[1;32muser@rollout-worker-017\x1b[0m:\x1b[34m/workspace\x1b[0m$ "
STEPS = ("collect", "lint", "types", "unit", "end to end")


def events():
    """A build that is typed, runs for half a minute and fails at its end."""
    yield CastEvent(0.0, "o", PROMPT)
    for place, letter in enumerate("make check"):
        yield CastEvent(1.0 + place / 10, "o", letter)
    yield CastEvent(2.5, "o", "\r\n")
    for number, step in enumerate(STEPS):
        for percent in range(0, 101, 10):
            bar = "\x1b[42m" + " " * (percent // 5) + "\x1b[100m" + " " * (20 - percent // 5) + "\x1b[0m"
            at = 3.0 + number * 6 + percent / 20
            yield CastEvent(at, "o", f"\r\x1b[K  \x1b[1m{step:<12}\x1b[0m {bar} {percent:3}%")
        sign = "\x1b[31m✗ failed" if number == 4 else "\x1b[32m✓ passed"
        yield CastEvent(8.5 + number * 6, "o", f"  {sign}\x1b[0m\r\n")
    yield CastEvent(34.0, "o", PROMPT)


RECORDED = header_line(CastHeader(100, 28, BEGAN, "rollout-worker-017")) + "".join(map(event_line, events()))


class MadeUp(RecordingStore):
    """Recordings of which only the list and one text are there."""

    def __init__(self, rows, text=RECORDED):
        super().__init__(FOLDER)
        self._rows, self._text = rows, text

    def list(self):
        return list(self._rows)

    def read(self, path):
        return self._text


def row(name, size, header, unfinished=False, problem=""):
    return Recording(FOLDER / f"{name}.cast{'.part' if unfinished else ''}", header, size, unfinished, problem)


ROWS = [
    row(
        "2026-11-24-133950-rollout-worker-019", 88_210, CastHeader(120, 32, BEGAN + 41_990, "rollout-worker-019"), True
    ),
    row("2026-11-24-062640-rollout-worker-017", len(RECORDED), CastHeader(100, 28, BEGAN, "rollout-worker-017")),
    row("2026-11-23-181500-train", 41_800_000, CastHeader(202, 58, BEGAN - 43_200, "train-llama · console")),
    row("2026-11-22-090000-wide", 320, CastHeader(80, 24, BEGAN - 162_900, "数据-評価-sandbox [/] \x1b[2J \u202etxt")),
    row("2026-11-20-110300-debug", 0, None, False, "unsupported asciicast version: only version 2 can be played"),
    row("notes", 0, None, False, "not an asciicast file: the first line is not JSON"),
]


class Recorded(World):
    """The app of a user who has recorded something."""

    rows = ROWS
    text = RECORDED

    def __init__(self):
        super().__init__()
        self.services.recordings.store = MadeUp(self.rows, self.text)


class Unrecorded(Recorded):
    """The app of a user who has not."""

    rows = ()


async def listed(pilot):
    """Open the list."""
    app = await settled(pilot)
    await pilot.press("R")
    await until(pilot, lambda: isinstance(app.screen, RecordingsScreen) and app.screen.query_one(OutputView).count)
    return app


async def played(pilot, *presses):
    """Play the second recording and hold it at its beginning, then press keys."""
    app = await listed(pilot)
    await pilot.press("j", "enter")
    await until(pilot, lambda: isinstance(app.screen, PlayerScreen))
    # Not by the key: a busy machine may have come to the end, where it plays again.
    app.screen.player.paused = True
    app.screen.seek(0.0)
    await pilot.press(*presses)
    await drawn(pilot)
    return app


async def drawn(pilot):
    """Wait until all that was played is drawn."""
    screen = pilot.app.screen
    view = screen.query_one(TerminalView)
    await until(pilot, lambda: view.is_painted and not (screen.player.behind or view.is_hurried))
    await pilot.pause()


def news(app):
    return app.screen.query_one("#activity", ChromeLine).render().plain


@SIZES
def test_recordings(snap_compare, size):
    async def steps(pilot):
        await listed(pilot)
        await pilot.press("j")
        await pilot.pause()

    assert snap_compare(Recorded(), terminal_size=size, run_before=steps)


@SIZES
def test_no_recordings(snap_compare, size):
    async def steps(pilot):
        await listed(pilot)

    assert snap_compare(Unrecorded(), terminal_size=size, run_before=steps)


@SIZES
def test_a_recording_that_is_held(snap_compare, size):
    async def steps(pilot):
        await played(pilot, *["right"] * 4, "plus")
        await drawn(pilot)

    assert snap_compare(Recorded(), terminal_size=size, run_before=steps)


@SIZES
def test_a_recording_at_its_end(snap_compare, size):
    async def steps(pilot):
        app = await played(pilot, "G", "space", "G")
        await until(pilot, lambda: app.screen.player.at_end)
        await drawn(pilot)

    assert snap_compare(Recorded(), terminal_size=size, run_before=steps)


async def test_the_arrows_jump_and_the_speed_is_shown():
    async with Recorded().run_test(size=WIDE) as pilot:
        app = await played(pilot)
        assert "0:00 of 0:34" in news(app)
        await pilot.press("right", "right", "left", "greater_than_sign")
        await until(pilot, lambda: "0:05 of 0:34" in news(app) and news(app).rstrip().endswith("100x28  2x"))


class Broken(Recorded):
    """The app of a user whose recordings are of a later format."""

    text = json.dumps({"version": 3})


async def test_a_terminal_that_is_taller_is_seen_where_its_cursor_is():
    tall = header_line(CastHeader(80, 60)) + event_line(CastEvent(0.0, "o", "".join(f"{n}\r\n" for n in range(30))))
    text = tall + event_line(CastEvent(1.0, "o", "\x1b[Htop")) + event_line(CastEvent(2.0, "o", "\x1b[60Hbottom"))

    class Tall(Recorded):
        """The app of a user whose recording was made in a tall window."""

    Tall.text = text
    async with Tall().run_test(size=NARROW) as pilot:
        app = await played(pilot)
        view = app.screen.query_one(TerminalView)

        def shown():
            return [view.render_line(y).text.rstrip() for y in range(view.size.height)]

        await until(pilot, lambda: shown()[-2:] == ["29", ""])
        await pilot.press("right")
        await until(pilot, lambda: shown()[-1] == "bottom")
        app.screen.seek(1.5)
        await until(pilot, lambda: shown()[:2] == ["top", "1"])


async def test_what_cannot_be_played_is_reported():
    async with Broken().run_test(size=WIDE) as pilot:
        app = await listed(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: any("can't be played" in said.text for said in app.services.notifier.messages))
        assert isinstance(app.screen, RecordingsScreen)
