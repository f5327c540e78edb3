"""The jobs screen: its pictures, and what its keys do."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from textual.widgets import Checkbox, Input

from sandtui.client import APIError
from sandtui.fleet.jobs.board import Ended
from sandtui.fleet.jobs.job import Chain, ChainStep, Job, JobKey, JobState
from sandtui.fleet.jobs.log_window import LogWindow
from sandtui.fleet.text.sanitize import output_line
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.widgets.row_list import RowList
from tests.fleet.factory import sandbox
from tests.probes import driver_of, text_of
from tests.ui.world import NOW, World, settled, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])

LOG = [f"14:13:{second:02} step {12840 + second * 10}  loss 1.93{second:02}  tok/s 18,220" for second in range(40)]


def job(number, state=JobState.RUNNING, **fields):
    key = JobKey(f"sbx_{number:04}", f"a41f09c{number:x}")
    values = {
        "sandbox_name": f"rollout-{number:04}",
        "started": NOW - timedelta(seconds=600 + number),
        "command": f"python -m sim.train --seed {number}",
        "stdout_size": 1_200_000 - number * 1000,
    }
    if state is not JobState.RUNNING:
        values["ended"] = NOW - timedelta(seconds=400)
    return Job(key, state, **{**values, **fields})


JOBS = [
    job(7, last_line="step 12870/20000  loss 1.9266", mine=True),
    job(8, last_line=" 45%|####      | 450/1000 [00:12<00:15]"),
    job(12, last_line="WARNING  replay buffer 91% full", stderr_size=88_000),
    job(6, JobState.FAILED, exit_code=1, note="killed from here"),
    job(5, JobState.LOST, note="sandbox ended", command=""),
    job(1, JobState.DONE, exit_code=0, chain=Chain("/r.json", "/home/me/r.json", True, ChainStep.DONE, "r is here")),
    job(2, JobState.DONE, exit_code=0, command="deploy --token abcdefgh"),
    job(3, JobState.DONE, exit_code=0, command="[@click=app.quit]x[/] \x1b[31m\u202e", sandbox_name="[/red]\x1b"),
]


class MadeUpLog(LogWindow):
    """The end of a log of 40,000 bytes that is in no sandbox."""

    def __init__(self, ending):
        super().__init__(read=None)
        self._ending = ending

    async def read_end(self):
        self.lines = [output_line(line) for line in self._ending]
        self.loaded, self.total, self.end = True, 40_000, 40_000
        self.start = 40_000 - sum(map(len, self.lines))


def log_is(app, lines):
    """Let all logs of an app that are opened from now on end with some lines."""
    app.services.platform.session.jobs.logs.open = lambda job, stream: MadeUpLog(lines)


async def opened(pilot, jobs=JOBS, *, log=LOG):
    app = await settled(pilot)
    board = app.services.platform.session.jobs

    async def execute(sandbox_id, command, timeout=None, **_):
        raise APIError("not here")

    async def poll(sandbox_ids):
        for sandbox_id in sandbox_ids:
            board.polled_at[sandbox_id] = 0.0
            board.scanned.add(sandbox_id)

    board.poll = poll
    app.services.platform.session.client.execute_command = execute
    log_is(app, log)
    board.store.apply(
        sandbox(number, created_at=NOW - timedelta(minutes=50), started_at=NOW - timedelta(minutes=50))
        for number in (7, 8, 12, 1)
    )
    await pilot.press("2")
    await until(pilot, lambda: isinstance(app.screen, JobsScreen))
    for each in jobs:
        board.put(each, save=False)
    board.on_change()
    await until(pilot, lambda: len(app.screen.jobs) == len(jobs))
    if jobs:
        await until(pilot, lambda: app.screen.pane.load_state.is_loaded)
    # The numbers of the log are found in a thread.
    await until(pilot, lambda: "job-metrics" not in app.services.work.groups)
    for field in app.screen.query(Input):
        field.cursor_blink = False
    app.clear_notifications()
    await pilot.pause()
    return app


def picture(snap_compare, size, steps, **world):
    assert snap_compare(World(**world), terminal_size=size, run_before=steps)


@SIZES
def test_jobs(snap_compare, size):
    async def steps(pilot):
        await opened(pilot)

    picture(snap_compare, size, steps, fleet=0)


@SIZES
def test_no_jobs(snap_compare, size):
    async def steps(pilot):
        await opened(pilot, [])

    picture(snap_compare, size, steps, fleet=0)


@SIZES
def test_log_of_a_job_with_a_hit(snap_compare, size):
    async def steps(pilot):
        await opened(pilot)
        await pilot.press("tab", "slash", *"13230", "enter")
        await pilot.pause()

    picture(snap_compare, size, steps, fleet=0)


@SIZES
@pytest.mark.parametrize("key", ["n", "T", "K"])
def test_job_dialogs(snap_compare, size, key):
    async def steps(pilot):
        await opened(pilot)
        await pilot.press(key)
        await pilot.pause()
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        if key == "T":
            pilot.app.screen.query_one("#then-download", Input).value = "/workspace/r.json"
            await pilot.pause()
            # It names where the tests run.
            pilot.app.screen.query_one("#then-target", Input).placeholder = "/home/me/r.json"
        await pilot.pause()

    picture(snap_compare, size, steps, fleet=0)


async def run(steps, size=WIDE, **world):
    async with World(**{"fleet": 0, **world}).run_test(size=size) as pilot:
        await steps(pilot)


def cursor(app):
    return app.screen.query_one("#jobs", RowList)


async def test_the_cursor_stays_on_its_job_and_its_line_when_others_come_above():
    async def steps(pilot):
        many = [replace(job(7), key=JobKey("sbx_0007", f"{number:08x}")) for number in range(30)]
        app = await opened(pilot, many)
        await pilot.press(*(["j"] * 15))
        rows = cursor(app)
        chosen, line = rows.key, rows.cursor - rows.scroll_offset.y
        for number in range(5):
            fresh = replace(job(7), key=JobKey("sbx_0007", f"f000000{number}"), started=NOW)
            app.services.platform.session.jobs.put(fresh, save=False)
        app.services.platform.session.jobs.on_change()
        await until(pilot, lambda: len(app.screen.jobs) == 35)
        assert rows.key == chosen
        assert rows.cursor - rows.scroll_offset.y == line
        assert app.screen.pane.job.key == chosen

    await run(steps)


async def test_the_filter_narrows_and_escape_undoes_it_step_by_step():
    async def steps(pilot):
        app = await opened(pilot)
        await pilot.press("slash", *"running", "space", *"seed", "enter")
        await until(pilot, lambda: len(app.screen.jobs) == 3)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen.jobs) == len(JOBS))
        await pilot.press("o")
        assert "sort: started" in app.screen.query_one("#jobs-panel").border_subtitle
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, JobsScreen)
        assert not app.services.platform.session.job_watcher.attending

    await run(steps)


async def test_killing_a_job_asks_first():
    async def steps(pilot):
        app = await opened(pilot)
        stopped = []

        async def kill(key):
            stopped.append(key)
            return "stopped"

        app.services.platform.session.jobs.kill = kill
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("enter")
        await pilot.pause()
        assert stopped == []
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: bool(stopped))
        assert stopped == [JOBS[0].key]

    await run(steps)


async def test_a_new_job_is_started_where_the_cursor_was_and_chosen():
    async def steps(pilot):
        app = await opened(pilot)
        board = app.services.platform.session.jobs
        sent = []

        async def start(sandbox_id, command, working_dir=None):
            sent.append((sandbox_id, command))
            return SimpleNamespace(job_id=f"{len(sent):08x}")

        app.services.platform.session.client.start_background_job = start
        app.screen.targets = ()
        await pilot.press("n", *"make", "enter")
        await until(pilot, lambda: any(job.command == "make" for job in board.jobs.values()))
        made = next(job for job in board.jobs.values() if job.command == "make")
        await until(pilot, lambda: cursor(app).key == made.key)
        assert made.mine and made.key.sandbox_id == "sbx_0007"
        assert sent == [("sbx_0007", "make")]
        await pilot.press("U")
        await until(pilot, lambda: sum(job.command == "make" for job in board.jobs.values()) == 2)

    await run(steps)


async def test_what_runs_on_success_is_checked_and_set(tmp_path):
    async def steps(pilot):
        app = await opened(pilot)
        board = app.services.platform.session.jobs
        await pilot.press("T")
        await pilot.pause()
        dialog = app.screen
        dialog.query_one("#then-download", Input).value = "relative"
        dialog.query_one("#then-target", Input).focus()
        await pilot.press("enter")
        assert app.screen is dialog
        dialog.query_one("#then-download", Input).value = "/out/r.json"
        dialog.query_one("#then-target", Input).value = str(tmp_path / "missing" / "r.json")
        await pilot.press("enter")
        assert app.screen is dialog
        dialog.query_one("#then-target", Input).value = str(tmp_path / "r.json")
        dialog.query_one("#then-delete", Checkbox).value = True
        await pilot.press("enter")
        await until(pilot, lambda: board.jobs[JOBS[0].key].chain is not None)
        assert board.jobs[JOBS[0].key].chain == Chain("/out/r.json", str(tmp_path / "r.json"), True)

    await run(steps)


async def test_what_follows_is_set_for_all_marked_jobs(tmp_path):
    async def steps(pilot):
        app = await opened(pilot)
        board = app.services.platform.session.jobs
        await pilot.press("space", "space", "T")
        await until(pilot, lambda: bool(app.screen.query("#then-download")))
        app.screen.query_one("#then-download", Input).value = "/out/"
        app.screen.query_one("#then-target", Input).value = str(tmp_path / "runs")
        app.screen.query_one("#then-target", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: sum(each.chain is not None for each in board.jobs.values()) > 2)
        chains = [each.chain for each in board.jobs.values() if each.chain and each.chain.download == "/out"]
        assert sorted(chain.target for chain in chains) == [
            str(tmp_path / "runs" / "rollout-0007" / "out"),
            str(tmp_path / "runs" / "rollout-0008" / "out"),
        ]

    await run(steps)


async def test_marked_jobs_are_killed_together():
    async def steps(pilot):
        app = await opened(pilot)
        killed = []

        async def kill(key):
            killed.append(key)
            return "stopped"

        app.services.platform.session.jobs.kill = kill
        await pilot.press("asterisk", "K")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("y")
        running = {each.key for each in JOBS if each.state is JobState.RUNNING}
        await until(pilot, lambda: set(killed) == running)

    await run(steps)


async def test_jobs_that_have_ended_are_counted_until_they_are_seen():
    async def steps(pilot):
        app = await settled(pilot)
        session = app.services.platform.session
        session.store.apply([sandbox(7), sandbox(8)])
        for number in (7, 8):
            session.jobs.put(job(number), save=False)
        session.store.mark_deleted(["sbx_0007"])
        app.screen.tick()
        await until(pilot, lambda: "✖ 1 job failed" in text_of(app))
        app.services.navigator.open_jobs()
        await until(pilot, lambda: isinstance(app.screen, JobsScreen) and len(app.screen.jobs) == 2)
        assert "job failed" not in text_of(app)
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, JobsScreen))
        app.screen.tick()
        await until(pilot, lambda: "job failed" not in text_of(app))
        assert session.jobs.ended_unseen == []

    await run(steps)


async def test_the_other_stream_and_saving_what_is_read(tmp_path):
    async def steps(pilot):
        app = await opened(pilot)
        await pilot.press("E")
        await until(pilot, lambda: app.screen.pane.stream == "stderr")
        await until(pilot, lambda: not app.screen.pane.is_busy)
        await pilot.press("W", "r")
        app.screen.query_one(Input).value = str(tmp_path / "log.txt")
        await pilot.press("enter")
        await until(pilot, (tmp_path / "log.txt").exists)
        assert (tmp_path / "log.txt").read_text().splitlines() == LOG

    await run(steps)


async def test_ended_jobs_are_reported_together_by_the_chosen_means(monkeypatch):
    monkeypatch.setattr("sandtui.ui.jobs.flow.NOTIFY_SECONDS", 0.01)

    async def steps(pilot):
        app = await opened(pilot)
        written, rung = [], []
        monkeypatch.setattr(app.services.notifier, "notify_desktop", written.append)
        monkeypatch.setattr(app, "bell", lambda: rung.append(1))
        ended = app.services.platform.session.job_watcher.on_end
        done = [Ended(replace(job(number), state=JobState.DONE, exit_code=0)) for number in (1, 2)]
        for channel in ("app", "bell", "osc9", "off"):
            app.services.preferences.notify = channel
            before = len(app.services.notifier.messages)
            ended([done[0]])
            ended([done[1], Ended(replace(job(3), state=JobState.FAILED, exit_code=4))])
            await until(pilot, lambda: app.screen.flow.all_reported)
            texts = [said.text for said in list(app.services.notifier.messages)[before:]]
            assert texts == ([] if channel == "off" else ["3 jobs ended, 1 failed or lost"])
        assert (len(written), len(rung)) == (1, 1)

    await run(steps)


async def test_a_desktop_notification_holds_no_control_byte(monkeypatch):
    async def steps(pilot):
        app = await settled(pilot)
        sent = []
        monkeypatch.setattr(driver_of(app), "write", sent.append)
        app.services.notifier.notify_desktop("job \x07\x1b]0;x\x9c in 'a'")
        assert len(sent) == 1
        body = sent[0].removeprefix("\x1b]9;").removesuffix("\x07")
        assert body.isprintable() and body.startswith("sandtui: job")

    await run(steps)


async def test_the_means_of_notification_is_stored():
    async def steps(pilot):
        app = await opened(pilot)
        await pilot.press("A", "b")
        await pilot.pause()
        assert app.services.preferences.notify == "bell"
        await until(pilot, app.paths.fleet.exists)
        assert '"notify"' in app.paths.fleet.read_text()

    await run(steps)


async def test_a_sandbox_that_cannot_be_asked_is_named():
    async def steps(pilot):
        app = await opened(pilot)
        app.services.platform.session.jobs.problems["sbx_0008"] = "no \x1b[31mshell[/]"
        left, right = app.screen.activity()
        text = "".join(piece.text for piece in (*left, *right))
        assert "1 not scanned" in text and "\x1b" not in text

    await run(steps)


TRAINING = [f"step {turn * 10}/1000 loss={5 / (turn + 1):.3f} reward: {turn * turn} lr=0.001" for turn in range(60)]


@SIZES
def test_numbers_that_the_log_repeats(snap_compare, size):
    async def steps(pilot):
        await opened(pilot, log=TRAINING)

    picture(snap_compare, size, steps, fleet=0)


async def test_trends_come_with_the_log_that_has_them_and_go_with_it():
    app = World(fleet=0)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, log=[*TRAINING[:-1], "loss=nan [/] \x1b[31m"])
        shown = text_of(app)
        assert "loss █" in shown and " nan" in shown
        assert "reward ▁" in shown and "3364" in shown
        assert "lr " not in shown.split("loss █")[1].splitlines()[0], "it never changes"

        log_is(app, ["nothing to count"] * 5)
        await pilot.press("j")
        await until(pilot, lambda: "nothing to count" in text_of(app))
        assert "reward ▁" not in text_of(app)
