"""No list claims to be empty before its platform has answered; a failure is told, with the key that retries."""

import asyncio
import threading
from dataclasses import dataclass

import httpx
import pytest

from sandtui.fleet.actions import BY_ID
from sandtui.fleet.jobs.job import Job, JobKey, JobState
from sandtui.fleet.load_state import LOADING
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.commands.fanout_screen import FanOutScreen
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.recordings.screen import RecordingsScreen
from tests.probes import text_of
from tests.ui import every_screen
from tests.ui.world import NOW, World, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])


class Late(httpx.AsyncBaseTransport):
    """Holds the requests to some paths until it is released, then refuses them or lets them through.

    Those to ``unanswered`` paths are held for ever.
    """

    def __init__(self, inner, *paths, unanswered=()):
        self._inner, self._paths, self._unanswered = inner, paths, unanswered
        self.released = asyncio.Event()
        self.refuses = False
        self.held = 0

    async def handle_async_request(self, request):
        if request.url.path.endswith(self._unanswered):
            await asyncio.Event().wait()
        if any(path in request.url.path for path in self._paths):
            self.held += 1
            await self.released.wait()
            if self.refuses:
                return httpx.Response(400, json={"detail": "the [b]disk[/] is full"})
        return await self._inner.handle_async_request(request)


class SlowWorld(World):
    """A world whose platform answers some paths late."""

    def __init__(self, *paths, fleet=3, unanswered=()):
        super().__init__(fleet=fleet, wrap=self._late)
        self._paths, self._unanswered = paths, unanswered
        self.late = None

    def _late(self, inner):
        self.late = Late(inner, *self._paths, unanswered=self._unanswered)
        return self.late


@dataclass
class Case:
    """How a list is opened, what is held, and what it shows. ``retry`` is the action that loads it again."""

    open: object
    paths: tuple[str, ...]
    loading: str
    empty: tuple[str, ...]
    failed: str
    retry: str
    loaded: str = ""
    unanswered: tuple[str, ...] = ()


async def job_log(pilot, app):
    session = app.services.platform.session
    (sandbox_id, *_) = every_screen.running(app)
    key = JobKey(sandbox_id, "0a1b2c3d")
    app.services.navigator.open_jobs([sandbox_id])
    await until(pilot, lambda: isinstance(app.screen, JobsScreen))
    session.jobs.put(Job(key, JobState.RUNNING, "nb", NOW, command="make"), save=False)
    session.jobs.on_change()
    await until(pilot, lambda: app.screen.pane.job is not None)


async def one_log(pilot, app):
    app.services.navigator.open_log(every_screen.running(app)[0])


CASES = {
    "jobs": Case(every_screen.jobs, ("/exec",), "Loading jobs…", ("No jobs", "0 running"), "Jobs not loaded",
                 "jobs.look", "No jobs"),
    "ports": Case(every_screen.ports, ("/expose",), "Loading exposed ports…", ("No exposed ports", "0 exposed"),
                  "Exposed ports not loaded", "ports.probe", "exposed"),
    "files": Case(every_screen.files, ("/exec",), "Loading files…", ("empty directory", "0 items"), "Files not loaded",
                  "files.reload", "items"),
    "volumes": Case(every_screen.volumes, ("/volumes",), "Loading volumes…", ("No volumes",), "Volumes not loaded",
                    "volumes.reload", "No volumes"),
    "log": Case(one_log, ("/logs",), "Loading log…", ("The log is empty", "0 lines"), "Log not loaded",
                "log.reload", "platform: running"),
    # A scan, which is a command, would not find the job, which is made up, and call it lost.
    "job log": Case(job_log, ("/read", "/download"), "Loading log…", ("No output", "0 lines"),
                    "Log not loaded", "jobs.follow", unanswered=("/exec",)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@SIZES
async def test_a_list_of_a_slow_platform_says_that_it_loads(name, size):
    case = CASES[name]
    app = SlowWorld(*case.paths, unanswered=case.unanswered)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await case.open(pilot, app)
        await until(pilot, lambda: app.late.held > 0)
        await until(pilot, lambda: case.loading in text_of(app))
        assert not [text for text in case.empty if text in text_of(app)]
        app.late.released.set()
        await until(pilot, lambda: case.loading not in text_of(app) and case.loaded in text_of(app))


@pytest.mark.parametrize("name", CASES)
@SIZES
async def test_a_list_that_could_not_be_loaded_says_so_and_is_loaded_again(name, size):
    case = CASES[name]
    app = SlowWorld(*case.paths, unanswered=case.unanswered)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        await case.open(pilot, app)
        await until(pilot, lambda: app.late.held > 0)
        app.late.refuses = True
        app.late.released.set()
        await until(pilot, lambda: case.failed in text_of(app))
        shown = text_of(app)
        assert f"{app.services.key_of(case.retry)} to retry" in shown
        assert "[b]disk[/]" in shown or size[0] == 80
        assert not [text for text in case.empty if text in shown]
        app.late.released.clear()
        app.late.refuses = False
        await pilot.press(BY_ID[case.retry].keys[0])
        await until(pilot, lambda: case.loading in text_of(app))
        app.late.released.set()
        await until(pilot, lambda: case.loading not in text_of(app) and case.failed not in text_of(app))


@SIZES
async def test_the_jobs_wait_for_the_list_of_sandboxes(size):
    app = SlowWorld("/api/v1/sandbox")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.late is not None and app.late.held > 0)
        await pilot.press(BY_ID["fleet.jobs"].keys[0])
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await until(pilot, lambda: "Loading jobs…   waiting for the list of sandboxes" in text_of(app))
        app.late.released.set()
        await until(pilot, lambda: "No jobs" in text_of(app))


async def test_the_jobs_count_the_sandboxes_that_have_answered():
    app = SlowWorld("/exec", fleet=20)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        running = every_screen.running(app)
        app.services.navigator.open_jobs([])
        await until(pilot, lambda: f" of {len(running)} sandboxes scanned" in text_of(app))
        board = app.services.platform.session.jobs
        await until(pilot, lambda: app.late.held > 1)
        assert "not scanned" not in text_of(app), "all are being scanned"
        known = len(board.scanned) + 1
        board.scanned.add(next(each for each in running if each not in board.scanned))
        board.on_change()
        await until(pilot, lambda: f"{known} of {len(running)} sandboxes scanned" in text_of(app))
        board.put(Job(JobKey(running[0], "0a1b2c3d"), JobState.RUNNING, "nb", NOW, command="make"), save=False)
        board.on_change()
        # Some jobs are known, and others may follow.
        await until(pilot, lambda: "make" in text_of(app) and f"◌ {known} of {len(running)} sandboxes" in text_of(app))
        app.late.released.set()
        await until(pilot, lambda: "sandboxes scanned" not in text_of(app))


@SIZES
async def test_results_that_have_not_come_are_awaited(size):
    app = SlowWorld("/exec")
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await every_screen.fan_out(pilot, app)
        await until(pilot, lambda: isinstance(app.screen, FanOutScreen))
        await until(pilot, lambda: bool(app.screen.query("#command")))
        await pilot.press(*"true", "enter")
        await until(pilot, lambda: app.late.held > 0)
        screen = app.screen
        await until(pilot, lambda: "2 running  " in text_of(app))
        await pilot.press("escape", "exclamation_mark")
        await until(pilot, lambda: screen.failures_only)
        assert "None failed" not in text_of(app)
        app.late.released.set()
        await until(pilot, lambda: screen.fan_out.is_over and "None failed" in text_of(app))


LOCAL = {
    "activity": (ActivityScreen, every_screen.activity, "Loading activity…", "No activity yet", "activity.reload"),
    "recordings": (RecordingsScreen, every_screen.recordings, "Loading recordings…", "No recordings",
                   "recordings.reload"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOCAL)
@SIZES
async def test_a_list_of_this_machine_is_read_before_it_is_called_empty(name, size, monkeypatch):
    kind, opener, loading, empty, retry = LOCAL[name]
    released, answers = threading.Event(), []

    def read(*_):
        released.wait()
        if not answers:
            raise PermissionError(13, "Permission denied", "/state/[b]file[/]")
        return answers.pop()

    app = World(fleet=1)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        if name == "activity":
            monkeypatch.setattr(app.services.notifier.activity, "search", read)
        else:
            monkeypatch.setattr(app.services.recordings.store, "list", read)
        try:
            await opener(pilot, app)
            await until(pilot, lambda: isinstance(app.screen, kind))
            assert app.screen.load_state == LOADING
            await until(pilot, lambda: loading in text_of(app))
            assert empty not in text_of(app)
        finally:
            released.set()
        await until(pilot, lambda: f"{app.services.key_of(retry)} to retry" in text_of(app))
        assert empty not in text_of(app)
        assert "[b]file[/]: Permission denied" in text_of(app)
        answers += [[], []]
        await pilot.press(BY_ID[retry].keys[0])
        await until(pilot, lambda: empty in text_of(app))
