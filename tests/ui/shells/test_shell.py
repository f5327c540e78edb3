"""The shell screen on scripted shells: who gets the keys, tabs, reading, ends and breaks."""

import pytest

from sandtui.client import ConnectionFailedError
from sandtui.fleet.shells import ShellState
from sandtui.ui.chrome.key_hints import KeyHints
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.recordings.screen import RecordingsScreen
from sandtui.ui.shells.screen import ShellScreen
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.terminal_view import TerminalView
from tests.fleet.shells.channels import ScriptedOpener
from tests.probes import turn_wheel
from tests.ui.world import World, settled, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
LEAVE = "ctrl+right_square_bracket"
COLOURS = (
    b"\x1b[1;32muser@rollout\x1b[0m:\x1b[34m~/work\x1b[0m$ ls --color\r\n"
    b"\x1b[1;34msrc\x1b[0m  \x1b[1;32mrun.sh\x1b[0m  \x1b[38;5;208mdata.json\x1b[0m  \x1b[38;2;255;100;200mtrue\x1b[0m"
    b"  \x1b[4munderlined\x1b[0m  \x1b[7mreversed\x1b[0m  \x1b[9mstruck\x1b[0m\r\n"
    + "漢字 wide, e\u0301 combined, \x1b(0lqqk\x1b(B drawn\r\n".encode()
    + b"\x1b[1;32muser@rollout\x1b[0m:\x1b[34m~/work\x1b[0m$ \x1b]0;user@rollout: ~/work\x07"
)


async def opened(pilot, greeting=b"$ ", presses=("s",)):
    app = await settled(pilot)
    opener = ScriptedOpener()
    opener.greeting = greeting
    app.services.platform.session.shells.opener = opener
    for press in presses:
        await pilot.press(press)
    await until(pilot, lambda: isinstance(app.screen, ShellScreen) and len(opener.channels) > 0)
    await until(pilot, lambda: all(shell.state is not ShellState.CONNECTING for shell in app.screen.board.shells))
    await until(pilot, lambda: opener.last.events.empty())
    return app, opener


def shown(app):
    view = app.screen.query_one(TerminalView)
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def activity(app):
    return app.screen.query_one("#activity", ChromeLine).render().plain


def picture(snap_compare, size, steps):
    async def run(pilot):
        await steps(pilot)
        pilot.app.clear_notifications()
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=run)


@SIZES
def test_typing(snap_compare, size):
    async def steps(pilot):
        await opened(pilot, COLOURS)

    picture(snap_compare, size, steps)


@SIZES
def test_reading_with_a_search_and_a_range(snap_compare, size):
    async def steps(pilot):
        app, _ = await opened(pilot, b"".join(b"step %d of the build\r\n" % n for n in range(200)) + COLOURS)
        await pilot.press(LEAVE, "slash", *"step 150", "enter")
        await until(pilot, lambda: isinstance(app.screen, ShellScreen))
        await pilot.press("V", "k", "k", "k")

    picture(snap_compare, size, steps)


@SIZES
def test_tabs_one_lost_one_ended(snap_compare, size):
    async def steps(pilot):
        app, opener = await opened(pilot, COLOURS, presses=("space", "j", "space", "j", "space", "s"))
        opener.channels[1].say(b"logout\r\n", 3)
        opener.channels[0].say(ConnectionFailedError("connection to the shell lost", sandbox_id="x"))
        await until(pilot, lambda: sum(not shell.is_open for shell in app.screen.board.shells) == 2)

    picture(snap_compare, size, steps)


async def test_every_key_but_one_goes_to_the_shell():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot)
        for key in (
            "q",
            "1",
            "question_mark",
            "colon",
            "t",
            "D",
            "escape",
            "tab",
            "ctrl+q",
            "ctrl+p",
            "ctrl+c",
            "f1",
            "up",
        ):
            await pilot.press(key)
        await until(pilot, lambda: opener.last.typed == b"q1?:tD\x1b\t\x11\x10\x03\x1bOP\x1b[A")
        assert isinstance(app.screen, ShellScreen)
        await pilot.press(LEAVE, LEAVE)
        await until(pilot, lambda: opener.last.typed.endswith(b"\x1d"))
        assert app.screen.view.typing
        await pilot.press("x")
        await until(pilot, lambda: opener.last.typed.endswith(b"x"))


async def test_leaving_keeps_the_shell_and_coming_back_finds_it():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot)
        await pilot.press(LEAVE, "q")
        assert isinstance(app.screen, FleetScreen)
        opener.last.say(b"meanwhile")
        await until(pilot, lambda: opener.last.events.empty())
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ShellScreen) and shown(app)[0] == "$ meanwhile")
        assert len(opener.channels) == 1
        await pilot.press(LEAVE, "plus")
        await until(pilot, lambda: len(opener.channels) == 2)
        assert [len(app.screen.board.shells), app.screen.view.typing] == [2, True]
        await pilot.press(LEAVE, "left_square_bracket")
        assert shown(app)[0] == "$ meanwhile"
        await pilot.press(LEAVE, "K")
        await until(pilot, lambda: opener.channels[0].closed)
        assert len(app.screen.board.shells) == 1
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen) and opener.channels[1].closed)


async def test_a_lost_shell_swallows_keys_and_enter_connects_again():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot)
        opener.last.say(ConnectionFailedError("the link broke", sandbox_id="x"))
        await until(pilot, lambda: "the link broke" in activity(app))
        await pilot.press(*"qDK", "escape")
        assert isinstance(app.screen, ShellScreen)
        assert "enter reconnect" in activity(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(opener.channels) == 2 and "attached:" in activity(app))
        await pilot.press("a")
        await until(pilot, lambda: opener.last.typed == b"a")


async def test_an_ended_shell_shows_its_exit_code_and_goes_with_its_screen():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot)
        opener.last.say(b"bye\r\n", 3)
        await until(pilot, lambda: "exited with code 3" in activity(app))
        board = app.screen.board
        await pilot.press("U")
        await until(pilot, lambda: len(opener.channels) == 2 and app.screen.view.typing)
        opener.last.say(0)
        await until(pilot, lambda: "exited with code 0" in activity(app))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen) and board.shells == [])


async def test_the_size_follows_the_window():
    async with World().run_test(size=WIDE) as pilot:
        _, opener = await opened(pilot)
        await until(pilot, lambda: opener.last.sizes[-1] == (120, 32))
        await pilot.resize_terminal(90, 30)
        await until(pilot, lambda: opener.last.sizes[-1] == (90, 26))


async def test_what_is_read_stays_in_view_when_the_width_changes():
    words = b" ".join(b"word%d" % n for n in range(30))
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot, b"".join(b"line %d %s\r\n" % (n, words) for n in range(300)))
        view = app.screen.view
        await pilot.press(LEAVE, "slash", *"line 120 ", "enter")
        await until(pilot, lambda: isinstance(app.screen, ShellScreen))
        assert shown(app)[view.cursor_line - view.top].startswith("line 120 ")
        for size in (NARROW, (200, 30), WIDE):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: opener.last.sizes[-1][0] == size[0])
            assert view.text.plain(view.cursor_line).startswith("line 120 "), "before all is wrapped"
            await until(pilot, lambda: view.is_settled)
            assert shown(app)[view.cursor_line - view.top].startswith("line 120 ")
            assert "".join(shown(app)).count("word29") > 3
        assert view.text.plain(view.text.first).startswith("line 0 ")


async def test_reading_moves_searches_and_copies():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot, b"".join(b"line %d\r\n" % n for n in range(300)))
        await pilot.press(LEAVE, "g")
        assert shown(app)[0] == "line 0"
        opener.last.say(b"more\r\n" * 10)
        await until(pilot, lambda: opener.last.events.empty())
        assert shown(app)[0] == "line 0", "what comes does not move what is read"
        await pilot.press("slash", *"line 120", "enter")
        await until(pilot, lambda: isinstance(app.screen, ShellScreen))
        assert "line 120" in shown(app)
        await pilot.press("V", "j", "j", "y")
        assert app.services.clipboard.copied[0] == "line 120\nline 121\nline 122"
        await pilot.press("G")
        assert app.screen.view.lines_below == 0
        await pilot.press("pageup", "i")
        assert app.screen.view.lines_below == 0, "typing goes to the end"


async def test_the_wheel_scrolls_moves_less_or_goes_to_the_program():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot, b"".join(b"line %d\r\n" % n for n in range(300)))
        view = app.screen.view

        async def turn():
            await turn_wheel(pilot, view, (5, 5))

        await turn()
        assert view.lines_below == 3
        await pilot.press("a")
        assert view.lines_below == 0
        opener.last.say(b"\x1b[?1049h")
        await until(pilot, lambda: view.terminal.is_alternate)
        await turn()
        await until(pilot, lambda: opener.last.typed == b"a" + b"\x1b[A" * 3)
        opener.last.say(b"\x1b[?1000;1006h")
        await until(pilot, lambda: view.terminal.modes.mouse == 1000)
        await turn()
        await pilot.click(view, offset=(2, 3))
        await until(pilot, lambda: opener.last.typed.endswith(b"\x1b[<64;6;6M\x1b[<0;3;4M\x1b[<0;3;4m"))


async def test_the_clipboard_is_filled_only_after_asking():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot)
        opener.last.say(b"\x1b]52;c;aGVsbG8=\x07")
        await until(pilot, lambda: "5 characters to your clipboard" in activity(app))
        await pilot.press(LEAVE, "A")
        assert list(app.services.clipboard.copied) == []
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("n")
        assert list(app.services.clipboard.copied) == []
        opener.last.say(b"\x1b]52;c;aGVsbG8=\x07")
        await until(pilot, lambda: "5 characters" in activity(app))
        await pilot.press("A")
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: list(app.services.clipboard.copied) == ["hello"])


async def test_a_paste_goes_in_brackets_and_without_controls():
    from textual import events

    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot, b"\x1b[?2004h$ ")
        app.screen.view.post_message(events.Paste("one\ntwo\x1b[201~rm"))
        await until(pilot, lambda: opener.last.typed == b"\x1b[200~one\rtwo[201~rm\x1b[201~")


async def test_recording_and_playing_it():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot, b"before ")
        await pilot.press(LEAVE, "W", "i")
        opener.last.say(b"\x1b[32mshown\x1b[0m\r\n")
        await until(pilot, lambda: "shown" in shown(app)[0])
        await pilot.press(*"typed", LEAVE, "W")
        await until(pilot, lambda: len(list(app.paths.recordings.glob("*.cast"))) == 1)
        (path,) = app.paths.recordings.glob("*.cast")
        assert "typed" not in path.read_text()
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, RecordingsScreen) and app.screen.query_one(OutputView).count)
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "PlayerScreen")
        await pilot.press("G")
        await until(pilot, lambda: shown(app)[0].startswith("before shown"))
        hints = app.screen.query_one(KeyHints).render().plain
        assert "space pause" in hints
        await pilot.press("q", "D")
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: not path.exists())


async def test_a_program_learns_the_colours_of_the_theme_in_use():
    async with World().run_test(size=WIDE) as pilot:
        app, opener = await opened(pilot)
        opener.last.say(b"\x1b]11;?\x07")
        await until(pilot, lambda: opener.last.typed == b"\x1b]11;rgb:1616/1616/1e1e\x07")
        app.theme = "sandtui-light"
        await pilot.pause()
        opener.last.say(b"\x1b]11;?\x07")
        await until(pilot, lambda: opener.last.typed.endswith(b"\x1b]11;rgb:ecec/eeee/f4f4\x07"))
        app.theme = "ansi-light"
        await pilot.pause()
        opener.last.say(b"\x1b]4;1;?\x07")
        await until(pilot, lambda: b"]4;1;rgb:" in opener.last.typed)


def found_in_view(app):
    """Return what is drawn as found, line by line."""
    view = app.screen.query_one(TerminalView)
    ground = view.get_component_rich_style("terminal-view--found").bgcolor
    rows = [view.render_line(y) for y in range(view.size.height)]
    marked = (
        "".join(piece.text for piece in row if piece.style is not None and piece.style.bgcolor == ground)
        for row in rows
    )
    return [text for text in marked if text]


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 20)])
async def test_a_search_finds_what_the_edge_of_the_window_broke(size):
    width = size[0]
    async with World().run_test(size=size) as pilot:
        text = "x" * (width - 3) + "needle end\r\n" + "y" * (width - 3) + "日漢字\r\n" + "z\r\n" * 60
        app, _ = await opened(pilot, text.encode())
        view = app.screen.query_one(TerminalView)
        await until(pilot, lambda: shown(app)[0] == "z")
        await pilot.press(LEAVE, "slash", *"needle", "enter")
        await until(pilot, lambda: isinstance(app.screen, ShellScreen))
        assert found_in_view(app) == ["nee", "dle"]
        await pilot.press("V", "j", "y")
        assert app.clipboard.endswith("needle end")
        await pilot.press("slash")
        app.screen.query_one("#value").value = "日漢字"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ShellScreen))
        assert found_in_view(app) == ["日", "漢字"]
        await pilot.resize_terminal(width + 1, size[1])
        await until(pilot, lambda: view.size.width == width + 1 and found_in_view(app) == ["日漢", "字"])
