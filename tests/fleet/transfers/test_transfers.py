"""Transfers against a real sandbox: whole trees, hard names, trouble in the middle, and what is left after it."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from sandtui.client.flows import files as client_files
from sandtui.clock import SystemClock
from sandtui.config.transfers import TransferJournal
from sandtui.fleet.files.entry import FileKind, TreeItem
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import decode
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.transfers import plan as planning
from sandtui.fleet.transfers.executor import TransferExecutor, valid_items
from sandtui.fleet.transfers.model import Existing, Location, TransferError, TransferSpec, TransferState
from sandtui.fleet.transfers.queue import TransferQueue

FILE, FOLDER, LINK, PIPE = 0o100644, 0o040755, 0o120777, 0o010644
HARD = [b"with space", b"line\nbreak", b"quote'\"`$(touch x)", b"-rf", b"\xff\xfe", "שלום".encode(), b"a\\n", b"\n"]


class Bench:
    """A client, two sandboxes and a queue that runs."""

    def __init__(self, client, folder: Path, boxes: list[str]) -> None:
        self.client, self.folder, self.boxes = client, folder, boxes
        self.database = TransferJournal.open(folder / "state" / "transfers.sqlite3")
        self.journal = TransferJournal(self.database, "test")
        self.queue = TransferQueue(client, SystemClock(), self.journal, folder / "state" / "spool")
        self._before: dict[int, set[str]] = {}

    async def sh(self, command: str, box: int = 0) -> str:
        reply = await self.client.execute_command(self.boxes[box], command, timeout=60)
        assert reply.exit_code == 0, reply.stderr
        return reply.stdout

    def there(self, path: str, box: int = 0) -> Location:
        return Location(path, self.boxes[box], f"box-{box}")

    async def copy(self, source: Location, target: Location, **options):
        options.setdefault("existing", Existing.OVERWRITE)
        (transfer,) = self.queue.add([TransferSpec(source, target, "batch", **options)])
        return await self.over(transfer)

    async def over(self, transfer, *states):
        wanted = states or (
            TransferState.DONE,
            TransferState.FAILED,
            TransferState.CANCELLED,
            TransferState.ASKING,
            TransferState.PAUSED,
        )
        changed = asyncio.Event()
        self.queue.on_change.subscribe(changed.set)
        async with asyncio.timeout(60):
            while transfer.state not in wanted:
                changed.clear()
                await changed.wait()
        return transfer

    async def look(self) -> None:
        """Remember what the sandboxes hold before anything is copied: this machine's Python may have `.part` files."""
        self._before = {box: await self._parts(box) for box in range(len(self.boxes))}

    async def leftovers(self, box: int = 0) -> str:
        there = await self._parts(box) - self._before.get(box, set())
        here = [str(path) for path in self.folder.rglob("*") if ".part" in path.name or ".tar" in path.name]
        return "\n".join([*sorted(there), *here])

    async def _parts(self, box: int) -> set[str]:
        command = "find / -xdev -name '*.part*' 2>/dev/null; ls -d /tmp/.sandtui* 2>/dev/null; true"
        return set((await self.sh(command, box)).splitlines())


@pytest.fixture
async def bench(platform_process, tmp_path):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        boxes = []
        for number in range(2):
            request = CreateSandboxRequest(name=f"files-{number}", docker_image="python:3.11-slim")
            boxes.append((await client.create(request)).id)
        for box in boxes:
            await client.wait_for_creation(box)
        made = Bench(client, tmp_path, boxes)
        await made.look()
        running = asyncio.ensure_future(made.queue.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            made.database.close()
            await client.bulk_delete(sandbox_ids=boxes)


def hard_tree(root: Path) -> dict[str, bytes]:
    """Make a tree of hard names; return its files."""
    wanted = {}
    for folder in ("", "sub dir/deep", decode(b"\xfe sub")):
        for number, name in enumerate(map(decode, HARD)):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * number * 37)
            wanted[str(path.relative_to(root))] = path.read_bytes()
    (root / "large").write_bytes(os.urandom(600_000))
    (root / "empty").mkdir()
    wanted["large"] = (root / "large").read_bytes()
    return wanted


def files_under(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


async def test_a_tree_goes_there_and_across_and_back_whatever_its_names(bench):
    source, back = bench.folder / "source", bench.folder / "back"
    wanted = hard_tree(source)
    (source / "link").symlink_to("large")
    os.mkfifo(source / "pipe")
    first = await bench.copy(Location(str(source)), bench.there("/workspace/tree"))
    assert (first.state, first.problem) == (TransferState.DONE, "")
    assert (first.files, first.links, first.left_out) == (len(wanted), 1, 1)
    assert first.omitted == (f"{source}/pipe is a named pipe",)
    second = await bench.copy(bench.there("/workspace/tree"), bench.there("/workspace/over there", 1))
    assert (second.state, second.problem) == (TransferState.DONE, "")
    third = await bench.copy(bench.there("/workspace/over there", 1), Location(str(back)))
    assert (third.state, third.problem) == (TransferState.DONE, "")
    assert files_under(back) == wanted
    assert (back / "empty").is_dir() and str((back / "link").readlink()) == "large"
    assert third.done == third.total == sum(map(len, wanted.values()))
    assert await bench.leftovers() == "" and await bench.leftovers(1) == ""
    assert not (bench.folder / "state" / "spool").exists() or not any((bench.folder / "state" / "spool").iterdir())


async def test_some_names_of_a_directory_are_one_transfer(bench):
    source, back = bench.folder / "source", bench.folder / "back"
    wanted = hard_tree(source)
    names = (decode(HARD[1]), decode(HARD[3]), decode(HARD[4]), "sub dir", "gone meanwhile")
    there = "/workspace/some"
    done = await bench.copy(Location(str(source)), bench.there(there), names=names)
    assert (done.state, done.problem) == (TransferState.DONE, "")
    done = await bench.copy(bench.there(there), Location(str(back)), names=names)
    assert (done.state, done.problem) == (TransferState.DONE, "")
    assert files_under(back) == {path: data for path, data in wanted.items() if path.split("/")[0] in names}


async def test_times_and_permissions_are_kept_on_request(bench):
    source, back = bench.folder / "source", bench.folder / "back"
    source.mkdir()
    for number in range(6):
        (source / f"{number}").write_bytes(b"x" * (number * 100_000))
        (source / f"{number}").chmod(0o600 + number)
        os.utime(source / f"{number}", (1_600_000_000 + number, 1_600_000_000 + number))
    for keep, same in ((True, True), (False, False)):
        there = f"/workspace/kept-{keep}"
        assert (await bench.copy(Location(str(source)), bench.there(there), keep=keep)).state is TransferState.DONE
        items, _ = await SandboxFileSystem(bench.client, bench.boxes[0]).walk(there)
        facts = [(item.modified, stat.S_IMODE(item.mode)) for item in items]
        assert (facts == [(1_600_000_000 + number, 0o600 + number) for number in range(6)]) is same
        done = await bench.copy(bench.there(there), Location(f"{back}-{keep}"), keep=keep)
        assert done.state is TransferState.DONE, done.problem
    kept = Path(f"{back}-True")
    assert [int((kept / f"{n}").stat().st_mtime) for n in range(6)] == [1_600_000_000 + n for n in range(6)]
    assert [stat.S_IMODE((kept / f"{n}").stat().st_mode) for n in range(6)] == [0o600 + n for n in range(6)]


async def test_a_directory_that_is_closed_is_opened_for_what_changes_in_it(bench, monkeypatch):
    await bench.sh(
        "mkdir -p /workspace/c/closed/deep /workspace/c/still; cd /workspace/c; echo 1 > closed/a; echo 1 > still/a; "
        "chmod 500 closed still; chmod 700 closed/deep"
    )
    target = bench.folder / "closed-target"
    sync = {"existing": Existing.DIFFERENT, "keep": True, "delete": True}
    assert (await bench.copy(bench.there("/workspace/c"), Location(str(target)), **sync)).state is TransferState.DONE
    assert stat.S_IMODE((target / "closed").stat().st_mode) == 0o500
    set_permissions, seen = LocalFileSystem.set_permissions, []

    async def noted(side, paths, mode):
        seen.append(([str(Path(path).relative_to(target)) for path in paths], mode, (target / "closed/b").exists()))
        await set_permissions(side, paths, mode)

    monkeypatch.setattr(LocalFileSystem, "set_permissions", noted)
    await bench.sh("cd /workspace/c/closed; echo 2 > b")
    assert (await bench.copy(bench.there("/workspace/c"), Location(str(target)), **sync)).state is TransferState.DONE
    assert seen == [(["closed"], 0o700, False), (["closed"], 0o500, True)]
    await bench.sh("cd /workspace/c; rm closed/b; chmod 550 closed")
    seen.clear()
    assert (await bench.copy(bench.there("/workspace/c"), Location(str(target)), **sync)).state is TransferState.DONE
    assert seen[0] == (["closed"], 0o700, True) and not (target / "closed" / "b").exists()
    assert stat.S_IMODE((target / "closed").stat().st_mode) == 0o550


async def test_the_question_about_files_that_are_there_is_asked_once(bench):
    source = bench.folder / "source"
    wanted = hard_tree(source)
    await bench.sh("mkdir -p /workspace/a; echo mine > /workspace/a/large; echo mine > /workspace/a/-rf")
    specs = [
        TransferSpec(Location(str(source)), bench.there("/workspace/a"), "one"),
        TransferSpec(Location(str(source / "large")), bench.there("/workspace/a/large"), "one"),
    ]
    transfers = bench.queue.add(specs)
    for transfer in transfers:
        await bench.over(transfer)
    batch, asking = bench.queue.question()
    assert (batch, [each.conflicts for each in asking]) == ("one", [2, 1])
    bench.queue.answer("one", Existing.RENAME)
    for transfer in transfers:
        assert (await bench.over(transfer)).state is TransferState.DONE, transfer.problem
    assert bench.queue.question() is None
    assert await bench.sh("cat /workspace/a/large /workspace/a/-rf") == "mine\nmine\n"
    assert await bench.sh("cd /workspace/a; wc -c < large-1; wc -c < large-2") == "600000\n600000\n"
    skipped = await bench.copy(Location(str(source)), bench.there("/workspace/a"), existing=Existing.SKIP)
    assert (skipped.state, skipped.skipped, skipped.files) == (TransferState.DONE, len(wanted), 0)


async def test_a_download_of_the_dashboard_brings_no_git_and_names_what_runs_on_its_own(bench):
    await bench.sh(
        "mkdir -p /workspace/r/.git/hooks; cd /workspace/r; for f in .git/hooks/h .envrc f; do echo x > $f; done"
    )
    here = bench.folder / "r"
    transfer = await bench.copy(bench.there("/workspace/r"), Location(str(here)), existing=Existing.ASK)
    assert (transfer.state, transfer.left_out, transfer.held) == (TransferState.DONE, 1, 1)
    assert transfer.run_by == ((str(here / ".envrc"), "direnv"),)
    assert sorted(path.name for path in here.iterdir()) == [".envrc", "f"]
    (here / "f").write_text("mine")
    asked = await bench.copy(bench.there("/workspace/r"), Location(str(here)), consent=False, allow_git=True)
    assert (asked.state, asked.conflicts) == (TransferState.ASKING, 2)
    assert (here / "f").read_text() == "mine"
    assert asked.spec in [each.spec for each in await asyncio.to_thread(bench.journal.unfinished)]
    bench.queue.cancel(asked.id)
    allowed = await bench.copy(bench.there("/workspace/r"), Location(str(here)), allow_git=True)
    assert (allowed.held, (here / ".git" / "hooks" / "h").read_text()) == (0, "x\n")


async def test_a_pause_keeps_what_has_come_and_a_cancel_leaves_nothing(bench, monkeypatch):
    monkeypatch.setattr(client_files, "UPLOAD_LIMIT", 1_000_000)
    monkeypatch.setattr("sandtui.client.flows.parts.PART_SIZE", 4_000_000)
    source = bench.folder / "big"
    source.write_bytes(os.urandom(30_000_000))
    for last in ("resume", "cancel"):
        (transfer,) = bench.queue.add([TransferSpec(Location(str(source)), bench.there(f"/workspace/{last}"), last)])
        await pause_at(bench, transfer, 9_000_000)
        assert transfer.state is TransferState.PAUSED, transfer.problem
        assert ".part0000" in await bench.sh("ls -a /workspace"), "the parts are there"
        assert await bench.sh(f"ls /workspace/{last} 2>/dev/null; true") == ""
        getattr(bench.queue, last)(transfer.id)
        if last == "resume":
            await bench.over(transfer, TransferState.DONE, TransferState.FAILED)
            assert transfer.state is TransferState.DONE, transfer.problem
        else:
            while not bench.queue.is_idle:
                await asyncio.sleep(0.005)
        assert await bench.leftovers() == ""
    back = bench.folder / "back"
    assert (await bench.copy(bench.there("/workspace/resume"), Location(str(back)))).state is TransferState.DONE
    assert back.read_bytes() == source.read_bytes()


async def pause_at(bench, transfer, amount: int) -> None:
    """Pause a transfer as soon as it has come so far, from inside its own progress."""
    check = transfer.check.__func__

    def checked(self) -> None:
        if self is transfer and self.done >= amount:
            self.stopping = True
        check(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(transfer), "check", checked)
        await bench.over(transfer, TransferState.PAUSED, TransferState.DONE, TransferState.FAILED)


async def test_a_download_that_is_paused_continues(bench, monkeypatch):
    monkeypatch.setattr("sandtui.client.flows.parts.PART_SIZE", 4 * 1024 * 1024)
    await bench.sh("head -c 30000000 /dev/urandom > /workspace/big")
    target = bench.folder / "big"
    (transfer,) = bench.queue.add([TransferSpec(bench.there("/workspace/big"), Location(str(target)), "d")])
    await pause_at(bench, transfer, 20_000_000)
    assert transfer.state is TransferState.PAUSED, transfer.problem
    kept = [path for path in bench.folder.iterdir() if path.name.endswith(".kept")]
    assert len(kept) == 1 and not target.exists()
    bench.queue.resume(transfer.id)
    assert (await bench.over(transfer, TransferState.DONE, TransferState.FAILED)).state is TransferState.DONE, (
        transfer.problem
    )
    assert (await bench.sh("sha256sum < /workspace/big")).split()[0] == __import__("hashlib").sha256(
        target.read_bytes()
    ).hexdigest()
    assert await bench.leftovers() == ""


async def test_an_interrupted_queue_is_found_again_and_continues(bench):
    source = bench.folder / "source"
    wanted = hard_tree(source)
    (transfer,) = bench.queue.add(
        [TransferSpec(Location(str(source)), bench.there("/workspace/t"), "b", Existing.OVERWRITE)]
    )
    # As a kill would leave it: some files have come, the queue is on the disk, the program is gone.
    bench.queue.pause(transfer.id)
    await bench.over(transfer, TransferState.PAUSED)
    await bench.sh(f"mkdir -p /workspace/t/.sandtui-{transfer.id}-1; touch /workspace/t/.large.{transfer.id}.part")
    first = sorted(wanted)[:5]
    found = [(source / name).stat() for name in first]
    bench.journal.note_files(
        transfer.id, [(n, (s.st_size, int(s.st_mtime))) for n, s in zip(first, found, strict=True)]
    )
    await asyncio.to_thread(bench.database.close)
    bench.database = TransferJournal.open(bench.folder / "state" / "transfers.sqlite3")
    journal = TransferJournal(bench.database, "test")
    again = await asyncio.to_thread(journal.unfinished)
    assert [(each.id, each.spec) for each in again] == [(transfer.id, transfer.spec)]
    assert await asyncio.to_thread(TransferJournal(bench.database, "other platform").unfinished) == []
    queue = TransferQueue(bench.client, SystemClock(), journal, bench.folder / "spool")
    running = asyncio.ensure_future(queue.run())
    queue.restore(again)
    bench.queue = queue
    queue.resume(again[0].id)
    done = await bench.over(again[0], TransferState.DONE, TransferState.FAILED)
    # The five were noted but are not there: they come all the same.
    assert (done.state, done.problem, done.files) == (TransferState.DONE, "", len(wanted))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await asyncio.to_thread(journal.unfinished) == []
    assert await bench.leftovers() == ""
    assert int(await bench.sh("find /workspace/t -type f | tr -dc '\\n' | wc -c")) >= len(wanted)


@pytest.mark.parametrize("size", [3_000, 900_000])
async def test_a_file_that_changes_while_it_is_sent_is_not_put_in_place(bench, monkeypatch, size):
    source = bench.folder / "growing"
    source.write_bytes(b"x" * size)
    upload = bench.client.upload_file

    async def and_change(*args, **options):
        reply = await upload(*args, **options)
        source.write_bytes(b"y" * size)
        return reply

    monkeypatch.setattr(bench.client, "upload_file", and_change)
    done = await bench.copy(Location(str(source)), bench.there("/workspace/growing"))
    assert done.state is TransferState.FAILED and "changed during the upload" in done.problem
    assert await bench.sh("ls -A /workspace | grep growing; true") == ""


async def test_what_cannot_be_copied_is_reported_and_leaves_nothing(bench):
    folder = bench.folder / "here"
    folder.mkdir()
    (folder / "a").write_text("a")
    os.mkfifo(folder / "pipe")
    here, there = Location(str(folder / "a")), bench.there
    await bench.sh("mkdir -p /workspace/d/a; echo x > /workspace/file; mkfifo /workspace/p; ln -s loop /workspace/loop")
    cases = [
        (here, there("/workspace/d"), "is a directory"),
        (Location(str(folder)), there("/workspace/file"), "is not a directory"),
        (Location(str(folder / "pipe")), there("/workspace/x"), "device, pipe or socket"),
        (Location(str(folder / "nothing")), there("/workspace/x"), "no longer exists"),
        (there("/workspace/p"), Location(str(folder / "x")), "device, pipe or socket"),
        (there("/dev/null"), Location(str(folder / "x")), "device, pipe or socket"),
        (there("/workspace/loop"), Location(str(folder / "x")), "no longer exists"),
        (there("/workspace/file"), Location(str(folder)), "is a directory"),
        (there("/workspace/file"), Location(str(folder / "a" / "x")), "a"),
        (here, there("/proc/x"), "/proc"),
        (here, here, "same"),
    ]
    for source, target, words in cases:
        if words == "same":
            words = "this machine"
        done = await bench.copy(source, target)
        assert done.state is TransferState.FAILED and words in done.problem, (source, target, done.problem)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "pipe"]
    assert await bench.leftovers() == ""


async def test_no_space_in_the_sandbox_is_reported_and_leaves_nothing(bench):
    if "1.0M" not in await bench.sh("df -h /dev"):
        pytest.skip("this sandbox has no file system that is small")
    before = await bench.sh("ls -A /dev")
    source = bench.folder / "source"
    source.mkdir()
    for number in range(10):
        (source / f"{number}").write_bytes(os.urandom(200_000))
    (bench.folder / "big").write_bytes(os.urandom(3_000_000))
    for path, target in ((bench.folder / "big", "/dev/big"), (source, "/dev/tree")):
        done = await bench.copy(Location(str(path)), bench.there(target))
        assert done.state is TransferState.FAILED and done.problem
        assert await bench.sh("rmdir /dev/tree 2>/dev/null; ls -A /dev") == before


async def test_no_space_here_is_reported_and_leaves_nothing(bench, monkeypatch):
    await bench.sh(
        "mkdir -p /workspace/n; cd /workspace/n; head -c 900000 /dev/zero > a; for i in 1 2 3 4 5; do echo > $i; done"
    )
    full = OSError(28, "No space left on device")

    def writev(*_):
        raise full

    for source, target in (("a", "a"), ("", "tree")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sandtui.client.local_file.os.writev", writev)
            done = await bench.copy(
                bench.there(f"/workspace/n/{source}".rstrip("/")), Location(f"{bench.folder}/{target}")
            )
        assert done.state is TransferState.FAILED and "No space left" in done.problem, done.problem
        assert not [path for path in bench.folder.rglob("*") if path.is_file() and "state" not in path.parts]


async def test_an_archive_of_a_hostile_sandbox_puts_nothing_elsewhere(bench, tmp_path):
    import io
    import tarfile

    from sandtui.fleet.transfers import archive

    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "victim").write_text("safe")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name in ("../victim", "/tmp/x", "good", "./good", "unasked", "short"):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../victim"
        tar.addfile(link)
    wanted = {
        name: planning.TransferItem(name, "", str(target / name), 9 if name == "short" else 4, 0, FILE)
        for name in ("good", "link", "short")
    }
    done = archive.unpack(tmp_path / "evil.tar", wanted, "x.part", keep=False)
    assert done == ["good"] and [path.name for path in target.iterdir()] == ["good"]
    assert (tmp_path / "victim").read_text() == "safe"


def test_what_a_sandbox_says_is_under_a_link_is_not_copied():
    told = [("a", LINK), ("a/passwd", FILE), ("b", FILE), ("b/c", FILE), ("d", FOLDER), ("d", LINK), ("d/e", FILE)]
    items = [TreeItem(path, mode, 1, 5, "/etc" if mode == LINK else "") for path, mode in told]
    kept, refused = valid_items(items)
    assert [(item.path, item.mode) for item in kept] == [("a", LINK), ("b", FILE), ("d", FOLDER), ("d/e", FILE)]
    assert refused == 3


async def test_a_link_that_appears_meanwhile_is_not_written_through(bench, tmp_path):
    import io
    import tarfile

    from sandtui.fleet.files.names import FilesError
    from sandtui.fleet.transfers import archive

    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "d").symlink_to(outside)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo("d/f")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    wanted = {"d/f": planning.TransferItem("d/f", "", str(root / "d" / "f"), 4, 0, FILE)}
    with pytest.raises(TransferError, match="is not a directory"):
        archive.unpack(tmp_path / "x.tar", wanted, "x.part", keep=False, root=str(root))
    with pytest.raises(FilesError, match="is not a directory"):
        await LocalFileSystem().make_links(str(root), [("d/link", "x")])
    # The root itself may be reached through a link: somebody has named it.
    (tmp_path / "named").symlink_to(root)
    (root / "d").unlink()
    (root / "d").mkdir()
    assert archive.unpack(tmp_path / "x.tar", wanted, "x.part", keep=False, root=str(tmp_path / "named")) == ["d/f"]
    assert not any(outside.iterdir())


async def test_a_link_in_the_target_is_not_followed_out_of_it(bench):
    target = bench.folder / "target"
    target.mkdir()
    outside = bench.folder / "outside"
    outside.mkdir()
    (outside / "f").write_text("safe")
    (target / "d").symlink_to(outside)
    (target / "f").symlink_to(outside / "f")
    await bench.sh("mkdir -p /workspace/e/d; cd /workspace/e; echo evil > d/f; echo evil > f")
    done = await bench.copy(bench.there("/workspace/e"), Location(str(target)))
    assert done.state is TransferState.FAILED and "is not a directory" in done.problem
    await bench.sh("rm -r /workspace/e/d")
    done = await bench.copy(bench.there("/workspace/e"), Location(str(target)))
    assert done.state is TransferState.DONE
    assert (outside / "f").read_text() == "safe" and (target / "f").read_text() == "evil\n"


async def test_transfers_wait_for_their_turn_and_can_be_put_in_another_order(bench):
    sources = []
    for number in range(4):
        path = bench.folder / f"f{number}"
        path.write_bytes(b"x" * 300_000)
        sources.append(path)
    order = []
    specs = [TransferSpec(Location(str(path)), bench.there(f"/workspace/{path.name}"), "o") for path in sources]
    transfers = bench.queue.add(specs)
    bench.queue.move(transfers[3].id, -3)
    changed = asyncio.Event()

    def note():
        for each in bench.queue.transfers:
            if each.state is TransferState.DONE and each.spec.source.path not in order:
                order.append(each.spec.source.path)
        assert sum(each.state in {TransferState.RUNNING, TransferState.COUNTING} for each in bench.queue.transfers) <= 1
        changed.set()

    bench.queue.on_change.subscribe(note)
    async with asyncio.timeout(60):
        while len(order) < 4:
            changed.clear()
            await changed.wait()
    assert order == [str(sources[n]) for n in (3, 0, 1, 2)]
    bench.queue.clear_finished()
    assert bench.queue.transfers == []


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(
    st.dictionaries(paths, st.sampled_from([FILE, FOLDER, LINK, PIPE])),
    st.dictionaries(paths, st.sampled_from([FILE, FOLDER, LINK, PIPE])),
    st.sampled_from(list(Existing)),
)
def test_a_plan_that_may_replace_leaves_nothing_of_another_kind_in_the_way(tree, there, existing):
    target = {LINK: "leads"}
    items = [TreeItem(path, mode, 1, 5, target.get(mode, "")) for path, mode in sorted(tree.items())]
    items, _ = valid_items(items)
    found = {path: TreeItem(path, mode, 1, 5, target.get(mode, "")) for path, mode in there.items()}
    rules = planning.TransferRules(existing, keep=True, delete=True)
    made = planning.plan("/s", "/t", TreeItem("", FOLDER, 0, 0), items, found, rules)
    if isinstance(made, int):
        return
    left = {path: item for path, item in found.items() if not planning.is_under(path, made.replaced)}
    for item in items:
        if item.path in left and item.mode != PIPE:
            both = {item.kind, left[item.path].kind}
            assert len(both) == 1 or both == {FileKind.FILE, FileKind.LINK}
    assert not set(made.replaced) - set(tree)


@given(
    st.dictionaries(paths, st.sampled_from([FILE, FOLDER, LINK, PIPE])),
    st.dictionaries(paths, st.just(FILE)),
    st.sampled_from(list(Existing)),
)
def test_a_plan_never_writes_two_files_to_one_place_and_skips_only_what_is_there(tree, there, existing):
    items = [TreeItem(path, mode, 1, 5) for path, mode in tree.items()]
    found = {path: TreeItem(path, mode, 1, 5) for path, mode in there.items()}
    root = TreeItem("", FOLDER, 0, 0)
    try:
        made = planning.plan("/s", "/t", root, items, found, existing)
    except TransferError:
        return
    files = {path for path, mode in tree.items() if mode == FILE}
    if isinstance(made, int):
        assert existing is Existing.ASK and made == len(files & set(there))
        return
    targets = [item.target for item in made.items]
    assert len(set(targets)) == len(targets)
    assert len(made.items) + made.skipped == len(files)
    if existing is not Existing.OVERWRITE:
        assert not {f"/t/{path}" for path in there} & set(targets)
    groups, singles = planning.archives(made.items)
    assert sorted(str(i) for group in [*groups, singles] for i in group) == sorted(map(str, made.items))


async def test_a_cancel_that_comes_out_as_another_error_is_a_cancel(bench, monkeypatch):
    """A connection that is closed under a call may say so, instead of letting the cancellation through."""
    begun, forgotten = asyncio.Event(), []

    async def run(self):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError("the connection was closed") from None

    async def forget(self):
        forgotten.append(True)

    monkeypatch.setattr(TransferExecutor, "run", run)
    monkeypatch.setattr(TransferExecutor, "forget", forget)
    (transfer,) = bench.queue.add([TransferSpec(Location("/nowhere"), bench.there("/x"), "d")])
    await begun.wait()
    bench.queue.cancel(transfer.id)
    while not bench.queue.is_idle:
        await asyncio.sleep(0)
    assert (transfer.state, transfer.problem, forgotten) == (TransferState.CANCELLED, "", [True])
