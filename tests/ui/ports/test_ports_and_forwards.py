"""Forwards and jobs on the screens: the ports screen's lower list, the line of what goes on, the detail."""

import asyncio

import pytest
import segno
from textual.widgets import Checkbox, Input, OptionList

from sandtui.client import APIError, ExposedPort
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.jobs.job import Job, JobKey, JobState
from sandtui.fleet.ports.exposures import plain_fault
from sandtui.fleet.ports.forward import Direction, Forward, ForwardSpec, ForwardState
from sandtui.ui.chrome.work import work_pieces
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.qr import QrDialog
from sandtui.ui.ports.expose_dialog import ExposeDialog
from sandtui.ui.ports.forwards import line
from sandtui.ui.rendering.qr import QUIET, qr_code
from sandtui.ui.widgets.row_list import RowList
from tests.fleet.factory import sandbox
from tests.probes import text_of
from tests.ui.world import NOW, World, settled, until

OUT, IN = ForwardSpec(Direction.OUT, 8000, 8000), ForwardSpec(Direction.IN, 5432, 5432)


def forwards():
    hostile = "[/red]\x1b]0;x\x07"
    return [
        Forward(1, "sbx_0001", "rollout-0001", OUT, 8000, ForwardState.OPEN, "", 1_200_000, 88_000, 2, 9),
        Forward(2, "sbx_0002", hostile, IN, 5432, ForwardState.BROKEN, f"the connection broke {hostile}; tried again"),
        Forward(3, "sbx_0003", "nb", OUT, 8001, ForwardState.FAILED, "sandbox ended"),
    ]


async def opened(pilot, *, vm=False):
    app = await settled(pilot)
    session = app.services.platform.session
    session.store.apply([sandbox(1, vm=vm)])
    await until(pilot, lambda: app.screen.target is not None)
    await pilot.press("p")
    await until(pilot, lambda: session.ports.loaded or session.ports.problem)
    return app


def run(steps):
    async def inside():
        async with World(fleet=0).run_test(size=(120, 36)) as pilot:
            await steps(pilot)

    return inside()


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
def test_forwards(snap_compare, size):
    async def steps(pilot):
        app = await opened(pilot)
        app.services.platform.session.forwards.forwards = forwards()
        app.services.platform.session.forwards.on_change()
        await pilot.pause()
        await pilot.press("tab", "j")
        app.screen.tick()
        await pilot.pause()

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


def test_a_line_holds_no_control_byte():
    for forward in forwards():
        assert "".join(piece.text for piece in line(forward, 120)).isprintable()


def test_the_reason_why_a_forward_ended_fits_in_80_columns():
    (failed,) = (each for each in forwards() if each.state is ForwardState.FAILED)
    shown = "".join(piece.text for piece in line(failed, 80))
    assert failed.note in shown[: 80 - len("││▌")]


async def test_a_forward_is_opened_by_a_typed_line_and_closed_by_its_key(unused_tcp_port):
    async def steps(pilot):
        app = await opened(pilot)
        board = app.services.platform.session.forwards
        await pilot.press("N")
        app.screen.query_one(Input).value = "nonsense"
        await pilot.press("enter")
        assert app.screen.query(Input), "what is wrong is said, and the line stays"
        app.screen.query_one(Input).value = f"8000 to {unused_tcp_port}"
        await pilot.press("enter")
        await until(pilot, lambda: bool(board.forwards))
        forward = board.forwards[0]
        assert (forward.sandbox_id, forward.local_port) == ("sbx_0001", unused_tcp_port)
        await until(pilot, lambda: app.screen.query_one("#forwards", RowList).key == forward.number)
        pages = []
        app.services.clipboard.open_url = pages.append
        await pilot.press("tab", "B")
        # Not by 127.0.0.1, whose cookies all services of this machine share.
        assert pages == [f"http://sbx-0001.localhost:{unused_tcp_port}"]
        await pilot.press("D")
        await until(pilot, lambda: forward.state.is_over)
        await pilot.press("D")
        await until(pilot, lambda: board.forwards == [])

    await run(steps)


async def test_a_local_port_that_is_taken_is_reported():
    async def steps(pilot):
        app = await opened(pilot)
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await pilot.press("N")
        app.screen.query_one(Input).value = f"8000 to {port}"
        await pilot.press("enter")
        await until(
            pilot, lambda: any("is in use: choose another" in said.text for said in app.services.notifier.messages)
        )
        server.close()

    await run(steps)


async def test_a_vm_has_no_exposures_and_forwarding_is_offered():
    async def steps(pilot):
        app = await opened(pilot, vm=True)
        await pilot.press("n")
        await pilot.pause()
        assert not isinstance(app.screen, ExposeDialog)
        assert "press N to forward one" in app.services.notifier.messages[-1].text

    await run(steps)


async def test_a_port_is_chosen_from_those_that_listen_inside():
    async def steps(pilot):
        app = await opened(pilot)
        board, exposed = app.services.platform.session.ports, []

        async def listening(sandbox_id):
            return [3000, 8000]

        async def expose(sandbox_id, port, protocol, name):
            exposed.append((sandbox_id, port, protocol, name))
            raise APIError("no", status_code=429)

        board.listening, board.expose = listening, expose
        await pilot.press("n")
        await until(
            pilot, lambda: app.screen.query("#listening") and app.screen.query_one(OptionList).option_count == 2
        )
        await pilot.press("tab", "down", "enter")
        dialog = app.screen
        assert dialog.query_one("#expose-port", Input).value == "8000"
        dialog.query_one("#expose-tcp", Checkbox).value = True
        await pilot.press(*"db", "enter")
        await until(pilot, lambda: bool(exposed))
        assert exposed == [("sbx_0001", 8000, "TCP", "db")]
        await until(pilot, lambda: any("rate limit reached" in said.text for said in app.services.notifier.messages))

    await run(steps)


@pytest.mark.parametrize(
    ("status", "words"),
    [(409, "already exposed"), (422, "rejected port 80"), (429, "wait"), (501, "forward the port"), (500, "broken")],
)
def test_what_a_refusal_means(status, words):
    assert words in plain_fault(APIError("broken", status_code=status), 80)


async def test_running_work_is_shown_on_every_screen_and_jobs_in_the_detail():
    async def steps(pilot):
        app = await settled(pilot)
        session = app.services.platform.session
        session.store.apply([sandbox(1)])
        job = Job(JobKey("sbx_0001", "0a1b2c3d"), JobState.RUNNING, started=NOW, command="make [/x]")
        session.jobs.put(job, save=False)
        await until(pilot, lambda: app.screen.target is not None)
        app.screen.tick()
        strip = app.screen.query_one("#activity")
        assert any("⚙ 1 job" in piece.text for piece in strip.right)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("#detail-activity"))
        await until(pilot, lambda: "make [/x]" in text_of(app))

    await run(steps)


def test_without_running_work_nothing_is_shown():
    assert work_pieces(0, 0) == []


# A QR code


def squares(rows):
    """Return what a camera would see: dark squares as True."""
    found = []
    for row in rows:
        found.append([mark in "▄ " for mark in row.plain])
        found.append([mark in "▀ " for mark in row.plain])
    return found


@pytest.mark.parametrize("text", ["http://127.0.0.1:8000", "https://x.test/" + "a" * 300, "http://é.test"])
def test_the_drawn_code_is_the_codes_own_squares(text):
    wanted = [[bool(square) for square in row] for row in segno.make_qr(text, error="l").matrix_iter(border=QUIET)]
    seen = squares(qr_code(text))
    assert seen[: len(wanted)] == wanted
    assert not any(map(any, seen[len(wanted) :])), "what fills the last line up is light"


def test_what_is_too_long_is_reported():
    with pytest.raises(ValueError, match="too long"):
        qr_code("a" * 10_000)


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
def test_an_address_as_a_qr_code(snap_compare, size):
    async def steps(pilot):
        app = await opened(pilot)
        app.services.platform.session.forwards.forwards = forwards()
        app.services.platform.session.forwards.on_change()
        await pilot.pause()
        await pilot.press("tab", "Q")
        await pilot.pause()
        assert isinstance(app.screen, QrDialog)

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


# In many sandboxes


@pytest.mark.parametrize(
    ("presses", "port"),
    [(("tab",), "3000"), (("down",), "3000"), (("tab", "down"), "8000"), (("down", "down"), "8000")],
)
async def test_the_keys_that_the_form_names_take_a_port_that_listens(presses, port):
    async def steps(pilot):
        app = await opened(pilot)

        async def listening(sandbox_id):
            return [3000, 8000]

        app.services.platform.session.ports.listening = listening
        await pilot.press("n")
        await until(
            pilot, lambda: app.screen.query("#listening") and app.screen.query_one(OptionList).option_count == 2
        )
        await pilot.press(*presses, "enter")
        await until(pilot, lambda: app.screen.query_one("#expose-port", Input).value == port)
        assert app.screen.focused.id == "expose-name"

    await run(steps)


async def test_a_port_of_all_marked_sandboxes_is_exposed():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        app.screen.query_one("#filter", Input).value = "status:running kind:container"
        await pilot.pause()
        await pilot.press("space", "space", "space", "p")
        client, exposed = app.services.platform.session.client, []

        async def expose(sandbox_id, port, name=None, protocol="HTTP"):
            exposed.append(sandbox_id)
            if len(exposed) == 2:
                raise APIError("taken", status_code=409)
            return ExposedPort(exposure_id=f"e{len(exposed)}", sandbox_id=sandbox_id, port=port, url="http://x.test")

        client.expose = expose
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, ExposeDialog))
        app.screen.query(Input).first().value = "8000"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        await until(pilot, lambda: app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        assert len(set(exposed)) == 3
        run = app.screen.run
        assert (run.count(BulkState.DONE), run.count(BulkState.FAILED)) == (2, 1)
        (failed,) = (item.words for item in run.items if item.id in run.failed_ids)
        assert failed == plain_fault(APIError("taken", status_code=409), 8000)
