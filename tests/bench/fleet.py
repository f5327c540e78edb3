"""The fleet's table against DataTable, both in this process: ``python -m tests.bench.fleet [ROWS ...]``.

Milliseconds of processor until the last paint: median, 95th percentile, maximum. Each result is checked: what
is on the screen must be what sorting and filtering the plain list gives.
"""

from __future__ import annotations

import asyncio
import gc
import re
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from sandtui.client.models import Sandbox
from sandtui.fleet.inventory.row import STATUS_ORDER
from tests.bench.report import report
from tests.bench.tables import FRAME, LineTable, PlainDataTable, TableBench, changed, fleet

SIZES = (1_000, 10_000, 100_000)
ROUNDS = {LineTable: 20, PlainDataTable: 5}
STROKES = ("7", "77", "1", "run=7")
LIMITS = {1_000: 16.0, 10_000: 16.0, 100_000: 50.0}
MOST_OF_A_KEY = 0.05
FEW = 3
LARGEST = 100_000
NAME = re.compile(r"rollout-\d{6}")
STATUS = re.compile(r"ERROR|PENDING|RUNNING|PAUSED")

Results = dict[str, list[float]]


class Oracle:
    """What must be on the screen, from the plain list alone."""

    def __init__(self, app: TableBench) -> None:
        self._app = app
        self.by = "age"
        self.text = ""

    def expected(self) -> list[Sandbox]:
        """Return the sandboxes in order."""
        rows = [row.sandbox for row in self._app.store]
        found = [each for each in rows if self.text in f"{each.name} {each.docker_image} {each.labels}"]
        if isinstance(self._app, PlainDataTable) and not self._app.was_sorted:
            return found  # It shows rows in the order in which they were added.
        key: Callable[[Sandbox], object] = {
            "age": lambda each: each.created_at,
            "name": lambda each: each.name,
            "status": lambda each: STATUS_ORDER.index(each.status),
        }[self.by]
        descending = isinstance(self._app, LineTable) and self._app.view.descending
        return sorted(found, key=key, reverse=descending)  # type: ignore[arg-type]

    def check(self) -> None:
        """What the table counts and shows must be a piece of what is expected, without gaps."""
        expected = self.expected()
        assert self._app.count == len(expected), (self._app.count, len(expected))
        names = [match[0] for line in self._app.text() if (match := NAME.search(line))]
        assert len(names) >= min(len(expected), 25), len(names)
        if self.by == "status":
            # Rows of one status may come in any order: the statuses must not.
            words = [STATUS.search(line)[0] for line in self._app.text() if NAME.search(line)]  # type: ignore[index]
            ranks = [STATUS_ORDER.index(word) for word in words]
            ascending = isinstance(self._app, LineTable)
            assert not ascending or ranks == sorted(ranks), words
            return
        first = next(place for place, each in enumerate(expected) if each.name == names[0])
        assert names == [each.name for each in expected[first : first + len(names)]]


async def play(kind: type[TableBench], count: int) -> tuple[Results, Results]:
    """Return the milliseconds of each operation: processor until the last paint, and of computing alone."""
    sandboxes = fleet(count)
    app = kind(sandboxes)
    rounds = FEW if kind is PlainDataTable and count > 10_000 else ROUNDS[kind]
    painted: Results = {}
    computed: Results = {}
    oracle = Oracle(app)

    async def measure(name: str, work: Callable[[], object]) -> None:
        gc.collect(0)
        start = time.process_time()
        work()
        middle = time.process_time()
        await app.painted()
        end = time.process_time()
        # Waiting costs a little too; it is measured while nothing happens and taken off.
        computed.setdefault(name, []).append((middle - start) * 1000)
        painted.setdefault(name, []).append((end - start) * 1000)

    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.load()
        await app.painted()
        for _ in range(min(rounds, 5)):
            app.filter("no such row")
            await app.painted()
            if isinstance(app, LineTable):
                app.view.close()
            await measure("load", app.load)
            oracle.check()
        app.sort("name")
        await app.painted()
        oracle.by = "name"
        for turn in range(rounds):
            stroke = STROKES[turn % len(STROKES)]
            await measure("filter key", lambda stroke=stroke: app.filter(stroke))
            oracle.text = stroke
            oracle.check()
        app.filter("")
        await app.painted()
        oracle.text = ""
        for turn in range(rounds):
            by = ("age", "name", "status")[turn % 3]
            await measure("sort", lambda by=by: app.sort(by))
            app.top()
            await app.painted()
            oracle.by = by
            oracle.check()
        app.sort("name")
        oracle.by = "name"
        app.top()
        await app.painted()
        for turn in range(rounds):
            some = [changed(each, turn + 1) for each in sandboxes[::100]]
            await measure("refresh 1 %", lambda some=some: app.refresh_rows(some))
            oracle.check()
            assert any(some[0].status in line and some[0].name in line for line in app.text())
        app.sort("status")
        app.filter("7")
        await app.painted()
        oracle.by, oracle.text = "status", "7"
        for turn in range(rounds):
            some = [changed(each, turn + 1) for each in sandboxes[::100]]
            await measure("refresh 1 %, sorted by it, filtered", lambda some=some: app.refresh_rows(some))
            oracle.check()
        app.filter("")
        app.top()
        app.page()
        await app.painted()
        for _ in range(min(rounds, count // 40)):
            before = app.text()
            await measure("page", app.page)
            assert sum(old != new for old, new in zip(before, app.text(), strict=True)) > 20, "a screen further on"
        for _ in range(10):
            start = time.process_time()
            await asyncio.sleep(2 * FRAME)
            painted.setdefault("(nothing)", []).append((time.process_time() - start) * 1000)
    return painted, computed


async def memory(kind: type[TableBench], count: int) -> float:
    """Return the megabytes that showing the fleet takes, over the fleet itself."""
    app = kind(fleet(count))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        tracemalloc.start()
        app.load()
        await app.painted()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return taken / 1e6


def spread(values: list[float]) -> str:
    """Return median, 95th percentile and maximum."""
    ordered = sorted(values)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered):.1f}, {late:.1f}, {ordered[-1]:.1f}"


def run(sizes: tuple[int, ...]) -> None:
    """Measure each size."""
    print("milliseconds of processor to the last paint; with them 95th percentile, maximum, and computing alone")
    for count in sizes:
        ours, computing = asyncio.run(play(LineTable, count))
        peer, peer_computing = asyncio.run(play(PlainDataTable, count))
        for name, values in ours.items():
            if name == "(nothing)":
                continue
            median, other = statistics.median(values), statistics.median(peer[name])
            computed = statistics.median(computing[name])
            title = f"{count:,} rows: {name}"
            note = f"{spread(values)}, computing {computed:.1f}"
            report(title, median, "ms", at_most=LIMITS[count], note=note)
            if name == "load" and count == LARGEST:
                report(f"{title}, at most", max(values), "ms", at_most=LIMITS[count])
            bar = MOST_OF_A_KEY if name == "filter key" and count >= 10_000 else 1
            note = f"{median:.1f} and {spread(peer[name])} ms, computing {statistics.median(peer_computing[name]):.1f}"
            report(f"{title}, of DataTable", median / other, "x", at_most=bar, note=note)
        report(f"{count:,} rows: waiting for the paint alone", statistics.median(ours["(nothing)"]), "ms")
        mine, theirs = asyncio.run(memory(LineTable, count)), asyncio.run(memory(PlainDataTable, count))
        report(f"{count:,} rows: memory over the data", mine, "MB", note=f"DataTable {theirs:.1f} MB")


def main() -> None:
    """Measure the sizes that were named, or all."""
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    run(sizes)


if __name__ == "__main__":
    main()
