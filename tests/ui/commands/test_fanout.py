"""One command on many by keys, on the simulated platform."""

import asyncio

import pytest
from textual.widgets import Input

from sandtui.client import CommandResponse, CommandTimeoutError, ConnectionFailedError
from sandtui.client.models.streams import CommandEnded, CommandOutput
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.inventory.session import FleetSession
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.commands.fanout_screen import FanOutScreen
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.inventory.detail_screen import DetailScreen
from sandtui.ui.inventory.screen import FleetScreen
from sandtui.ui.rendering.text import Content
from sandtui.ui.widgets.output_view import OutputView
from tests.ui.world import World, refused, settled, stop_blinking, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])

PYTEST = "....................                                     [100%]\n20 passed in 0.84s\n"
BROKEN = """..F.................                                     [100%]
=================================== FAILURES ==================================
tests/smoke/test_env.py:41: AssertionError: WANDB_MODE not set
1 failed, 19 passed in 0.71s
"""


def answering(app, **answers):
    """Have commands answered by the place of the sandbox among the targets: ``s3=...``; ``hold`` keeps one waiting."""
    order = []

    async def execute(sandbox_id, command, timeout=None):
        order.append(sandbox_id)
        answer = answers.get(f"s{len(order) - 1}", (PYTEST, "", 0))
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = (PYTEST, "", 0)
        if isinstance(answer, Exception):
            raise answer
        stdout, stderr, code = answer
        return CommandResponse(stdout=stdout, stderr=stderr, exit_code=code)

    session = app.services.platform.session
    assert isinstance(session, FleetSession)
    session.client.execute_command = execute
    return order


def streaming(app, said):
    """Have commands say ``said(place)`` and then wait for the event that is returned."""
    go = asyncio.Event()
    order = []

    async def stream(sandbox_id, command, timeout=None):
        order.append(sandbox_id)
        place = len(order) - 1
        for name, data in said(place):
            yield CommandOutput(name, data)
        await go.wait()
        yield CommandEnded(0)

    app.services.platform.session.client.stream_command = stream
    return go


def building(place):
    """Return what a build has said so far; no two are equally far."""
    yield "stdout", b"".join(b"[%3d/120] compiling part_%d.c\n" % (n, n) for n in range(1, 8 + place * 5))
    if place % 4 == 2:
        yield "stderr", b"warning: \x1b[31mpart_7.c\x1b[0m [/] is empty"


async def marked(pilot, text="status:running #rl"):
    app = await settled(pilot)
    app.screen.query_one("#filter", Input).value = text
    await pilot.pause()
    await pilot.press("asterisk", "x")
    await until(pilot, lambda: isinstance(app.screen, FanOutScreen))
    stop_blinking(app)
    return app


async def run_command(pilot, text):
    screen = pilot.app.screen
    screen.query_one(CommandLine).put(text)
    await pilot.press("enter")
    await pilot.pause()


async def over(pilot):
    screen = pilot.app.screen
    await until(pilot, lambda: screen.fan_out is not None and screen.fan_out.is_over)
    await compared(pilot)


async def compared(pilot):
    """Wait until all that has come is drawn."""
    # Drawing begins to compare what has come since, in a thread; what it found is drawn then.
    screen = pilot.app.screen
    await until(pilot, lambda: not screen.is_comparing)
    screen.redraw()
    await until(pilot, lambda: not screen.is_comparing)
    screen.redraw()
    await pilot.pause()


def watched(screen):
    """Return the sandbox whose output is shown as it comes."""
    return screen.query_one("#fan-live").border_title.removesuffix(" so far")


def drawn(view):
    return [view.render_line(y).text.rstrip() for y in range(view.scrollable_content_region.height)]


def shown(screen):
    view = screen.results_view
    return [view.plain(number).rstrip() for number in range(len(screen.results))]


async def test_equal_answers_are_folded_and_differences_shown():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        answering(app, s3=(BROKEN, "", 1), s5=ConnectionFailedError("broke", sent=True))
        await run_command(pilot, "python -m pytest -q")
        await over(pilot)
        text = shown(app.screen)
        assert text[0].startswith("▾ rollout-0018  exit 1"), "what differs comes first"
        usual = next(line for line, shown_line in enumerate(text) if shown_line.startswith("▾ 8 identical  exit 0"))
        assert all(line.startswith(("   ", "▾ 8")) or not line for line in text[usual:])
        assert "   20 passed in 0.84s" in text
        assert "+  tests/smoke/test_env.py:41: AssertionError: WANDB_MODE not set" in text
        assert any("unreachable" in line for line in text)
        await pilot.press("escape", "exclamation_mark")
        assert not any("identical" in line for line in shown(app.screen))
        await pilot.press("exclamation_mark", "z")
        assert sum("exit 0" in line for line in shown(app.screen)) == 8
        await pilot.press("z")
        app.screen.results_view.go_to(usual)
        await pilot.press("enter")
        assert "   20 passed in 0.84s" not in shown(app.screen)


async def test_what_is_usual_may_change_while_answers_come():
    """Of two different answers the first is the standard; a third that is like the second makes that the usual one."""
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        hold = asyncio.Event()
        usual, odd = (PYTEST, "", 0), ("odd\n", "", 0)
        answering(app, s0=odd, **{f"s{place}": hold for place in range(2, 10)}, s1=usual)
        await run_command(pilot, "python -m pytest -q")
        screen = app.screen
        await until(pilot, lambda: "+  20 passed in 0.84s" in shown(screen))
        hold.set()
        await until(pilot, lambda: screen.fan_out.is_over and "+  odd" in shown(screen))
        assert "   20 passed in 0.84s" in shown(screen)


async def test_long_lines_are_wrapped():
    async with World().run_test(size=NARROW) as pilot:
        app = await marked(pilot)
        answering(app, s3=("日本" * 60 + "\n", "", 0), **{f"s{n}": ("x" * 200 + "\n", "", 0) for n in (0, 1, 2)})
        await run_command(pilot, "x")
        await over(pilot)
        view = app.screen.results_view
        assert max(map(len, shown(app.screen))) > 200
        assert view.virtual_size.width > 200
        lines = view.count
        await pilot.press("escape", "w")
        assert view.virtual_size.width <= 80
        assert (view.count, view.rows) == (lines, lines + 5)
        text = {}
        await pilot.press("g")
        for _ in range(view.rows):
            text.update(enumerate(drawn(view), view.scroll_offset.y))
            await pilot.press("pagedown")
        assert "".join(text.values()).count("本") == 60
        await pilot.press("w")
        assert view.rows == lines


async def test_the_answer_follows_the_cursor_of_the_targets_and_enter_opens_the_sandbox():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        answering(app, s3=(BROKEN, "", 1))
        await run_command(pilot, "x")
        await over(pilot)
        screen = app.screen
        (failed,) = screen.fan_out.failed
        targets = screen.query_one("#targets", OutputView)
        targets.focus()
        targets.go_to(screen.fan_out.targets.index(failed))
        view = screen.results_view
        await until(pilot, lambda: view.plain(view.cursor).startswith(f"▾ {failed.name}  exit 1"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DetailScreen))
        assert app.screen.sandbox_id == failed.id


async def test_the_failed_are_run_again_and_marked():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        order = answering(app, s3=("", "no\n", 2), s5=CommandTimeoutError("slow"), s10=("", "no\n", 2))
        await run_command(pilot, "x")
        await over(pilot)
        await pilot.press("escape", "U")
        await over(pilot)
        assert len(order) == 12
        failed = [target.id for target in app.screen.fan_out.failed]
        assert len(failed) == 1
        await pilot.press("asterisk")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        assert app.screen.view.marks == set(failed)


async def test_it_is_stopped_while_it_runs_and_the_rest_is_kept():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        hold = asyncio.Event()
        answering(app, s1=hold, s2=hold)
        await run_command(pilot, "x")
        fan_out = app.screen.fan_out
        await until(pilot, lambda: fan_out.count(BulkState.DONE) == 8)
        await pilot.press("ctrl+c")
        await over(pilot)
        assert fan_out.count(BulkState.CANCELLED) == 2


async def test_many_are_asked_about_once():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot, "status:running")
        answering(app)
        screen = app.screen
        await run_command(pilot, "true")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
        assert screen.fan_out is None, "nothing is sent before the answer"
        app.screen.query_one(Input).value = "22"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await over(pilot)
        first = screen.fan_out
        await run_command(pilot, "true")
        await until(pilot, lambda: screen.fan_out is not first)
        await over(pilot)


async def test_all_is_saved(tmp_path):
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        answering(app)
        await run_command(pilot, "x")
        await over(pilot)
        await pilot.press("escape", "W")
        assert isinstance(app.screen, ValueDialog)
        app.screen.query_one(Input).value = str(tmp_path / "all.jsonl")
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved " in said.text for said in app.services.notifier.messages))
        assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 10


async def test_it_goes_on_behind_and_is_found_again():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        hold = asyncio.Event()
        answering(app, s1=hold)
        await run_command(pilot, "x")
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, FleetScreen)
        hold.set()
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, FanOutScreen))
        await over(pilot)
        assert app.screen.fan_out.count(BulkState.DONE) == 10


async def test_one_mark_opens_a_console_and_the_menu_opens_the_same_screen():
    async with World().run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        app.screen.query_one("#filter", Input).value = "status:running"
        await pilot.pause()
        await pilot.press("space", "x")
        await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FleetScreen))
        await pilot.press("asterisk", "m", "r")
        await until(pilot, lambda: isinstance(app.screen, FanOutScreen))


async def test_the_sandboxes_can_be_chosen_again_by_a_query_or_by_marks():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        answering(app)
        await run_command(pilot, "true")
        await over(pilot)
        screen = app.screen
        first = screen.fan_out
        await pilot.press("escape", "e")
        assert isinstance(app.screen, ValueDialog)
        for wrong, words in (("status:", ""), ("status:error", "no running sandbox matches")):
            app.screen.query_one(Input).value = wrong
            await pilot.press("enter")
            assert isinstance(app.screen, ValueDialog)
            assert words in app.screen.query_one("#dialog-keys").render().plain
        app.screen.query_one(Input).value = "name~rollout-00[12]"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        names = [row.sandbox.name for row in screen.rows]
        assert 0 < len(names) < 10 and all(name[:10] in {"rollout-01", "rollout-00", "rollout-02"} for name in names)
        assert screen.fan_out is None and screen.query_one(CommandLine).has_focus
        await run_command(pilot, "true")
        await over(pilot)
        assert [target.name for target in screen.fan_out.targets] == names
        assert screen.results.earlier(0) is first
        await pilot.press("escape", "equals_sign")
        assert len(screen.rows) == 10


async def test_other_sandboxes_wait_for_the_command_that_runs():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        answering(app, s1=asyncio.Event())
        await run_command(pilot, "x")
        await pilot.press("tab")
        for key in ("e", "equals_sign"):
            await pilot.press(key)
            await refused(pilot, "still running")
        assert isinstance(app.screen, FanOutScreen) and app.screen.fan_out is not None


async def test_paths_of_the_first_sandbox_are_completed():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        asked = answering(app, s0=("data/\0dates.txt\0", "", 0), s1=("dates.txt\0", "", 0))
        field = app.screen.query_one(CommandLine)
        await pilot.press(*"cat", "space", "d", "tab")
        await until(pilot, lambda: field.text == "cat dat")
        assert asked == [app.screen.rows[0].id]
        assert "data/  dates.txt" in app.screen.query_one("#activity").render().plain
        await pilot.press("e", "tab")
        await until(pilot, lambda: field.text == "cat dates.txt ")
        assert "dates.txt" not in app.screen.query_one("#activity").render().plain


HOSTILE = "\x1b]52;c;eA==\x07 [@click=app.quit]x[/] \u202e\x9b2J [/\n"


async def test_hostile_answers_are_drawn_literally():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        answering(app, s0=(HOSTILE, HOSTILE, 1), s1=ConnectionFailedError(HOSTILE, sent=True))
        await run_command(pilot, "echo '[/'")
        await over(pilot)
        text = "\n".join(shown(app.screen))
        assert "[@click=app.quit]x[/]" in text
        assert not {"\x1b", "\x9b", "\u202e"} & set(text)
        assert isinstance(app.screen.query_one("#fan-results").border_title, str | Content)


async def test_what_they_say_while_they_run_is_followed():
    async with World().run_test(size=WIDE) as pilot:
        app = await marked(pilot)
        go = streaming(app, building)
        await pilot.press("tab", "t", "i")
        await run_command(pilot, "make")
        screen = app.screen
        await until(pilot, lambda: all(target.live for target in screen.fan_out.targets))
        screen.redraw()
        await until(pilot, lambda: screen.query_one("#live").size.height > 5)
        running = [line for line in shown(screen) if "compiling" in line or "warning" in line]
        assert len(running) == 10
        assert running[0].endswith("[  7/120] compiling part_7.c")
        assert running[2].endswith("warning: part_7.c [/] is empty")
        panel = screen.query_one("#live", OutputView)
        assert watched(screen) == screen.fan_out.targets[0].name
        screen.query_one("#targets").focus()
        await pilot.press("j", "j")
        await until(pilot, lambda: watched(screen) == screen.fan_out.targets[2].name)
        assert panel.plain(17).startswith(" ! warning")
        assert shown(screen)[screen.results_view.cursor] == running[2]
        screen.results_view.focus()
        await pilot.press("j")
        await until(pilot, lambda: watched(screen) == screen.fan_out.targets[3].name)
        assert panel.plain(21).strip() == "[ 22/120] compiling part_22.c"
        go.set()
        await over(pilot)
        assert not screen.query_one("#fan-live").display
        view = screen.results_view
        assert view.plain(view.cursor).startswith("▾ "), "the cursor went to the answer of the one it was on"
        assert screen.fan_out.targets[3] in screen.results.group_at(view.cursor).targets


@SIZES
def test_fan_out_that_is_followed(snap_compare, size):
    async def steps(pilot):
        app = await marked(pilot)
        streaming(app, building)
        await pilot.press("tab", "t", "i")
        await run_command(pilot, "make -j8")
        screen = app.screen
        await until(pilot, lambda: all(target.live for target in screen.fan_out.targets))
        screen.redraw()
        await pilot.press("escape", "j", "j", "j", "j")
        screen.redraw()
        app.clear_notifications()
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_fan_out(snap_compare, size):
    async def steps(pilot):
        app = await marked(pilot)
        hold = asyncio.Event()
        slow = PYTEST.replace("0.84s", "0.91s")
        answering(app, s1=(BROKEN, "warning: no GPU\n", 1), s3=hold, s4=hold, s6=(slow, "", 0), s7=(slow, "", 0))
        await run_command(pilot, "git rev-parse HEAD")
        hold.set()
        await over(pilot)
        answering(app, s1=(BROKEN, "warning: no GPU\n", 1), s3=asyncio.Event(), s4=asyncio.Event(), s6=(slow, "", 0))
        await run_command(pilot, "python -m pytest -q tests/smoke")
        fan_out = app.screen.fan_out
        await until(pilot, lambda: fan_out.count(BulkState.RUNNING) == 2)
        await compared(pilot)

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_fan_out_read(snap_compare, size):
    async def steps(pilot):
        app = await marked(pilot)
        answering(app, s2=("\n".join(map(str, range(30))), "", 0), s4=CommandTimeoutError("not within 300 s"))
        await run_command(pilot, "x")
        await over(pilot)
        await pilot.press("escape", "g", "j")
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=steps)


async def test_it_runs_as_another_user_until_that_is_taken_back():
    async with World().run_test(size=NARROW) as pilot:
        app = await marked(pilot)
        screen, users = app.screen, []

        async def execute(sandbox_id, command, timeout=None, user=None):
            users.append(user)
            return CommandResponse(stdout="", stderr="", exit_code=0)

        app.services.platform.session.client.execute_command = execute
        for answer, words in (("nobody", "as nobody"), ("", "")):
            await pilot.press("ctrl+o")
            await until(pilot, lambda: isinstance(app.screen, ValueDialog))
            app.screen.query_one(Input).value = answer
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is screen)
            assert words in screen.query_one("#target").render().plain
            before = screen.fan_out
            await run_command(pilot, "x")
            await until(pilot, lambda before=before: screen.fan_out is not before)
            await over(pilot)
        assert users == ["nobody"] * 10 + [None] * 10
        assert " as " not in screen.query_one("#target").render().plain
