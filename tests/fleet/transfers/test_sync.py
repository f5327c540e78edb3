"""What a synchronisation compares, leaves alone and removes."""

import asyncio
import errno
import os
import queue

import watchfiles
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.files.entry import TreeItem
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.transfers import watch
from sandtui.fleet.transfers.sync import difference, extras, guarded, without_ignored
from sandtui.fleet.transfers.watch import changes

FILE, FOLDER = 0o100644, 0o040755


def tree(*paths: str) -> list[TreeItem]:
    return [TreeItem(path.rstrip("/"), FOLDER if path.endswith("/") else FILE, 1, 5) for path in paths]


def test_patterns_are_those_of_gitignore():
    items = tree("a.log", "keep.log", "build/", "build/x", "build/keep.log", "src/", "src/build", "src/a.py")
    kept = without_ignored(("*.log", "!keep.log", "build/", "# a remark"), items)
    assert [item.path for item in kept] == ["keep.log", "src", "src/build", "src/a.py"]


def test_what_is_too_much_is_named_at_its_top():
    there = {item.path: item for item in tree("a/", "a/b/", "a/b/c", "a-b", "d")}
    assert extras(tree("d"), there) == ["a", "a-b"]
    found = difference([TreeItem("d", FILE, 1, 6), TreeItem("new", FILE, 7, 1)], there)
    assert (found.new, found.changed, found.same, found.size) == (("new",), ("d",), 0, 8)


def test_a_directory_that_holds_what_is_ignored_stays():
    items = tree("a/", "a/keep.log", "a/x", "b/", "b/c/", "b/c/keep.log", "d/", "d/x")
    kept = without_ignored(("*.log",), items)
    alone = guarded(items, kept)
    assert alone == {"a", "a/keep.log", "b", "b/c", "b/c/keep.log"}
    assert extras(tree(), {item.path: item for item in kept}, alone) == ["a/x", "d"]


paths = st.lists(st.sampled_from(["a", "b", "a-b"]), min_size=1, max_size=3).map("/".join)


@given(st.sets(paths), st.sets(paths))
def test_removing_what_is_too_much_leaves_what_the_source_has(source, target):
    there = {path: TreeItem(path, FILE, 1, 5) for path in target}
    gone = extras([TreeItem(path, FILE, 1, 5) for path in source], there)
    left = {path for path in target if not any(path == each or path.startswith(f"{each}/") for each in gone)}
    assert left <= source
    assert not set(gone) & source


async def test_a_change_is_reported_once_it_has_come_to_rest(tmp_path):
    (tmp_path / "a").write_text("1")
    following = changes(str(tmp_path), ("*.tmp",), 0.001)
    async with asyncio.timeout(60):
        await anext(following)
        told = asyncio.ensure_future(anext(following))
        (tmp_path / "x.tmp").write_text("noise")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not told.done()
        (tmp_path / "a").write_text("22")
        os.utime(tmp_path / "a", (1, 1))
        await told
    await following.aclose()


async def test_a_directory_that_is_replaced_is_watched_on(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_text("1")
    following = changes(str(root), (), 0.001)
    async with asyncio.timeout(60):
        await anext(following)
        told = asyncio.ensure_future(anext(following))
        root.rename(tmp_path / "old")
        root.mkdir()
        (root / "b").write_text("22")
        await told
        told = asyncio.ensure_future(anext(following))
        (root / "c").write_text("333")
        await told
    await following.aclose()


async def test_what_the_system_does_not_report_is_found_by_looking(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", refuse)
    monkeypatch.setattr(watch, "UNNOTIFIED_SECONDS", 0.001)
    following = changes(str(tmp_path), (), 0.001)
    async with asyncio.timeout(60):
        await anext(following)
        (tmp_path / "a").write_text("1")
        await anext(following)
    await following.aclose()


async def test_a_directory_is_read_when_the_system_reports_a_change(tmp_path, monkeypatch):
    looks = 0
    reports = queue.SimpleQueue()

    class Counted(LocalFileSystem):
        async def walk(self, *arguments):
            nonlocal looks
            looks += 1
            return await super().walk(*arguments)

    def reported(*_, **__):
        while (report := reports.get()) is not None:
            yield report

    monkeypatch.setattr(watch, "LocalFileSystem", Counted)
    monkeypatch.setattr(watch, "UNNOTIFIED_SECONDS", 3600)
    monkeypatch.setattr(watchfiles, "watch", reported)
    following = changes(str(tmp_path), (), 0.001)
    async with asyncio.timeout(60):
        await anext(following)
        told = asyncio.ensure_future(anext(following))
        (tmp_path / "a").write_text("1")
        for _ in range(20):
            await asyncio.to_thread(lambda: None)
        assert looks == 1
        reports.put({(1, str(tmp_path / "a"))})
        await told
    await following.aclose()
    reports.put(None)
