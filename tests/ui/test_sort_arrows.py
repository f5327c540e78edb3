"""What the arrow beside a sorted column means, the same on every table: up when what is shown rises downwards."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from sandtui.fleet.fields import COLUMNS
from sandtui.fleet.files.pane import ORDERS as FILE_ORDERS
from sandtui.fleet.files.pane import Pane, in_order
from sandtui.fleet.inventory.order import ORDERS_BY_ID, SORT_ORDERS
from sandtui.fleet.jobs.listing import ORDERS as JOB_ORDERS
from sandtui.ui.files.entries import head_pieces
from sandtui.ui.jobs.screen import JobsScreen
from tests.ui.files.test_files import HERE, FakeSide, FilesScreen, sides  # noqa: F401 - a fixture
from tests.ui.jobs.test_jobs import opened
from tests.ui.world import NOW, World, settled, until

Shown = Callable[[Any], Any]


def order_of(values: Sequence[Any]) -> str:
    """Return the arrows that tell the truth about some values; both when all are equal."""
    up = "↑" if all(a <= b for a, b in pairwise(values)) else ""
    return up + ("↓" if all(a >= b for a, b in pairwise(values)) else "")


OF_ROWS: dict[str, Shown] = {
    "status": lambda row: row.status_key,
    "name": lambda row: row.sandbox.name.lower(),
    "id": lambda row: row.id,
    "image": lambda row: row.sandbox.docker_image.lower(),
    "size": lambda row: (row.sandbox.cpu_cores, row.sandbox.memory_gb),
    "labels": lambda row: "\n".join(row.sandbox.labels).lower(),
    "age": lambda row: NOW.timestamp() - row.created,
    "left": lambda row: row.expires,
    # What has not ended is as if it had ended before all others.
    "ended": lambda row: NOW.timestamp() - row.ended,
    "reason": lambda row: (
        row.sandbox.error_type or row.sandbox.error_message or row.sandbox.termination_reason or ""
    ).lower(),
    "gpu": lambda row: (row.sandbox.gpu_count, row.sandbox.gpu_type or ""),
    "disk": lambda row: row.sandbox.disk_size_gb,
    "exit": lambda row: -1 if row.sandbox.exit_code is None else row.sandbox.exit_code,
    "cost": lambda row: -1 if (spent := row.spent(NOW.timestamp())) is None else spent,
    "used": lambda row: -1 if row.used is None else row.used,
    "memused": lambda row: -1 if row.memory_used is None else row.memory_used,
}

FLEET: dict[str, Shown] = {
    column.id: OF_ROWS.get(column.id, lambda row, text=column.text: (text(row) or "").lower()) for column in COLUMNS
}
"""What each column shows; of most it is the text of the cell."""

FILES: dict[str, Shown] = {
    "name": lambda entry: entry.name.lower(),
    "size": lambda entry: entry.size,
    "modified": lambda entry: entry.modified,
    "kind": lambda entry: entry.name.rpartition(".")[2].lower(),
}

RANK = {"running": 0, "failed": 1, "lost": 2, "done": 3}
JOBS: dict[str, Shown] = {
    "state": lambda job: RANK[job.state.value],
    "started": lambda job: job.started,
    "sandbox": lambda job: job.sandbox_name.lower(),
    "runtime": lambda job: job.seconds(NOW) or 0.0,
    "output": lambda job: job.size,
}


def test_every_order_of_every_table_is_covered_here():
    assert list(FLEET) == [order.id for order in SORT_ORDERS]
    assert list(FILES) == list(FILE_ORDERS)
    assert list(JOBS) == [order.id for order in JOB_ORDERS]


async def test_the_arrow_on_the_fleet():
    app = World(fleet=24)
    app.services.preferences.columns = ["name", *(name for name in FLEET if name != "name")]
    async with app.run_test(size=(320, 40)) as pilot:
        await settled(pilot)
        screen = app.screen
        await until(pilot, lambda: len(screen.table.visible_ids) == 24)
        store = app.services.platform.session.store
        # The fleet starts sorted by age: the columns come round from there.
        shown = [placed.column.id for placed in screen.table.placed]
        assert {order.id for order in SORT_ORDERS} == {*shown}
        first = shown.index("age")
        for order in (ORDERS_BY_ID[each] for each in (*shown[first:], *shown[:first])):
            for key in ("O", "O"):
                await pilot.press(key)
                await pilot.pause()
                subtitle = screen.query_one("#fleet-panel").border_subtitle
                assert subtitle.startswith(f"sort: {order.title} ")
                values = [FLEET[order.id](store.get(each)) for each in screen.table.visible_ids]
                assert subtitle[-1] in order_of(values), (order.id, subtitle, values)
                head = screen.table.render_line(0).text
                assert subtitle[-1] in head, (order.id, head)
            await pilot.press("o")
            await pilot.pause()


@pytest.mark.usefixtures("sides")
async def test_the_arrow_on_the_files():
    app = World(fleet=5)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: app.screen.target is not None)
        app.services.navigator.open_files(
            [next(row.id for row in app.services.platform.session.store if row.status == "RUNNING")]
        )
        await until(pilot, lambda: isinstance(app.screen, FilesScreen) and app.screen.is_ready and app.screen.pane.rows)
        screen = app.screen
        for order, shown in FILES.items():
            for key in ("O", "O"):
                await pilot.press(key)
                await pilot.pause()
                head = "".join(piece.text for piece in head_pieces(screen.pane, 60))
                values = [shown(entry) for entry in screen.pane.rows if not entry.is_folder]
                arrows = [sign for sign in head if sign in "↑↓"]
                assert len(arrows) == 1, head
                assert arrows[0] in order_of(values), (order, head, values)
            await pilot.press("o")
            await pilot.pause()


async def test_the_arrow_on_the_jobs():
    app = World(fleet=0)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        for order, shown in JOBS.items():
            for key in ("O", "O"):
                await pilot.press(key)
                await pilot.pause()
                subtitle = screen.query_one("#jobs-panel").border_subtitle
                assert subtitle.startswith(f"sort: {order} ")
                values = [shown(job) for job in screen.jobs]
                assert subtitle[-1] in order_of(values), (order, subtitle, values)
            await pilot.press("o")
            await pilot.pause()


async def test_directories_are_in_the_order_of_the_sizes_that_were_measured():
    pane = Pane(FakeSide(None, HERE), "local", "/", order="size", descending=True)
    listing = await pane.side.read_folder("/")
    pane.take(listing, 0.0, in_order(listing.entries, "size", descending=True))
    assert [entry.name for entry in pane.rows][:2] == ["configs", "tests"]
    pane.sizes["tests"] = 5
    pane.arrange()
    assert [entry.name for entry in pane.rows][:2] == ["tests", "configs"]
