"""The console by keys, on the simulated platform; the sandbox's answers are made up here."""

import asyncio
import stat

import pytest
from textual import events
from textual.widgets import Input, OptionList

from sandtui.client import CommandResponse, CommandTimeoutError
from sandtui.client.models.jobs import BackgroundJob
from sandtui.fleet.commands.console_run import RunState
from sandtui.fleet.inventory.session import FleetSession
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.commands.command_line import CommandLine
from sandtui.ui.commands.console_screen import ConsoleScreen
from sandtui.ui.commands.history_dialog import HistoryDialog
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.value import ValueDialog
from tests.ui.world import World, settled, stop_blinking, until, without_live_channels

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])

LISTING = "\x1b[0m\x1b[01;34mdata\x1b[0m\n\x1b[01;32mrun.sh\x1b[0m\n\x1b[38;5;208mnotes.md\x1b[0m\n"
WARNING = "\x1b[33mwarning:\x1b[0m 2 files are larger than 100 MB\n\x1b]0;title\x07\x1b[2J[@click=app.quit]x[/]\n"


class Shell:
    """Plays the sandbox's shell: answers by the last line of what is sent."""

    def __init__(self):
        self.sent = []
        self.users = []
        self.answers = {}
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self, sandbox_id, command, working_dir=None, env=None, timeout=None, user=None):
        self.sent.append((command, working_dir, dict(env or {})))
        self.users.append(user)
        await self.hold.wait()
        for part, answer in self.answers.items():
            if part in command:
                stdout, stderr, code = answer
                return CommandResponse(stdout=stdout, stderr=stderr, exit_code=code)
        return CommandResponse(stdout="", stderr="", exit_code=0)


async def console(pilot):
    app = await settled(pilot)
    session = app.services.platform.session
    assert isinstance(session, FleetSession)
    app.screen.query_one("#filter", Input).value = "status:running kind:container"
    await pilot.pause()
    shell = Shell()
    session.client.execute_command = shell
    without_live_channels(app)  # no SSH beside the answers that are made up
    await pilot.press("x")
    await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))
    stop_blinking(app)
    return app, app.screen, shell


async def run(pilot, text):
    screen = pilot.app.screen
    count = len(screen.console.runs)
    screen.query_one(CommandLine).put(text)
    await pilot.press("enter")
    await until(pilot, lambda: len(screen.console.runs) > count and screen.console.running is None)
    screen.draw()
    await pilot.pause()


def activity(screen):
    return screen.query_one("#activity", ChromeLine).render().plain


def found(app):
    """Return the past commands that the dialog offers."""
    return [str(option.prompt) for option in app.screen.query_one(OptionList).options]


def shown(screen):
    return [screen.output_view.plain(row) for row in range(len(screen.rows))]


async def test_output_is_coloured_and_nothing_else_passes():
    async with World().run_test(size=WIDE) as pilot:
        _, screen, shell = await console(pilot)
        shell.answers["ls"] = (LISTING, WARNING, 0)
        await run(pilot, "ls")
        text = shown(screen)
        assert text[:4] == ["$ ls", "  data", "  run.sh", "  notes.md"]
        assert text[4] == "! warning: 2 files are larger than 100 MB"
        assert text[5] == "! ␛]0;title␇␛[2J[@click=app.quit]x[/]"
        blue = screen.rows.pieces(1)[1]
        assert (blue.text, blue.ink.color, blue.ink.bold) == ("data", 4, True)


async def test_several_lines_are_one_command():
    async with World().run_test(size=WIDE) as pilot:
        _, screen, shell = await console(pilot)
        await pilot.press(*"echo", "space", "apostrophe", "a", "enter", "b")
        field = screen.query_one(CommandLine)
        assert field.text == "echo 'a\nb"
        assert not screen.console.runs
        await pilot.press("apostrophe", "enter")
        await until(pilot, lambda: screen.console.runs and screen.console.running is None)
        assert shell.sent[-1][0] == "echo 'a\nb'"
        field.post_message(events.Paste("one\r\ntwo\x1b[2J\n"))
        await until(pilot, lambda: field.text)
        assert field.text == "one\ntwo␛[2J"
        assert len(screen.console.runs) == 1, "what is pasted does not run by itself"


async def test_commands_fold_and_open_and_are_found():
    async with World().run_test(size=WIDE) as pilot:
        _, screen, shell = await console(pilot)
        shell.answers["seq"] = ("".join(f"line {number}\n" for number in range(50)), "", 0)
        await run(pilot, "seq 50")
        await run(pilot, "false")
        await pilot.press("escape", "g", "j", "enter")
        assert shown(screen)[0].startswith("▸ seq 50  … 50 lines  ✓ exit 0")
        assert shown(screen)[1] == "$ false"
        await pilot.press("slash")
        screen.app.screen.query_one(Input).value = "line 37"
        await pilot.press("enter")
        await pilot.pause()
        assert screen.output_view.plain(screen.output_view.cursor) == "  line 37", "what is found is opened"
        await pilot.press("Z")
        assert len(shown(screen)) == 2
        await pilot.press("Z")
        assert len(shown(screen)) == 54


async def test_long_lines_are_wrapped_and_the_place_is_kept():
    async with World().run_test(size=NARROW) as pilot:
        _, screen, shell = await console(pilot)
        shell.answers["cat"] = ("x" * 200 + "\n日本" + "語" * 100 + "\nend\n", "", 0)
        await run(pilot, "cat")
        await pilot.press("escape", "g", "j", "j", "w")
        view = screen.output_view
        text = [view.render_line(y).text.rstrip() for y in range(view.scrollable_content_region.height)]
        assert view.virtual_size.width <= view.size.width
        assert "".join(text).count("語") == 100
        assert "5 lines" in str(screen.query_one("#output-panel").border_subtitle)
        assert screen.output_view.plain(screen.output_view.cursor).startswith("  日本")
        await pilot.press("w", "w")
        assert screen.output_view.plain(screen.output_view.cursor).startswith("  日本")


async def test_what_is_read_stays_in_place_while_older_lines_are_dropped(monkeypatch):
    monkeypatch.setattr("sandtui.fleet.text.output_lines.MAX_LINES", 100)
    async with World().run_test(size=NARROW) as pilot:
        _, screen, shell = await console(pilot)
        shell.answers["seq"] = ("".join(f"line {number}\n" for number in range(90)), "", 0)
        await run(pilot, "seq")
        await pilot.press("escape", "g")
        screen.output_view.go_to(60)
        await pilot.pause()
        before = screen.output_view.plain(60)
        top = screen.output_view.plain(screen.output_view.scroll_offset.y)
        shell.answers["seq"] = ("more\n" * 30, "", 0)
        await screen.console.run("seq", 10)
        screen.draw()
        assert screen.console.dropped
        assert screen.output_view.plain(screen.output_view.cursor) == before
        assert screen.output_view.plain(screen.output_view.scroll_offset.y) == top


async def test_tab_completes_a_path_or_shows_what_there_is():
    async with World().run_test(size=WIDE) as pilot:
        _, screen, shell = await console(pilot)
        field = screen.query_one(CommandLine)
        shell.answers["cd -- ./data"] = ("file one\0", "", 0)
        shell.answers["cd -- ."] = ("data/\0dates\0", "", 0)
        await pilot.press(*"cat", "space", "d", "tab")
        await until(pilot, lambda: {"data/", "dates"} <= set(activity(screen).split()))
        assert field.text == "cat dat"
        await pilot.press("a", "slash", "tab")
        await until(pilot, lambda: field.text == "cat data/file\\ one ")
        assert "dates" not in activity(screen)


async def test_history_of_earlier_sessions_is_searched_and_walked():
    async with World().run_test(size=WIDE) as pilot:
        app, screen, _ = await console(pilot)
        await run(pilot, "echo first")
        await run(pilot, "export TOKEN=canary")
        await run(pilot, " echo private")
        field = screen.query_one(CommandLine)
        await pilot.press("up")
        assert field.text == "export TOKEN=canary", "the session itself knows what was typed"
        await pilot.press("down")
        assert not field.text
        app.services.command_history.add("sbx_other", "other", "echo elsewhere")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, HistoryDialog) and len(found(app)) == 2)
        assert ["export TOKEN=<hidden>" in found(app)[0], "echo first" in found(app)[1]] == [True, True]
        await pilot.press("tab", *"echo")
        await until(pilot, lambda: len(found(app)) == 2)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is screen)
        assert field.text == "echo first"
        path = app.paths.commands
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not any(b"canary" in file.read_bytes() for file in path.parent.glob("commands*"))
        assert not any(b"private" in file.read_bytes() for file in path.parent.glob("commands*"))


async def test_one_key_makes_it_a_background_job_with_what_is_carried():
    async with World().run_test(size=WIDE) as pilot:
        app, screen, _ = await console(pilot)
        started = []

        async def start(sandbox_id, command, working_dir=None, env=None, user=None):
            started.append((command, working_dir, env))
            return BackgroundJob.of(sandbox_id, "0badcafe")

        app.services.platform.session.client.start_background_job = start
        await pilot.press("ctrl+g")
        assert not started
        await pilot.press(*"train", "ctrl+g")
        await until(pilot, lambda: bool(started))
        assert started == [("train", None, None)]
        await until(pilot, lambda: any("0badcafe" in said.text for said in app.services.notifier.messages))
        await pilot.press("ctrl+t", "ctrl+t")
        assert screen.console.timeout == 60


async def test_what_runs_is_stopped_and_begins_again_as_a_job_after_a_question():
    async with World().run_test(size=WIDE) as pilot:
        app, screen, shell = await console(pilot)
        started = []

        async def start(sandbox_id, command, working_dir=None, env=None, user=None):
            assert screen.console.running is None, "it is stopped first"
            started.append(command)
            return BackgroundJob.of(sandbox_id, "0badcafe")

        app.services.platform.session.client.start_background_job = start
        shell.hold.clear()
        screen.query_one(CommandLine).put("train --epochs 90")
        await pilot.press("enter")
        await until(pilot, lambda: screen.console.running is not None)
        await pilot.press("ctrl+g")
        assert isinstance(app.screen, AskDialog)
        assert "stopped and restarted as a job" in app.screen.question
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("n")
        assert screen.console.running is not None
        await pilot.press("ctrl+g")
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: bool(started))
        assert started == ["train --epochs 90"]
        assert [run.state for run in screen.console.runs] == [RunState.CANCELLED]


async def test_what_did_not_end_in_time_begins_again_as_a_job_by_one_key():
    async with World().run_test(size=WIDE) as pilot:
        app, _, _ = await console(pilot)
        started = []

        async def start(sandbox_id, command, working_dir=None, env=None, user=None):
            started.append(command)
            return BackgroundJob.of(sandbox_id, "0badcafe")

        async def too_slow(*_, **__):
            raise CommandTimeoutError("the command did not end within 900 s")

        app.services.platform.session.client.start_background_job = start
        app.services.platform.session.client.execute_command = too_slow
        await run(pilot, "train")
        await pilot.press("ctrl+g")
        assert isinstance(app.screen, AskDialog)
        assert "Runs the last command again" in app.screen.question
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: started == ["train"])


async def test_what_was_written_before_the_time_was_over_is_shown():
    async with World().run_test(size=WIDE) as pilot:
        app, _, _ = await console(pilot)

        async def too_slow(*_, **__):
            error = CommandTimeoutError("the command did not end within 900 s", command="train")
            error.stdout, error.stderr = "epoch 1\nepoch 2", "warm\n"
            raise error

        app.services.platform.session.client.execute_command = too_slow
        await run(pilot, "train")
        lines = [line.text for line in app.screen.console.lines]
        assert lines[-5:-1] == ["train", "epoch 1", "epoch 2", "warm"]
        assert lines[-1].startswith("the command did not end within 900 s")


async def test_what_ran_is_reported_among_the_events_and_touches_the_sandbox():
    async with World().run_test(size=WIDE) as pilot:
        app, screen, _ = await console(pilot)
        history = app.services.platform.session.history
        assert screen.sandbox_id not in history.touched
        await run(pilot, "deploy --token canary")
        assert history.of(screen.sandbox_id)[0].words == "$ deploy --token <hidden>  exit 0"
        assert screen.sandbox_id in history.touched


async def test_again_copy_and_save(tmp_path):
    async with World().run_test(size=WIDE) as pilot:
        app, screen, shell = await console(pilot)
        shell.answers["ls"] = (LISTING, WARNING, 3)
        await run(pilot, "ls")
        await pilot.press("escape", "Y")
        assert app.services.clipboard.copied[0].split("\n")[:2] == ["data", "run.sh"]
        await pilot.press("g", "j", "y")
        assert app.services.clipboard.copied[0] == "data"
        await pilot.press("U")
        await until(pilot, lambda: len(screen.console.runs) == 2 and screen.console.running is None)
        await pilot.press("W")
        app.screen.query_one(Input).value = str(tmp_path / "out.txt")
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved " in said.text for said in app.services.notifier.messages))
        text = (tmp_path / "out.txt").read_text()
        assert text.count("! warning: 2 files") == 2
        assert "\x1b" not in text


@SIZES
def test_console_with_much(snap_compare, size):
    async def steps(pilot):
        _, screen, shell = await console(pilot)
        shell.answers["cd data"] = ("", "", 0)
        shell.answers["ls"] = (LISTING, WARNING, 0)
        shell.answers["make"] = ("".join(f"step {number}\n" for number in range(40)), "", 0)
        await run(pilot, "make all")
        await run(pilot, "ls --color")
        await run(pilot, "python - <<'EOF'\nprint(1)\nEOF")
        shell.hold.clear()
        screen.query_one(CommandLine).put("pytest -q tests/smoke \\\n  -k 'not gpu'")
        await pilot.press("enter")
        screen.query_one(CommandLine).put("git commit -m 'one\ntwo")
        screen.console.folded = {1}
        screen.draw()
        await until(pilot, lambda: screen.console.running is not None)
        screen.draw()
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_history_dialog(snap_compare, size, monkeypatch):
    monkeypatch.setattr("sandtui.ui.commands.history_dialog.clock_time", lambda moment, now: "14:10:02")

    async def steps(pilot):
        app, _, _ = await console(pilot)
        for command in ("git status", "make -j2 all", "for i in 1 2; do\n  echo $i\ndone", "deploy --token x"):
            app.services.command_history.add("sbx_other", "rollout-0099", command)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, HistoryDialog))
        await pilot.press("tab")
        await until(pilot, lambda: len(found(app)) == 4)
        stop_blinking(app)
        await pilot.pause()

    assert snap_compare(World(), terminal_size=size, run_before=steps)


async def as_nobody(pilot):
    app, screen, shell = await console(pilot)
    await run(pilot, "true")
    await pilot.press("ctrl+o")
    await until(pilot, lambda: isinstance(app.screen, ValueDialog))
    app.screen.query_one(Input).value = "no body"
    await pilot.press("enter")
    assert "user name or a uid" in app.screen.query_one("#dialog-keys").render().plain
    app.screen.query_one(Input).value = "nobody"
    await pilot.press("enter")
    await until(pilot, lambda: app.screen is screen)
    await run(pilot, "true")
    return app, screen, shell


async def test_a_command_runs_as_another_user_until_that_is_taken_back():
    async with World().run_test(size=NARROW) as pilot:
        app, screen, shell = await as_nobody(pilot)
        assert "as nobody" in screen.query_one("#target", ChromeLine).render().plain
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, ValueDialog))
        # Escape changes nothing, an empty answer means the default.
        await pilot.press("escape")
        await run(pilot, "true")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, ValueDialog))
        app.screen.query_one(Input).value = ""
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await run(pilot, "true")
        assert shell.users == [None, "nobody", "nobody", None]
        assert " as " not in screen.query_one("#target", ChromeLine).render().plain


@SIZES
def test_as_another_user(snap_compare, size):
    async def steps(pilot):
        await as_nobody(pilot)

    assert snap_compare(World(), terminal_size=size, run_before=steps)
