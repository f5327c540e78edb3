"""Keys that arrive together do what the same keys do when they are typed slowly."""

import asyncio
import random
import re

import pytest
from textual import events
from textual.widgets import Input

from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.driver import InputEnded
from sandtui.ui.driver.input import InputReader
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.jobs.screen import JobsScreen
from tests.probes import text_of_all
from tests.ui.world import World, settled, stop_blinking, until

UP, DOWN, RIGHT, LEFT, BACKTAB, ESC, DEL = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[Z", "\x1b", "\x7f"
WORDS = ["a", "b", "x", "n", "q", "9", "-", " ", "#", "run=4", "é", "中"]
EDITING = [*WORDS, DEL, LEFT, RIGHT, "\x01", "\x05", "\x0b", "\x17", "\x1b[3~", "\x1b[H", "\x1b[F"]

SCREENS = {
    # How the screen is opened from the fleet, and what is typed there.
    "fleet": ("", [*EDITING, "/", "/", "\r", ESC, "j", "k", "G", "g", UP, DOWN, "d", "o", "a", " ", "V", "u", "z"]),
    "create": ("n", [*EDITING, "\t", "\t", BACKTAB, UP, DOWN, "\x0e"]),
    "console": ("x", [*EDITING, UP, DOWN, "\x0a", ESC, "w"]),
    "fan-out": ("*x", [*EDITING, "\t", BACKTAB, ESC, UP, DOWN]),
    "jobs": ("b", [*EDITING, "/", "\r", ESC, "\t"]),
    "command": (":", [*EDITING, UP, DOWN, "\t", RIGHT]),
    "choice": ("m", [UP, DOWN, "\t", ESC, "/", "x"]),
    "log": ("L", [*WORDS, "/", "&", "\r", ESC, "w", "n", "t"]),
    "value": ("mo", [*EDITING, "\t"]),
}


def bytes_of(keys):
    return [key.encode() for key in keys]


def parsed(data):
    reader = InputReader(0.03)
    found = reader.feed(data, 0.0)
    while reader.deadline is not None:
        found += reader.expire(reader.deadline)
    return found


def shown(app):
    """The letters of the screen, without ids that are made by chance."""
    return re.sub(r"\b[0-9a-f]{4,16}\b", "id", text_of_all(app))


async def quiet(pilot):
    app = pilot.app
    for _ in range(3):
        await until(pilot, lambda: app.dispatcher.is_idle)


async def stands_still(app):
    """Wait until no answer of the platform changes the screen any more."""
    before, same = None, 0
    for _ in range(100):
        now = shown(app)
        same = same + 1 if now == before else 0
        if same == 3:
            return
        before = now
        await asyncio.sleep(0.15)


async def end_of(way, pieces, *, together):
    """Run a script on a fresh app; return what the screen shows at its end."""
    app = World(fleet=12)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        # What a screen shows may need the platform: a burst that does not wait for it may end elsewhere.
        await burst(pilot, way)
        await stands_still(app)
        if together:
            for event in parsed(b"".join(pieces)):
                app.post_message(event)
            await quiet(pilot)
        else:
            for piece in pieces:
                for event in parsed(piece):
                    app.post_message(event)
                await quiet(pilot)
                await pilot.pause()
        await pilot.pause()
        stop_blinking(app)
        # Notices go by themselves.
        app.clear_notifications()
        await stands_still(app)
        fields = [(field.id, field.value, field.has_focus) for field in app.screen.query(Input)]
        focused = app.focused.id if app.focused is not None else None
        return type(app.screen).__name__, focused, fields, shown(app)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", sorted(SCREENS))
async def test_a_burst_ends_where_slow_typing_ends(name, seed):
    way, tokens = SCREENS[name]
    source = random.Random(f"{name} {seed}")
    script = bytes_of(source.choices(tokens, k=14))
    slow, fast = await end_of(way, script, together=False), await end_of(way, script, together=True)
    assert fast[:3] == slow[:3], script
    if slow[0] != "CreateScreen":
        # Whether the platform can use an image is asked a while after the last key.
        assert fast[3] == slow[3], script


async def burst(pilot, text):
    for event in parsed(text.encode()):
        pilot.app.post_message(event)
    await quiet(pilot)
    await pilot.pause()


async def test_a_name_typed_behind_the_key_that_opens_the_form():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "nmy-name\tx")
        assert isinstance(app.screen, CreateScreen)
        values = [field.value for field in app.screen.query(Input)]
        assert values[0] == "my-name"
        assert "x" in values[1]


async def test_letters_behind_the_slash_are_no_hotkeys():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "/rollout")
        assert isinstance(app.screen, FleetScreen)
        assert app.focused.value == "rollout"


async def test_deleting_between_letters_of_a_command():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "xab\x7fc")
        assert isinstance(app.screen, ConsoleScreen)
        assert app.screen.query_one(CommandLine).text == "ac"


async def test_a_long_paste_without_brackets_is_text():
    text = "".join(chr(ord("a") + number % 26) for number in range(300))
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "/" + text)
        assert app.focused.value == text


async def test_screens_opened_and_left_in_one_burst():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "b\x1bf\x1bp\x1bt\x1b" * 3 + "x\x1b\x1bb")
        assert isinstance(app.screen, JobsScreen)
        assert len(app.screen_stack) == 3


async def test_what_confirms_takes_no_key_from_before_it_could_be_read():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        count = len(app.services.platform.session.store)
        await burst(pilot, "jDy")
        assert not isinstance(app.screen, FleetScreen)
        assert len(app.services.platform.session.store) == count
        assert not any(row.status == "DELETING" for row in app.services.platform.session.store)


@pytest.mark.parametrize("field", [False, True])
async def test_text_of_an_input_method(field):
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        if field:
            await burst(pilot, "/")
        await burst(pilot, "\x1b[49;;20013:25991:110:100:113u")
        assert isinstance(app.screen, FleetScreen)
        if field:
            assert app.focused.value == "中文ndq"


async def test_alt_and_a_letter_goes_by_words_in_a_field_and_is_two_keys_elsewhere():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "/ab cd")
        await burst(pilot, "\x1bb")
        await burst(pilot, "x")
        assert app.focused.value == "ab xcd"
        await burst(pilot, "\r\x1b")
        await burst(pilot, "/ab\x1bb")
        assert isinstance(app.screen, JobsScreen)


async def test_line_feed_is_enter():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await burst(pilot, "\n")
        assert not isinstance(app.screen, FleetScreen)
        await burst(pilot, "\x1bnname\n")
        assert isinstance(app.screen, CreateScreen)


async def test_nothing_is_opened_once_the_exit_has_begun():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        opened = []
        app.screen_change_signal.subscribe(app, opened.append)
        for event in (events.Key("ctrl+q", None), *(events.Key(key, key) for key in "nbfxp")):
            app.post_message(event)
        await until_ended(app)
        assert opened == []


async def until_ended(app):
    async with asyncio.timeout(10):
        while app.is_running:
            await asyncio.sleep(0.01)


async def test_what_was_typed_for_the_shell_is_dropped_even_when_it_comes_late():
    """After ctrl+z some of the input that was read is still on its way while the program is stopped."""
    app = World(fleet=3)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.dispatcher.clear(1)
        for event in parsed(b"\x1an"):
            app.post_message(event)
        app.post_message(InputEnded(1))
        for event in parsed(b"x"):
            app.post_message(event)
        await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))
        await quiet(pilot)
        assert [type(screen) for screen in app.screen_stack[1:]] == [FleetScreen, ConsoleScreen]
