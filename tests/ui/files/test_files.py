"""The file browser: what it shows, and what its keys do, on directories that are made up or real."""

import asyncio
from collections import deque
from pathlib import Path

import pytest

from sandtui.client import ReadFileResponse
from sandtui.fleet.files.entry import FileEntry, FileKind, Listing, Measure, TreeItem
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.pane import UP, Pane
from sandtui.fleet.files.preview import FileReader, FileType, FileWindow, image_facts, looks_like
from sandtui.fleet.transfers.model import Location, Transfer, TransferSpec, TransferState
from sandtui.fleet.transfers.queue import TransferQueue
from sandtui.fleet.transfers.sync import Difference
from sandtui.ui.files.preview import PreviewScreen
from sandtui.ui.files.screen import FilesScreen
from sandtui.ui.files.sync_dialog import SyncDialog
from sandtui.ui.rendering.code import code_lines
from sandtui.ui.widgets.output_view import OutputView
from tests.probes import text_of
from tests.ui.world import NOW, World, settled, until

WIDE, NARROW = (120, 36), (80, 24)
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x36", "80x24"])
FILE, FOLDER, LINK, PIPE = 0o100644, 0o040755, 0o120777, 0o010644
AGO = int(NOW.timestamp()) - 1440

HERE = [
    FileEntry("configs", FOLDER, 4096, AGO),
    FileEntry("tests", FOLDER, 4096, AGO - 1_000_000),
    FileEntry("README.md", FILE, 4100, AGO - 1_000_000),
    FileEntry("data.tar", FILE, 812_000_000, AGO - 100_000),
    FileEntry("pyproject.toml", FILE, 1200, AGO - 400_000_000),
    FileEntry("run.sh", 0o100755, 412, AGO),
    FileEntry(".hidden", FILE, 1, AGO),
]
THERE = [
    FileEntry("outputs", FOLDER, 4096, AGO),
    FileEntry("trace.json", FILE, 22_800_000, AGO),
    FileEntry("train.log", LINK, 10, AGO, "/var/log/train.log", FileKind.FILE),
    FileEntry("lost", LINK, 10, AGO, "nowhere"),
    FileEntry("pipe", PIPE, 0, AGO),
    FileEntry("\x1b[31m[red]x[/] \u202elm\udcff\n", FILE, 3, AGO),
    FileEntry("-rf *", FILE, 3, AGO),
    FileEntry("名前 📦", FILE, 3, AGO),
]


class FakeSide:
    """A directory that is made up."""

    def __init__(self, sandbox_id, entries) -> None:
        self.sandbox_id, self.entries = sandbox_id, entries
        self.calls = []

    async def read_folder(self, path):
        if path == "/nowhere":
            raise FilesError("/nowhere is not there")
        return Listing(path, list(self.entries), 31_000_000_000, 40_000_000_000, refused=0)

    async def measure(self, path):
        return Measure(1_500_000, 12)

    async def rename(self, path, name):
        self.calls.append(("rename", path, name))

    async def make_folders(self, paths):
        self.calls.append(("mkdir", *paths))

    async def remove(self, paths):
        self.calls.append(("remove", *paths))

    async def set_permissions(self, paths, mode):
        self.calls.append(("chmod", mode, *paths))


@pytest.fixture
def sides(monkeypatch):
    made = (FakeSide(None, HERE), FakeSide("box", THERE))

    def make_pane(self, sandbox_id):
        side = made[sandbox_id is not None]
        side.sandbox_id = sandbox_id
        title = "local" if sandbox_id is None else self.name_of(sandbox_id)
        return Pane(side, title, "/home/me/acme" if sandbox_id is None else "/workspace")

    monkeypatch.setattr(FilesScreen, "make_pane", make_pane)
    return made


async def opened(pilot, count: int = 1) -> FilesScreen:
    """Open the browser and go to the first line of this machine's pane."""
    screen = await entered(pilot, count)
    await until(pilot, lambda: screen.entry is not None)
    await pilot.press("tab", "home")
    assert screen.active == 0
    return screen


async def entered(pilot, count: int = 1) -> FilesScreen:
    """Open the browser as a user finds it."""
    app = await settled(pilot)
    rows = sorted(
        (row for row in app.services.platform.session.store if row.status == "RUNNING"), key=lambda row: row.id
    )
    app.services.navigator.open_files([row.id for row in rows[:count]])
    await until(pilot, lambda: isinstance(app.screen, FilesScreen) and app.screen.is_mounted)
    await until(pilot, lambda: all(pane.listing is not None for pane in app.screen.panes))
    app.screen.filter_field.cursor_blink = False
    return app.screen


def transfers() -> list[Transfer]:
    def one(number, source, target, state, **fields):
        transfer = Transfer(f"t{number}", TransferSpec(source, target, "b"), state)
        for name, value in fields.items():
            setattr(transfer, name, value)
        return transfer

    box, here = (lambda path: Location(path, "b1", "rollout-0007")), Location
    running = {"total": 812_000_000, "done": 349_100_000, "samples": deque([(0, 287_100_000), (5, 349_100_000)])}
    return [
        one(1, here("/a/data.tar"), box("/workspace/data.tar"), TransferState.RUNNING, **running),
        one(
            2,
            box("/workspace/trace.json"),
            here("/a/trace.json"),
            TransferState.PAUSED,
            total=22_800_000,
            done=16_000_000,
        ),
        one(3, here("/a/pyproject.toml"), box("/workspace/pyproject.toml"), TransferState.ASKING, conflicts=1),
        one(
            4,
            here("/a/model.pt"),
            box("/workspace/m"),
            TransferState.FAILED,
            total=5_100_000_000,
            problem="no [red]space[/]",
        ),
        one(
            5, box("/w/metrics"), here("/a/metrics"), TransferState.DONE, total=88_214, files=41, skipped=2, left_out=1
        ),
        one(6, box("/w/x"), Location("/w/x", "b2", "rollout-0008"), TransferState.QUEUED),
    ]


def picture(snap_compare, size, steps) -> None:
    assert snap_compare(World(), terminal_size=size, run_before=steps)


@SIZES
def test_files(snap_compare, size, sides):
    async def steps(pilot):
        screen = await opened(pilot)
        await pilot.press("j", "j", "j", "space", "space", "j")
        screen.queue.transfers = transfers()
        screen.draw_queue()
        screen.update_news()
        await pilot.pause()

    picture(snap_compare, size, steps)


@SIZES
def test_the_queue_has_the_focus(snap_compare, size, sides):
    async def steps(pilot):
        screen = await opened(pilot, 3)
        screen.queue.transfers = transfers()
        screen.draw_queue()
        await pilot.press("d", "home", "j")
        screen.update_news()
        await pilot.pause()

    picture(snap_compare, size, steps)


@SIZES
def test_the_question_about_what_is_there(snap_compare, size, sides):
    async def steps(pilot):
        screen = await opened(pilot)
        screen.queue.transfers = transfers()
        screen.draw_queue()
        await pilot.press("d", "home", "enter")
        await pilot.pause()

    picture(snap_compare, size, steps)


PIPES = (TreeItem("run/[b]pipe", 0o010644, 0, 0),)


@SIZES
def test_the_plan_of_a_synchronisation(snap_compare, size, sides):
    async def steps(pilot):
        screen = await opened(pilot)
        found = Difference(("a/new.py", "[red]b[/]\x1b"), ("changed.py",), ("only/there",), 1_204, 22_800_000, PIPES)
        spec = TransferSpec(
            Location("/home/me/acme"), Location("/workspace", "b", "rollout-0007"), "s", ignore=(".git/", "*.log")
        )
        screen.app.push_screen(SyncDialog(spec, found, watched=False))
        await pilot.pause()

    picture(snap_compare, size, steps)


async def test_a_directory_is_compared_copied_and_watched(sides, monkeypatch):
    looked = []

    async def compare(_queue, spec):
        looked.append(spec)
        return Difference(("new",), (), ("extra",), 0, 1)

    async def once(_root, _ignore, _seconds):
        yield

    monkeypatch.setattr(TransferQueue, "compare", compare)
    monkeypatch.setattr("sandtui.ui.services.transfers.changes", once)
    async with World().run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        added = []
        screen.queue.add = added.extend
        for key in ("C", "D", "t"):
            await pilot.press("equals_sign")
            await until(pilot, lambda: isinstance(screen.app.screen, SyncDialog))
            await pilot.press(key)
            await until(pilot, lambda: screen.app.screen is screen)
        await until(pilot, lambda: len(added) == 3)
        assert [(spec.delete, spec.keep) for spec in added] == [(False, True), (True, True), (False, True)]
        assert screen.services.transfers.is_watched(looked[0])


@SIZES
def test_the_ways_to_copy(snap_compare, size, sides):
    async def steps(pilot):
        await opened(pilot)
        await pilot.press("j", "j", "m")
        await pilot.pause()

    picture(snap_compare, size, steps)


async def test_a_copy_is_made_in_the_way_that_is_chosen(sides):
    async with World().run_test(size=NARROW) as pilot:
        screen = await opened(pilot)
        added = []
        screen.services.transfers.add = added.extend
        await pilot.press("j", "j", "C", "m", "q")
        await until(pilot, lambda: len(added) == 2)
        assert [spec.checksum for spec in added] == [True, False]


class FakeReader(FileReader):
    """A file that is made up."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path, self.sandbox_id, self.data = path, "box", data

    async def window(self, offset, length=65536):
        start = max(0, len(self.data) + offset) if offset < 0 else offset
        return FileWindow(start, self.data[start : start + length], len(self.data))

    async def names(self, looks):
        return ["-rw-r--r-- root/root 12 2026-11-24 a/b.txt", "\x1b[31mevil"]


CODE = b"""import os


class Thing:
    'A [red]thing[/].'

    def run(self) -> int:
        return 42  # \x1b[31m
"""
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + bytes(range(200))


@pytest.mark.parametrize(
    ("name", "data"),
    [("code.py", CODE), ("x.png", PNG), ("a.tar.gz", b"\x1f\x8b\x08\0")],
    ids=["code", "image", "archive"],
)
def test_preview(snap_compare, name, data):
    async def steps(pilot):
        app = await settled(pilot)
        app.push_screen(PreviewScreen(app.services, FakeReader(f"/workspace/{name}", data), "rollout-0007"))
        await until(pilot, lambda: isinstance(app.screen, PreviewScreen) and is_read(app.screen))

    picture(snap_compare, NARROW, steps)


async def test_ten_thousand_entries_stay_under_the_cursor(sides):
    sides[1].entries = [FileEntry(f"file-{number:05}", FILE, number, AGO) for number in range(10_000)]
    async with World().run_test(size=WIDE) as pilot:
        screen = await entered(pilot)
        table = screen.table(1)
        await until(pilot, lambda: screen.entry is not None)
        table.go(5_000)
        name = table.name_at_cursor
        await pilot.press("space", "k")
        line = table.cursor - table.scroll_offset.y
        # A refresh that brings new names above, and takes some away, moves neither cursor nor marks.
        sides[1].entries = [FileEntry(f"a-{n}", FILE, 1, AGO) for n in range(50)] + sides[1].entries[100:]
        before = screen.panes[1].listing
        await pilot.press("r")
        await until(pilot, lambda: screen.panes[1].listing is not before)
        assert (table.name_at_cursor, table.cursor - table.scroll_offset.y) == (name, line)
        assert screen.panes[1].marks == {name}
        await pilot.press("slash", *"0777", "enter")
        assert [row.name for row in screen.panes[1].rows] == ["file-00777", *(f"file-0777{n}" for n in range(10))]
        await pilot.press("escape")
        assert len(screen.panes[1].rows) == 9_951 and not screen.panes[1].filter


async def test_it_opens_on_the_first_entry_of_the_sandbox(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await entered(pilot)
        await until(pilot, lambda: screen.entry is not None)
        assert screen.pane.side.sandbox_id is not None
        assert screen.focused is screen.table(1)
        assert screen.entry.name == screen.pane.rows[1].name != UP
        added = []
        screen.services.transfers.add = added.extend
        await pilot.press("C")
        assert [(spec.source.sandbox_id, spec.target.sandbox_id) for spec in added] == [(screen.sandbox_ids[0], None)]


@pytest.mark.parametrize("entries", [[], [FileEntry("one", FILE, 1, AGO)], [FileEntry("a", FOLDER, 1, AGO), *HERE]])
async def test_a_directory_is_entered_on_its_first_entry_and_left_on_its_name(sides, entries):
    async with World().run_test(size=WIDE) as pilot:
        screen = await entered(pilot)
        await until(pilot, lambda: screen.entry is not None)
        outside, sides[1].entries = sides[1].entries, entries
        assert screen.entry.name == "outputs"
        await pilot.press("enter")
        await until(pilot, lambda: screen.pane.path == "/workspace/outputs")
        await pilot.pause()
        assert screen.entry.name == (entries[0].name if entries else UP)
        sides[1].entries = outside
        await pilot.press("h")
        await until(pilot, lambda: screen.pane.path == "/workspace")
        await pilot.pause()
        assert screen.entry.name == "outputs"


async def test_marks_ranges_sort_and_hidden_names(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        pane, table = screen.pane, screen.table(0)
        assert [row.name for row in pane.rows][:4] == ["..", "configs", "tests", "data.tar"]
        await pilot.press("full_stop")
        assert ".hidden" in {row.name for row in pane.rows}
        await pilot.press("j", "V", "j", "j", "space")
        assert pane.marks == {"configs", "tests", ".hidden"}
        await pilot.press("u", "asterisk")
        assert pane.marks == {entry.name for entry in HERE}
        await pilot.press("escape", "o")
        assert [row.name for row in pane.rows][3] == "data.tar" and table.name_at_cursor is not None
        await pilot.press("O")
        assert [row.name for row in pane.rows][-1] == "data.tar"
        await pilot.press("home", "j", "percent_sign")
        await until(pilot, lambda: pane.sizes)
        assert 1_500_000 in pane.sizes.values()


async def test_small_changes_ask_first_and_are_made_there(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await entered(pilot)
        await until(pilot, lambda: screen.entry is not None)
        await pilot.press("end")
        entry = screen.entry
        await pilot.press("D")
        await until(pilot, lambda: screen.app.screen.can_be_read)
        await pilot.press("y")
        await until(pilot, lambda: sides[1].calls)
        await pilot.press("n", *"new", "enter")
        await until(pilot, lambda: len(sides[1].calls) == 2)
        await pilot.press("end", "M", "slash", "enter")
        await pilot.press(*["backspace"] * 40, *"better", "enter")
        await until(pilot, lambda: len(sides[1].calls) == 3)
        await pilot.press("end", "A", *["backspace"] * 4, *"9", "enter", "backspace", *"600", "enter")
        await until(pilot, lambda: len(sides[1].calls) == 4)
        named = f"/workspace/{screen.entry.name}"
        assert sides[1].calls[0] == ("remove", f"/workspace/{entry.name}")
        assert sides[1].calls[1] == ("mkdir", "/workspace/new")
        assert sides[1].calls[2][2] == "better"
        assert sides[1].calls[3] == ("chmod", 0o600, named)


async def test_a_directory_that_cannot_be_listed_leaves_the_pane_where_it_is(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await entered(pilot)
        await pilot.press("tilde", *"/nowhere", "enter")
        await until(pilot, lambda: screen.panes[1].problem)
        assert screen.panes[1].path == "/workspace" and screen.panes[1].rows


async def test_one_file_goes_to_all_marked_sandboxes_and_one_path_comes_from_all(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await opened(pilot, 3)
        names = [screen.name_of(box) for box in screen.sandbox_ids]
        added = []
        screen.services.transfers.add = added.extend
        await pilot.press("end", "C")
        await until(pilot, lambda: screen.app.screen is not screen and screen.app.screen.can_be_read)
        await pilot.press("y")
        assert [(s.source.path, s.target.name, s.target.path) for s in added] == [
            ("/home/me/acme/run.sh", name, "/workspace/run.sh") for name in names
        ]
        added.clear()
        await pilot.press("tab", "home", "j", "space", "space", "C")
        await until(pilot, lambda: screen.app.screen is not screen and screen.app.screen.can_be_read)
        await pilot.press("y")
        assert [spec.target.path for spec in added] == [f"/home/me/acme/{name}" for name in names]
        assert all(len(spec.names) == 2 and spec.target.sandbox_id is None for spec in added)


@pytest.mark.parametrize(("key", "count"), [("C", 3), ("D", 1)])
async def test_a_question_says_how_large_a_directory_is_once_that_is_known(sides, key, count):
    async with World().run_test(size=WIDE) as pilot:
        screen = await opened(pilot, count)
        known = asyncio.Event()

        async def measure(path):
            await known.wait()
            return Measure(1_500_000, 12)

        sides[0].measure = measure
        await pilot.press("j")
        assert screen.entry.name == "configs"
        await pilot.press(key)
        await until(pilot, lambda: "configs/" in text_of(screen.app))
        assert "1.5 MB" not in text_of(screen.app)
        known.set()
        await until(pilot, lambda: "configs/  1.5 MB" in text_of(screen.app))


async def test_without_transfers_their_pane_takes_one_row(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        panel = screen.query_one("#queue-panel")
        assert panel.size.height == panel.outer_size.height == 1
        assert "No transfers" in text_of(screen.app)
        screen.queue.transfers = transfers()
        screen.draw_queue()
        await until(pilot, lambda: panel.outer_size.height == 10)


async def test_bookmarks_are_kept(sides):
    async with World().run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        await pilot.press("apostrophe", "b")
        await until(pilot, lambda: screen.app.paths.bookmarks.exists())
        assert (
            screen.app.services.bookmarks.of(True) == ["/home/me/acme"]
            and screen.app.services.bookmarks.of(False) == []
        )


async def test_a_file_that_grows_is_followed(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\nhal")
    async with World().run_test(size=NARROW) as pilot:
        app = await settled(pilot)
        screen = PreviewScreen(app.services, FileReader(app.services.platform.session.client, None, str(path)), "local")
        app.push_screen(screen)
        await until(pilot, lambda: app.screen is screen and is_read(screen))
        await pilot.press("t")

        async def then(change, *wanted):
            change()
            app.manual_clock.advance(1)
            await until(pilot, lambda: shown(screen)[-len(wanted) :] == list(wanted))

        await until(pilot, lambda: app.manual_clock.sleeping and shown(screen) == ["one", "two", "hal"])
        with path.open("a") as file:
            await then(lambda: (file.write("f\nlast\n"), file.flush()), "half", "last")
        await until(pilot, lambda: app.manual_clock.sleeping)
        await then(lambda: path.write_text("anew\n"), "── file truncated ──", "anew")
        await pilot.press("escape")


def shown(screen) -> list[str]:
    view = screen.query_one(OutputView)
    return [view.plain(line) for line in range(view.count)]


def is_read(screen) -> bool:
    return bool(screen.query(OutputView)) and bool(lines := shown(screen)) and "Loading" not in lines[0]


async def test_only_the_first_window_of_a_large_file_is_read_and_bytes_are_read_exactly():
    asked = []

    class Client:
        async def read_file(self, sandbox_id, path, offset=None, length=None):
            asked.append((offset, length))
            return ReadFileResponse(content="x" * length, size=length, total_size=10**12, offset=offset, truncated=True)

    window = await FileReader(Client(), "box", "/huge").window(0)
    assert asked == [(0, 65536)] and window.total == 10**12 and len(window.data) == 65536


def test_what_a_file_looks_like():
    assert looks_like(b"hello\n") is FileType.TEXT and looks_like("é".encode()[:1]) is FileType.TEXT
    assert looks_like(b"a\0b") is FileType.BYTES and looks_like(b"\xff\xfe\xfd\xfc\xfb") is FileType.BYTES
    assert looks_like(PNG) is FileType.IMAGE and image_facts(PNG) == "PNG image, 640 x 480 pixels"
    assert looks_like(b"PK\x03\x04...") is FileType.ZIP and looks_like(b"\x1f\x8b\x08") is FileType.TAR


async def test_archives_are_listed_from_their_files(tmp_path):
    import tarfile
    import zipfile

    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        tar.add(__file__, "inner/x.py")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("big", b"x" * 3_000_000)
        archive.writestr("inner/y", b"y")
    tar_names = await FileReader(None, None, str(tmp_path / "a.tgz")).names(FileType.TAR)
    zip_names = await FileReader(None, None, str(tmp_path / "a.zip")).names(FileType.ZIP)
    assert tar_names[0].endswith("inner/x.py") and [line.split()[-1] for line in zip_names] == ["big", "inner/y"]
    with pytest.raises(FilesError, match="archive"):
        await FileReader(None, None, __file__).names(FileType.TAR)


def test_code_keeps_its_text_and_drops_its_escapes():
    lines = code_lines(CODE.decode(), "x.py")
    text = ["".join(piece.text for piece in line) for line in lines]
    assert text == CODE.decode().replace("\x1b", "␛").splitlines()
    assert {piece.role for line in lines for piece in line} >= {"key", "good", "info", "dim", "bright"}


async def test_this_machine_is_shown_by_its_own_side(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    async with World().run_test(size=NARROW) as pilot:
        app = await settled(pilot)
        running = next(row.id for row in app.services.platform.session.store if row.status == "RUNNING")
        app.services.navigator.open_files([running])
        await until(pilot, lambda: isinstance(app.screen, FilesScreen) and app.screen.panes)
        await until(pilot, lambda: app.screen.entry is not None)
        assert "README.md" in {row.name for row in app.screen.pane.rows}
        assert isinstance(app.screen.panes[0].side, LocalFileSystem)
        await until(pilot, lambda: app.screen.panes[0].listing is not None)
        assert app.screen.panes[0].path == str(Path.cwd())
        await pilot.press("tab", "home", "j", "enter")
        await until(pilot, lambda: app.screen.panes[0].path.endswith("/here"))
        await pilot.press("backspace")
        await until(pilot, lambda: app.screen.panes[0].path == str(tmp_path))
        assert app.screen.table(0).name_at_cursor == "here", "the cursor is where it came from"


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_tab_passes_over_the_transfers_while_there_are_none(size):
    async with World(fleet=30).run_test(size=size) as pilot:
        screen = await entered(pilot)
        for place in ("files-0", "files-1", "files-0"):
            await pilot.press("tab")
            await until(pilot, lambda place=place: screen.focused.id == place)


async def test_no_entry_is_acted_on_while_the_cursor_is_in_the_transfers():
    async with World(fleet=30).run_test(size=(120, 36)) as pilot:
        screen = await entered(pilot)
        await until(pilot, lambda: screen.entry is not None)
        await pilot.press("d")
        await until(pilot, lambda: screen.focused.id == "queue")
        messages = screen.services.notifier.messages
        for count, key in enumerate(("D", "e", "space", "C"), 1):
            await pilot.press(key)
            await until(pilot, lambda count=count: len(messages) == count)
            assert messages[-1].text == "The cursor is in the transfers: tab goes to the files"
            if pilot.app.screen is not screen:
                await pilot.press("escape")
                await until(pilot, lambda: pilot.app.screen is screen)
        assert not screen.pane.marks
