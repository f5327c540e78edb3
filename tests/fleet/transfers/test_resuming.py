"""A large download whose program is killed goes on where it was."""

import asyncio
import hashlib
import os
import signal
import sys
import threading

import pytest

from sandtui.client import ConnectionFailedError
from sandtui.client.local_file import LocalFile
from sandtui.clock import SystemClock
from sandtui.config.transfers import TransferJournal
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec, TransferState
from sandtui.fleet.transfers.queue import TransferQueue
from tests.fleet.transfers.test_transfers import Bench, bench

__all__ = ["bench"]

SIZE = 40_000_000
KILLED_AT = 20_000_000

PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from sandtui.client import AsyncSandboxClient, Config
from sandtui.config.transfers import TransferJournal
from sandtui.clock import SystemClock
from sandtui.fleet.transfers.model import Existing, Location, Transfer, TransferSpec
from sandtui.fleet.transfers.queue import TransferQueue

async def main(key, url, box, folder, most):
    def check(self):
        if self.done >= int(most):
            os.kill(os.getpid(), signal.SIGKILL)
    Transfer.check = check
    journal = TransferJournal(TransferJournal.open(Path(folder, "state", "killed.sqlite3")), "test")
    async with AsyncSandboxClient(config=Config(api_key=key, base_url=url), keep_tokens=False) as client:
        queue = TransferQueue(client, SystemClock(), journal, Path(folder, "state", "spool"))
        source, target = Location("/workspace/big", box, "box"), Location(f"{folder}/big")
        queue.add([TransferSpec(source, target, "batch", Existing.OVERWRITE)])
        await queue.run()

asyncio.run(main(*sys.argv[1:]))
"""

SCRIPT = """
import os, signal, sys
from sandtui.cli.program import main
from sandtui.client.local_file import LocalFile
from sandtui.fleet.transfers.model import Transfer

most, *words = sys.argv[1:]
taken, take = 0, LocalFile.take

def counted(self, piece):
    global taken
    taken += len(piece)
    take(self, piece)

def check(self):
    if self.done >= int(most):
        os.kill(os.getpid(), signal.SIGKILL)

LocalFile.take, Transfer.check = counted, check
code = main(words)
print(taken)
sys.exit(code)
"""


async def killed_in_the_middle(bench: Bench) -> None:
    words = [bench.client.config.api_key, bench.client.config.base_url, bench.boxes[0], str(bench.folder)]
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, *words, str(KILLED_AT))
    async with asyncio.timeout(60):
        assert await program.wait() == -signal.SIGKILL


async def go_on(bench: Bench):
    """Restore the queue as the next run of the program does, and carry it out."""
    database = TransferJournal.open(bench.folder / "state" / "killed.sqlite3")
    journal = TransferJournal(database, "test")
    queue = bench.queue = TransferQueue(bench.client, SystemClock(), journal, bench.folder / "state" / "spool")
    running = asyncio.ensure_future(queue.run())
    try:
        queue.restore(await asyncio.to_thread(journal.unfinished))
        (transfer,) = queue.transfers
        queue.resume(transfer.id)
        return await bench.over(transfer, TransferState.DONE, TransferState.FAILED)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(database.close)


@pytest.mark.parametrize("trouble", ["none", "changed there", "damaged here"])
async def test_a_download_that_was_killed_continues_where_it_was(bench, monkeypatch, trouble):
    await bench.sh(f"head -c {SIZE} /dev/urandom > /workspace/big")
    await killed_in_the_middle(bench)
    (kept,) = [path for path in bench.folder.iterdir() if path.name.endswith(".kept")]
    assert not (bench.folder / "big").exists()
    if trouble == "changed there":
        await bench.sh(f"head -c {SIZE} /dev/urandom > /workspace/big; touch -d @1700000000 /workspace/big")
    if trouble == "damaged here":
        with kept.open("r+b") as file:
            file.write(bytes(1000))
    taken = 0
    take = LocalFile.take

    def counted(self, piece):
        nonlocal taken
        taken += len(piece)
        take(self, piece)

    monkeypatch.setattr(LocalFile, "take", counted)
    transfer = await go_on(bench)
    if trouble == "damaged here":
        assert transfer.state is TransferState.FAILED
        assert "was corrupted in transfer" in transfer.problem
        assert not (bench.folder / "big").exists()
        assert not kept.exists(), "the next try starts anew"
        return
    assert transfer.state is TransferState.DONE, transfer.problem
    assert (taken < SIZE - KILLED_AT + 1_000_000) == (trouble == "none"), f"{taken:,} bytes were fetched"
    there = (await bench.sh("sha256sum < /workspace/big")).split()[0]
    assert hashlib.sha256((bench.folder / "big").read_bytes()).hexdigest() == there
    assert await bench.leftovers() == ""


async def test_a_large_download_that_is_cancelled_leaves_nothing(bench, monkeypatch):
    await bench.sh(f"head -c {SIZE} /dev/urandom > /workspace/big")
    target = bench.folder / "big"
    loop, cancelled, take = asyncio.get_running_loop(), threading.Event(), LocalFile.take

    def cancel():
        bench.queue.cancel(transfer.id)
        cancelled.set()

    def held(self, piece):
        take(self, piece)
        if self.done > KILLED_AT and not cancelled.is_set():
            loop.call_soon_threadsafe(cancel)
            assert cancelled.wait(20)

    monkeypatch.setattr(LocalFile, "take", held)
    spec = TransferSpec(bench.there("/workspace/big"), Location(str(target)), "batch", Existing.OVERWRITE)
    (transfer,) = bench.queue.add([spec])
    await bench.over(transfer, TransferState.CANCELLED, TransferState.DONE)
    async with asyncio.timeout(60):
        while not bench.queue.is_idle:
            await asyncio.sleep(0.005)
    assert transfer.state is TransferState.CANCELLED
    assert not target.exists()
    assert await bench.leftovers() == ""


async def test_a_script_that_was_killed_continues_when_it_is_run_again(bench):
    await bench.sh(f"head -c {SIZE} /dev/urandom > /workspace/big")
    config, target = bench.client.config, bench.folder / "big"
    keys = {"HOME": str(bench.folder / "home"), "PRIME_API_KEY": config.api_key, "PRIME_API_BASE_URL": config.base_url}

    async def cp(most: int) -> tuple[int, bytes]:
        words = [str(most), "cp", f"{bench.boxes[0]}:/workspace/big", str(target)]
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SCRIPT, *words, env={**os.environ, **keys}, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            output, _ = await program.communicate()
        return program.returncode, output

    assert await cp(KILLED_AT) == (-signal.SIGKILL, b"")
    assert not target.exists()
    code, taken = await cp(SIZE * 2)
    assert code == 0
    assert int(taken) < SIZE - KILLED_AT + 1_000_000
    there = (await bench.sh("sha256sum < /workspace/big")).split()[0]
    assert hashlib.sha256(target.read_bytes()).hexdigest() == there
    assert await bench.leftovers() == ""


async def test_what_a_failed_transfer_has_left_goes_with_it_off_the_list(bench):
    await bench.sh(f"head -c {SIZE} /dev/urandom > /workspace/big")
    target = bench.folder / "big"
    spec = TransferSpec(bench.there("/workspace/big"), Location(str(target)), "batch", Existing.OVERWRITE)
    with pytest.MonkeyPatch.context() as patch:

        def check(self):
            if self.done > KILLED_AT:
                raise ConnectionFailedError("the network is gone")

        patch.setattr(Transfer, "check", check)
        (transfer,) = bench.queue.add([spec])
        await bench.over(transfer, TransferState.FAILED, TransferState.DONE)
    assert transfer.state is TransferState.FAILED
    assert await bench.leftovers() != "", "a retry would go on with it"
    bench.queue.clear_finished()
    async with asyncio.timeout(60):
        while not bench.queue.is_idle:
            await asyncio.sleep(0.005)
    assert await bench.leftovers() == ""
