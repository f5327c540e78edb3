"""Nothing temporary of ours stays on either side, however a transfer ends: both are listed before and after."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from sandtui.client import ConnectionFailedError
from sandtui.client.local_file import LocalFile
from sandtui.clock import SystemClock
from sandtui.config.transfers import TransferJournal
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec, TransferState
from sandtui.fleet.transfers.queue import TransferQueue
from tests.fleet.transfers.test_transfers import Bench, bench, decode, files_under

__all__ = ["bench"]

SIZE, PART = 6_000_000, 1_048_576

PROGRAM = """
import asyncio, json, os, signal, sys
from pathlib import Path
import sandtui.client.flows.files, sandtui.client.flows.parts
import sandtui.fleet.transfers.download, sandtui.fleet.transfers.upload
from sandtui.client import AsyncSandboxClient, Config
from sandtui.config.transfers import TransferJournal
from sandtui.clock import SystemClock
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec
from sandtui.fleet.transfers.queue import TransferQueue

async def main(key, url, state, source, target, killed_at, part):
    for module in (sandtui.client.flows.files, sandtui.fleet.transfers.upload):
        module.UPLOAD_LIMIT = 2 * part
    sandtui.client.flows.parts.PART_SIZE = sandtui.fleet.transfers.download.RESUME_BYTES = part

    def check(self):
        if self.done >= killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    Transfer.check = check
    journal = TransferJournal(TransferJournal.open(Path(state, "killed.sqlite3")), "test")
    async with AsyncSandboxClient(config=Config(api_key=key, base_url=url), keep_tokens=False) as client:
        queue = TransferQueue(client, SystemClock(), journal, Path(state, "spool"))
        left = journal.claim().transfers
        queue.restore(left)
        for transfer in left:
            queue.resume(transfer.id)
        if not left:
            queue.add([TransferSpec(Location(*source), Location(*target), "batch", Existing.OVERWRITE)])
        await queue.run()

asyncio.run(main(*json.loads(sys.argv[1])))
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch, tmp_path):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for module in ("client.flows.files", "fleet.transfers.upload"):
        monkeypatch.setattr(f"sandtui.{module}.UPLOAD_LIMIT", 2 * PART)
    monkeypatch.setattr("sandtui.client.flows.parts.PART_SIZE", PART)
    monkeypatch.setattr("sandtui.fleet.transfers.download.RESUME_BYTES", PART)


async def everything(bench: Bench) -> dict[str, set[str]]:
    """List all that the sandboxes hold where we write, and this machine."""
    listed = "find /tmp /workspace ! -name '*.sock' | sort"
    found = {f"box {box}": set((await bench.sh(listed, box)).splitlines()) for box in range(2)}
    here = bench.folder.rglob("*")
    found["here"] = {str(path) for path in here if ".sqlite3" not in path.name and not path.name.startswith("owner-")}
    return found


async def make(bench: Bench, place: Location, kind: str) -> None:
    """Make what is copied: many small files and a large one, or a large one alone."""
    size = f"head -c {SIZE} /dev/urandom"
    if kind == "file":
        script = f"{size} > '{place.path}'"
    else:
        script = (
            f"mkdir -p '{place.path}/sub'; cd '{place.path}'; {size} > sub/zlarge; "
            "for i in $(seq 60); do head -c 9000 /dev/urandom > sub/$i; done"
        )
    if place.sandbox_id is not None:
        await bench.sh(script, bench.boxes.index(place.sandbox_id))
    else:
        process = await asyncio.create_subprocess_exec("sh", "-c", script)
        assert await process.wait() == 0


def ends(bench: Bench, way: str, kind: str) -> tuple[Location, Location]:
    name = "big file" if kind == "file" else "tree"
    here = Location(str(bench.folder / name))
    return {
        "up": (here, bench.there("/workspace/goal")),
        "down": (bench.there(f"/workspace/{name}"), Location(str(bench.folder / "goal"))),
        "across": (bench.there(f"/workspace/{name}"), bench.there("/workspace/goal", 1)),
        "within": (bench.there(f"/workspace/{name}"), bench.there("/workspace/goal")),
    }[way]


async def killed(bench: Bench, source: Location, target: Location, at: int) -> None:
    config = bench.client.config
    places = [[place.path, place.sandbox_id, place.name] for place in (source, target)]
    words = [config.api_key, config.base_url, str(bench.folder / "state"), *places, at, PART]
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, json.dumps(words))
    async with asyncio.timeout(90):
        assert await program.wait() == -signal.SIGKILL


async def found_again(bench: Bench, answer: str) -> Transfer:
    """Do what the next run of the program does with what it finds, to the end of it."""
    file = TransferJournal.open(bench.folder / "state" / "killed.sqlite3")
    journal = TransferJournal(file, "test")
    queue = bench.queue = TransferQueue(bench.client, SystemClock(), journal, bench.folder / "state" / "spool")
    running = asyncio.ensure_future(queue.run())
    changed = asyncio.Event()
    queue.on_change.subscribe(changed.set)
    try:
        queue.restore((await asyncio.to_thread(journal.claim)).transfers)
        (transfer,) = queue.transfers
        (queue.resume if answer == "go" else queue.cancel)(transfer.id)
        async with asyncio.timeout(60):
            while not (transfer.is_over and queue.is_idle):
                changed.clear()
                await changed.wait()
        assert await asyncio.to_thread(journal.unfinished) == []
        return transfer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(file.close)


def added(before, after) -> dict[str, set[str]]:
    assert all(before[side] <= after[side] for side in before), "nothing of the user's went"
    return {side: after[side] - before[side] for side in before if after[side] != before[side]}


def goal_only(bench: Bench, found: dict[str, set[str]], target: Location) -> bool:
    """Whether what was added is the target, and no name of ours."""
    side = "here" if target.sandbox_id is None else f"box {bench.boxes.index(target.sandbox_id)}"
    spool = str(bench.folder / "state" / "spool")
    rest = {path for path in found.get(side, set()) if not (path == target.path or path.startswith(f"{target.path}/"))}
    rest |= {path for each, paths in found.items() if each != side for path in paths}
    inside = [path for path in found.get(side, set()) if Path(path).name.startswith(".")]
    return rest <= {spool, str(bench.folder / "state")} and not inside


@pytest.mark.parametrize("answer", ["go", "drop"])
@pytest.mark.parametrize("kind", ["tree", "file"])
@pytest.mark.parametrize("way", ["up", "down", "across", "within"])
async def test_a_killed_transfer_that_continues_or_is_dropped_leaves_nothing(bench, way, kind, answer):
    source, target = ends(bench, way, kind)
    await make(bench, source, kind)
    before = await everything(bench)
    # Killed in its archive, or early in the large file; then once more where it went on, in a part of its own.
    await killed(bench, source, target, 100_000 if kind == "tree" else 1_500_000)
    await killed(bench, source, target, 4_000_000)
    assert added(before, await everything(bench)), "there is something to be removed"
    transfer = await found_again(bench, answer)
    assert transfer.state is (TransferState.DONE if answer == "go" else TransferState.CANCELLED), transfer.problem
    assert transfer.problem == ""
    assert goal_only(bench, added(before, await everything(bench)), target)
    if answer == "go":
        sums = "cd {}; find . -type f -exec sha256sum {{}} + | sort"
        listed = []
        for place in (source, target):
            script = sums.format(f"'{place.path}'") if kind == "tree" else f"sha256sum < '{place.path}'"
            if place.sandbox_id is not None:
                listed.append(await bench.sh(script, bench.boxes.index(place.sandbox_id)))
            else:
                process = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=asyncio.subprocess.PIPE)
                listed.append((await process.communicate())[0].decode())
        assert listed[0] == listed[1]


@pytest.mark.parametrize("way", ["up", "down", "across"])
@pytest.mark.parametrize("end", ["done", "failed and cleared", "cancelled"])
async def test_a_transfer_leaves_nothing_however_it_ends(bench, monkeypatch, way, end):
    source, target = ends(bench, way, "tree")
    await make(bench, source, "tree")
    odd = decode(b"od\xffd")
    if source.sandbox_id is None:
        Path(source.path, odd).write_bytes(os.urandom(400_000))
    else:
        await bench.sh("cd /workspace/tree; head -c 400000 /dev/urandom > \"$(printf 'od\\377d')\"")
    before = await everything(bench)
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def check(self):
        if self.done > 3_000_000 and end != "done":
            loop.call_soon_threadsafe(asked.set)
            if end != "cancelled":
                raise ConnectionFailedError("the network is gone")

    monkeypatch.setattr(Transfer, "check", check)
    (transfer,) = bench.queue.add([TransferSpec(source, target, "batch", Existing.OVERWRITE)])
    if end == "cancelled":
        await asked.wait()
        bench.queue.cancel(transfer.id)
    await bench.over(transfer, TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED)
    if end == "failed and cleared":
        assert transfer.state is TransferState.FAILED
        bench.queue.clear_finished()
    changed = asyncio.Event()
    bench.queue.on_change.subscribe(changed.set)
    async with asyncio.timeout(30):
        while not bench.queue.is_idle:
            changed.clear()
            await changed.wait()
    assert transfer.state is {"done": TransferState.DONE, "cancelled": TransferState.CANCELLED}.get(
        end, TransferState.FAILED
    ), transfer.problem
    assert goal_only(bench, added(before, await everything(bench)), target)
    assert await asyncio.to_thread(bench.journal.unfinished) == []


async def test_what_could_not_be_removed_is_removed_at_the_end(bench, monkeypatch):
    source, target = ends(bench, "down", "tree")
    await make(bench, source, "tree")
    before = await everything(bench)
    run, refused = SandboxFileSystem.run, []

    async def once(self, command, path, seconds=120):
        if command.startswith("rm -f /tmp/.sandtui-") and not refused:
            refused.append(command)
            await run(self, "exit 0", path)
            from sandtui.fleet.files.names import FilesError

            raise FilesError("the connection broke")
        return await run(self, command, path, seconds)

    monkeypatch.setattr(SandboxFileSystem, "run", once)
    done = await bench.copy(source, target)
    assert (done.state, done.problem, len(refused)) == (TransferState.DONE, "", 1)
    assert goal_only(bench, added(before, await everything(bench)), target)


async def test_a_transfer_that_cannot_be_cleaned_up_is_found_again(bench, monkeypatch):
    source, target = ends(bench, "down", "file")
    await make(bench, source, "file")
    await killed(bench, source, target, 1_500_000)
    journal_file = TransferJournal.open(bench.folder / "state" / "killed.sqlite3")
    journal = TransferJournal(journal_file, "test")
    queue = TransferQueue(bench.client, SystemClock(), journal, bench.folder / "state" / "spool")
    queue.restore((await asyncio.to_thread(journal.claim)).transfers)
    (transfer,) = queue.transfers
    with pytest.MonkeyPatch.context() as patch:

        async def broken(*_, **__):
            raise ConnectionFailedError("the network is gone")

        patch.setattr(bench.client, "execute_command", broken)
        changed = asyncio.Event()
        queue.on_change.subscribe(changed.set)
        queue.cancel(transfer.id)
        async with asyncio.timeout(30):
            while not queue.is_idle:
                changed.clear()
                await changed.wait()
    assert "not removed" in transfer.problem
    assert [each.id for each in await asyncio.to_thread(journal.unfinished)] == [transfer.id]
    await asyncio.to_thread(journal_file.close)


class Port:
    """What a local file needs of a client."""

    async def work(self, function, *args):
        return function(*args)

    async def shielded(self, flow):
        return await flow


async def test_what_a_killed_download_has_left_goes_with_the_next_one_to_its_path(tmp_path):
    tmp_path = tmp_path / "own"
    tmp_path.mkdir()
    script = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from sandtui.client.local_file import LocalFile\n"
        "from tests.fleet.transfers.test_leftovers import Port\n"
        "file = LocalFile(Port(), Path(sys.argv[1]), lambda done, total: None)\n"
        "asyncio.run(file.open())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path / "x"))
        assert await process.wait() == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1, "the second has removed what the first one left"
    (tmp_path / ".x.mine.part").touch()
    first, second = (LocalFile(Port(), tmp_path / "x", lambda done, total: None) for _ in range(2))
    await first.open()
    await second.open()
    await first.finish()
    await second.finish()
    assert sorted(files_under(tmp_path)) == [".x.mine.part", "x"], "one that runs is left alone, and so is the user's"
