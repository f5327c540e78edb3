"""Comparing: the paths that differ and their lines, drawn literally; progress, cancel, and what is created for it."""

import asyncio

import pytest

from sandtui.client import APIError, SandboxCheckpoint
from sandtui.fleet.checkpoints import comparison
from sandtui.fleet.checkpoints.compare import FileChange
from sandtui.fleet.checkpoints.sides import Side
from sandtui.fleet.files.entry import TreeItem
from sandtui.fleet.files.names import FilesError
from sandtui.ui.checkpoints.compare_screen import CompareScreen
from sandtui.ui.dialogs.value import ValueDialog
from tests.probes import text_of
from tests.ui.world import World, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
FILE, FOLDER, LINK = 0o100644, 0o040755, 0o120777
HOSTILE = "[/b]\x1b[31m\nx"


def item(path, size=4, mode=FILE, target=""):
    return TreeItem(path, mode, size, 1_700_000_000, target)


CHANGES = [
    FileChange("data/big.bin", item("", 9_000_000), item("", 9_100_000), "size"),
    FileChange("data/blob", item(""), item(""), "content"),
    FileChange("gone.txt", item(""), None),
    FileChange(HOSTILE, None, item("")),
    FileChange("link", item("", 3, LINK, "old"), item("", 3, LINK, "new"), "target"),
    FileChange("run.py", item("", 31), item("", 52), "size"),
    FileChange("run.sh", item("", 5, FILE), item("", 5, 0o100755), "permissions"),
]
CONTENT = {
    "old": {"run.py": b"import os\nprint('one')\nkeep\n", "gone.txt": b"was\n", "blob": b"\0\1"},
    "new": {"run.py": b"import os\nprint('two')\nkeep\n\tand [bold]more\x1b[31m\n", HOSTILE: b"\x1b]0;x\x07 [/]\n"},
}


class Platform:
    """Creates sandboxes for checkpoints, and counts those that are left."""

    def __init__(self, app):
        self.client, self.left = app.services.platform.session.client, set()
        self.client.create, self.client.wait_for_creation, self.client.delete = self.create, self.wait, self.delete

    async def create(self, request, **_):
        self.left.add(request.checkpoint_id)
        return type("Made", (), {"id": request.checkpoint_id})

    async def wait(self, sandbox_id):
        pass

    async def delete(self, sandbox_id):
        self.left.discard(sandbox_id)


@pytest.fixture(autouse=True)
def files(monkeypatch):
    """Make up the differences; return what may be changed."""
    given = {"changes": CHANGES, "wait": asyncio.Event()}
    given["wait"].set()

    async def compare(before, after, path):
        await given["wait"].wait()
        if isinstance(given["changes"], Exception):
            raise given["changes"]
        return given["changes"]

    async def stat(self, path):
        return item(path, mode=FOLDER)

    async def read(side, path):
        name = path.rpartition("/")[2] if HOSTILE not in path else HOSTILE
        return CONTENT["old" if side.sandbox_id == "c1" else "new"].get(name, b"\0")

    monkeypatch.setattr(comparison, "compare", compare)
    monkeypatch.setattr(comparison, "read_bytes", read)
    monkeypatch.setattr("sandtui.fleet.files.remote.SandboxFileSystem.stat", stat)
    return given


async def opened(pilot):
    app = await settled(pilot)
    platform = Platform(app)
    before = Side("prepared c1", "sbx_1", SandboxCheckpoint(id="c1", sandbox_id="sbx_1", state="DURABLE"))
    app.services.navigator.open_comparison(before, Side(f"try {HOSTILE}", "sbx_2"))
    await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.comparison is not None)
    return app, platform


async def compared(pilot, path="data/big.bin"):
    app, platform = await opened(pilot)
    await until(pilot, lambda: app.screen.comparison.state.is_loaded and app.screen.change is not None)
    app.screen.changes_view.go_to([each.path for each in CHANGES].index(path))
    await until(pilot, lambda: app.screen.read is app.screen.change and app.screen.patch is not None)
    await pilot.pause()
    return app, platform


@SIZES
@pytest.mark.parametrize("path", ["run.py", HOSTILE, "data/big.bin"], ids=["text", "hostile", "big"])
def test_the_differences(snap_compare, size, path):
    async def steps(pilot):
        await compared(pilot, path)

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("data/blob", "Binary files"),
        ("data/big.bin", "Larger than 1 MiB"),
        ("link", "link → new"),
        ("run.sh", "-rwxr-xr-x"),
        ("gone.txt", "-was"),
        ("run.py", "+print('two')"),
    ],
)
async def test_what_differs_is_said_without_colors(path, shown):
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, _ = await compared(pilot, path)
        assert shown in text_of(app)


async def test_a_comparison_is_stopped_and_what_it_created_is_deleted(files):
    files["wait"].clear()
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, platform = await opened(pilot)
        await until(pilot, lambda: "reading / on both sides" in text_of(app))
        assert platform.left == {"c1"}
        app.manual_clock.advance(5)
        app.screen.tick()
        await until(pilot, lambda: "· 5s" in text_of(app))
        await pilot.press("K")
        await until(pilot, lambda: "Differences not loaded" in text_of(app) and platform.left == set())
        files["wait"].set()
        await pilot.press("r")
        await until(pilot, lambda: "run.py" in text_of(app) and platform.left == {"c1"})
        await pilot.press("escape")
        await until(pilot, lambda: platform.left == set())


async def test_leaving_while_it_compares_leaves_nothing(files):
    files["wait"].clear()
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, platform = await opened(pilot)
        await until(pilot, lambda: platform.left == {"c1"})
        await pilot.press("escape")
        await until(pilot, lambda: platform.left == set() and not isinstance(app.screen, CompareScreen))


@pytest.mark.parametrize("error", [FilesError(f"no such {HOSTILE}"), APIError(HOSTILE, status_code=500)])
async def test_a_failure_is_said(files, error):
    files["changes"] = error
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, platform = await opened(pilot)
        await until(pilot, lambda: "Differences not loaded" in text_of(app) and platform.left == set())


async def test_another_path_and_a_filter(files):
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, _ = await compared(pilot)
        await pilot.press("slash", *"run", "enter")
        await until(pilot, lambda: "gone.txt" not in text_of(app) and "run.sh" in text_of(app))
        files["changes"] = []
        await pilot.press("escape", "tilde")
        await until(pilot, lambda: isinstance(app.screen, ValueDialog))
        await pilot.press("slash", *"workspace", "enter")
        await until(pilot, lambda: "No differences" in text_of(app) and "below /workspace" in text_of(app))
