"""Each screen as a picture, at both sizes, on the simulated fleet."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from sandtui.client import CommandResponse, ExposedPort, Sandbox
from sandtui.fleet.creation.launch import Step
from sandtui.fleet.ports.exposures import Health, PortRow
from sandtui.ui.creation.launch_screen import LaunchScreen
from sandtui.ui.messages import LaunchChanged
from tests.probes import session_of, text_of
from tests.ui.world import World, keys, settled, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])


@pytest.fixture(autouse=True)
def fixed_launch_ids(monkeypatch):
    monkeypatch.setattr("sandtui.ui.creation.screen.new_launch_id", lambda: "0badcafe")
    # Whether the platform's word about the image is there already would be a matter of luck.
    monkeypatch.setattr("sandtui.ui.creation.screen.IMAGE_SECONDS", 3600)


Steps = Callable[[Pilot[None]], Awaitable[None]]


def picture(snap_compare, size, steps: Steps, **world) -> None:
    assert snap_compare(World(**world), terminal_size=size, run_before=steps)


@SIZES
def test_fleet(snap_compare, size):
    picture(snap_compare, size, keys("j", "j", "space", "j", "space"))


@SIZES
def test_fleet_filtered(snap_compare, size):
    picture(snap_compare, size, keys("slash", *"#rl", "space", *"status", "colon", *"running", "enter"))


@SIZES
def test_fleet_filter_with_a_mistake(snap_compare, size):
    picture(snap_compare, size, keys("slash", *"rollout", "space", *"colour", "colon", *"red"))


@SIZES
def test_fleet_nothing_matches(snap_compare, size):
    picture(snap_compare, size, keys("slash", *"nowhere", "enter"))


@SIZES
def test_fleet_empty(snap_compare, size):
    picture(snap_compare, size, keys(), fleet=0)


@SIZES
def test_fleet_light(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        app.theme = "sandtui-light"
        await pilot.pause()

    picture(snap_compare, size, steps)


def test_fleet_without_inspector(snap_compare):
    picture(snap_compare, WIDE, keys("d", "o", "o"))


def test_fleet_in_a_small_window(snap_compare):
    picture(snap_compare, (60, 15), keys())


@SIZES
def test_detail_of_an_error(snap_compare, size):
    async def steps(pilot):
        await keys("slash", *"status", "colon", *"error", "enter", "enter")(pilot)
        await until(pilot, lambda: "platform: error:" in text_of(pilot.app))

    picture(snap_compare, size, steps)


def test_fleet_with_the_log_of_what_failed(snap_compare):
    async def steps(pilot):
        app = await settled(pilot)
        app.services.platform.rest_seconds = 0.0
        await keys("slash", *"status", "colon", *"error", "enter")(pilot)
        await until(pilot, lambda: "platform: error:" in text_of(app))

    picture(snap_compare, WIDE, steps)


@pytest.mark.parametrize("size", [WIDE, (200, 50)], ids=["120x36", "200x50"])
def test_a_group_in_the_panel(snap_compare, size):
    picture(snap_compare, size, keys("z", "6", "g"))


@SIZES
def test_detail_with_what_goes_on(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        session, row = app.services.platform.session, app.screen.target

        asked, timers = [], []

        async def execute(sandbox_id, command, timeout=None):
            asked.append(sandbox_id)
            turn = len(asked)
            return CommandResponse(
                stdout=f"cpu {turn**2}000000\nmemory {turn}48576000\nlimit 2147483648\nprocesses 14\n"
                f"disk 20971520 {turn}048576\nuptime {turn * 2}\n",
                stderr="",
                exit_code=0,
            )

        session.client.execute_command = execute
        session.store.apply([row.sandbox.model_copy(update={"status": "RUNNING"})])
        session.history.note(row.id, "$ pip install -e .  exit 1", bad=True)
        await pilot.press("enter")
        app.screen.set_timer = lambda _, callback: timers.append(callback)
        await pilot.press("percent_sign")
        for turn in range(6):
            # The next question is planned when the answer has come.
            await until(pilot, lambda turn=turn: len(timers) > turn)
            if turn < 5:
                timers[turn]()
        await pilot.pause()

    picture(snap_compare, size, steps)


@SIZES
def test_copy_more(snap_compare, size):
    picture(snap_compare, size, keys("Y"))


@SIZES
def test_create(snap_compare, size):
    picture(snap_compare, size, keys("n"))


@SIZES
def test_create_with_problems(snap_compare, size):
    picture(snap_compare, size, keys("n", *(["tab"] * 8), *"99", "tab", *"x", "ctrl+s"))


@SIZES
def test_create_a_fleet(snap_compare, size):
    steps = keys("n", *"roll-", "{", *"i:02", "}", *(["tab"] * 5), *"3", "tab", "tab", *"memory_gb=2,4", "enter")
    picture(snap_compare, size, steps)


async def launch_board(pilot):
    """A launch under way, at fixed times."""
    app = await settled(pilot)
    await pilot.press("n", *"roll", *(["tab"] * 5), *"40")
    await until(pilot, lambda: len(app.screen.plan.requests) == 40)
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
    launch = app.screen.launch
    await until(pilot, lambda: launch.counts[Step.STARTING] == 40)
    app.workers.cancel_group(app, f"launch {launch.launch_id}")
    await pilot.pause()
    # The states of a launch under way, at fixed times: which of them comes when is not ours to choose.
    # The clock stands still: if it were advanced, the fleet would be asked again, sooner or later than the picture.
    origin = app.manual_clock.monotonic() - 12
    for item in launch.items:
        item.queued, item.sandbox_id = origin, f"sbx_{item.index:04}"
        item.began = origin + item.index // 8 * 1.5
        item.created = item.began + 0.4 + item.index % 4 * 0.2
        item.step, item.ended = Step.STARTING, None
        if item.index < 20:
            item.step, item.ended = Step.READY, item.created + 2 + item.index * 7 % 5
    launch.items[3].step, launch.items[3].problem = Step.FAILED, "HTTP 402: the balance is too low"
    launch.items[3].created, launch.items[3].ended = None, origin + 1
    launch.items[39].step, launch.items[39].began, launch.items[39].created = Step.QUEUED, None, None
    launch.launch_id = "0badcafe"
    app.clear_notifications()
    app.screen.post_message(LaunchChanged())
    await pilot.pause()


@SIZES
def test_launch_board(snap_compare, size):
    picture(snap_compare, size, launch_board)


@SIZES
def test_presets(snap_compare, size):
    picture(snap_compare, size, keys("n", "ctrl+o"))


def test_form_as_code(snap_compare):
    picture(
        snap_compare,
        WIDE,
        keys("n", *"abc", "tab", "tab", "tab", "tab", *"rl run=43 x", *(["tab"] * 15), *"KEY=hunter2", "ctrl+g"),
    )


def port_rows() -> list[PortRow]:
    def row(number, sandbox_name, health, **fields):
        exposure = ExposedPort(exposure_id=f"exp_{number}", sandbox_id=f"sbx_{number}", **fields)
        return PortRow(exposure, sandbox_name, running=sandbox_name != "", health=health)

    base = "https://8000-sbx-9f2c.gw.example.net"
    return [
        row(1, "rollout-0007", Health(True, "200", 41), port=8000, name="sim-api", url=base, protocol="HTTP"),
        row(2, "rollout-0008", Health(False, "nothing listens on 8000"), port=8000, url=base, protocol="HTTP"),
        row(3, "nb-analysis", None, port=8888, name="jupyter", url=base, protocol="HTTP"),
        row(4, "", None, port=9000, name="[red]x[/]", external_endpoint="1.2.3.4:5", protocol="TCP"),
    ]


@SIZES
@pytest.mark.parametrize("rows", [port_rows(), []], ids=["some", "none"])
def test_ports(snap_compare, size, rows):
    async def steps(pilot):
        app = await settled(pilot)
        board = app.services.platform.session.ports
        await pilot.press("p")
        await until(pilot, lambda: board.loaded)
        # What is exposed where is not ours to choose: fixed rows are shown in its place.
        board.rows = rows
        board.on_change()
        await pilot.pause()

    picture(snap_compare, size, steps)


@SIZES
def test_console(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        await pilot.press("slash", *"status", "colon", *"running", "enter", "x")
        console = app.screen.console
        await until(pilot, lambda: console.live)
        for command in ("echo hello", "no-such-command", "false"):
            await pilot.press(*("space" if c == " " else "minus" if c == "-" else c for c in command), "enter")
            await until(pilot, lambda: console.running is None and console.runs)
        await keys()(pilot)

    picture(snap_compare, size, steps)


@SIZES
def test_log(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        await pilot.press("L")
        await until(pilot, lambda: app.screen.pane.load_state.is_loaded)

    picture(snap_compare, size, steps)


@SIZES
def test_logs_side_by_side(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)

        async def get_logs(sandbox_id):
            lines = [f"2026-11-24T14:10:{n:02}Z {'error: disk' if n % 7 == 3 else 'step'} {n}" for n in range(30)]
            return "\n".join(lines) + "\n"

        app.services.platform.session.client.get_logs = get_logs
        await pilot.press(*["space"] * 5, "L")
        await until(pilot, lambda: hasattr(app.screen, "in_view") and all(pane.shown for pane in app.screen.in_view))
        await pilot.press("tab", "c", "k", "ampersand")
        app.screen.query_one(Input).value = "error"
        await pilot.press("enter")
        await pilot.pause()

    picture(snap_compare, size, steps)


@SIZES
def test_help(snap_compare, size):
    picture(snap_compare, size, keys("question_mark"))


@SIZES
def test_delete_one(snap_compare, size):
    picture(snap_compare, size, keys("D"))


@SIZES
def test_delete_many(snap_compare, size):
    picture(snap_compare, size, keys("asterisk", "D"))


@SIZES
def test_many(snap_compare, size):
    picture(snap_compare, size, keys("asterisk", "m"))


@SIZES
def test_results_of_many(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        await pilot.press("asterisk", "m", "j")
        app.screen.query_one(Input).value = "false"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("#count"))
        await until(pilot, lambda: app.screen.can_be_read)
        app.screen.query_one(Input).value = "22"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("#bulk-list") and app.screen.run.is_over)
        await until(pilot, lambda: "retry failed" in text_of(app))

    picture(snap_compare, size, steps)


@SIZES
def test_views(snap_compare, size):
    picture(snap_compare, size, keys("v"))


@SIZES
def test_groups(snap_compare, size):
    picture(snap_compare, size, keys("z", "6", "j"))


def test_columns(snap_compare):
    picture(snap_compare, NARROW, keys("c", "j", "j", "space"))


def test_command_line(snap_compare):
    picture(snap_compare, NARROW, keys("colon", *"de"))


class Answering(httpx.AsyncBaseTransport):
    """Answers every request alike, or not at all."""

    def __init__(self, answer):
        self._answer = answer

    async def handle_async_request(self, request):
        return self._answer(request)


def refuse(_request):
    return httpx.Response(401, json={"detail": "Invalid API key"})


def drop(_request):
    raise httpx.ConnectError("Connection refused")


@SIZES
@pytest.mark.parametrize("answer", [refuse, drop], ids=["wrong-key", "unreachable"])
def test_a_platform_that_does_not_serve(snap_compare, size, answer):
    async def steps(pilot):
        app = await settled(pilot)
        app.screen.tick()

    app = World(wrap=lambda _: Answering(answer))
    app.on_client = lambda client: setattr(session_of(client).retry, "attempts", 1)
    assert snap_compare(app, terminal_size=size, run_before=steps)


HOSTILE = (
    "[@click=app.quit]x[/]",
    "[/",
    "\x1b]0;title\x07\x1b[31mred",
    "right\u202eleft",
    "名前 📦 e\u0301\u0301",
    "x" * 300,
    "\ud800 lone",
    "a\nb\tc",
)


def hostile(number: int, text: str) -> Sandbox:
    return Sandbox(
        id=f"id-{number} {text}",
        name=text,
        docker_image=text,
        status="RUNNING" if number % 2 else text,
        labels=[text, text],
        error_message=text,
        environment_vars={text: text},
        region=text,
    )


@SIZES
def test_hostile_names_are_shown_literally(snap_compare, size):
    async def steps(pilot):
        app = await settled(pilot)
        app.services.platform.session.store.apply(hostile(number, text) for number, text in enumerate(HOSTILE))
        await until(pilot, lambda: app.screen.table.cursor_id is not None)
        await pilot.press("asterisk", "D")
        await pilot.pause()

    picture(snap_compare, size, steps, fleet=0)


def test_no_escape_byte_of_a_name_reaches_the_terminal():
    """Every screen and dialog is drawn with hostile texts; none of their control bytes is in a strip."""
    import asyncio

    from sandtui.fleet.text.sanitize import clean

    async def draw() -> list[str]:
        app = World(fleet=0)
        drawn: list[str] = []
        async with app.run_test(size=WIDE) as pilot:
            await settled(pilot)
            app.services.platform.session.store.apply(hostile(number, text) for number, text in enumerate(HOSTILE))
            await until(pilot, lambda: app.screen.table.cursor_id is not None)
            for number in range(len(HOSTILE)):
                for press in ("enter", "x", "L", "N", "D", "y"):
                    await pilot.press(press)
                    app.services.notifier.notify(HOSTILE[number], "error")
                    await pilot.pause()
                    drawn.append(text_of(app))
                    while app.screen is not app.screen_stack[1]:
                        app.pop_screen()
                    await pilot.pause()
                await pilot.press("j")
            await pilot.press("5")
            await pilot.pause()
            drawn.append(text_of(app))
        return drawn

    drawn = asyncio.run(draw())
    assert len(drawn) == 6 * len(HOSTILE) + 1
    for text in drawn:
        assert all(clean(line) == line for line in text.split("\n"))
    assert any("[@click=app.quit]x[/]" in text for text in drawn)
