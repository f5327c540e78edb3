"""Transfers over SFTP into a real sandbox keep what they promise over HTTP."""

import asyncio
import hashlib
import os

import pytest

from sandtui.client import (
    APIError,
    AsyncSandboxClient,
    ChecksumMismatchError,
    ConnectionFailedError,
    InvalidRequestError,
    SandboxFileNotFoundError,
)
from sandtui.client import sftp as over_sftp
from sandtui.client.local_file import LocalFile
from sandtui.client.sftp import open_sftp
from sandtui.fleet.transfers.model import Existing, Place, Spec, State
from tests.fleet.test_transfers import bench, files_under, hard_tree, pause_at

__all__ = ["bench"]

LARGE = 9_000_000


@pytest.fixture
def no_gateway(monkeypatch):
    """Let no file go through the gateway."""

    async def refuse(*arguments, **options):
        raise AssertionError("a file went through the gateway")

    monkeypatch.setattr(AsyncSandboxClient, "upload_file", refuse)
    monkeypatch.setattr(AsyncSandboxClient, "download_file", refuse)


async def large_there(bench, path: str = "/workspace/big", size: int = LARGE) -> str:
    """Make a large file in the sandbox and return its sha256."""
    return (await bench.sh(f"head -c {size} /dev/urandom | tee {path} | sha256sum")).split()[0]


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_tree_goes_there_and_across_and_back(bench, no_gateway):
    source, back = bench.folder / "source", bench.folder / "back"
    wanted = hard_tree(source)
    (source / "larger").write_bytes(os.urandom(LARGE))
    wanted["larger"] = (source / "larger").read_bytes()
    for start, end in (
        (Place(str(source)), bench.there("/workspace/tree")),
        (bench.there("/workspace/tree"), bench.there("/workspace/new/over there", 1)),
        (bench.there("/workspace/new/over there", 1), Place(str(back))),
    ):
        done = await bench.copy(start, end, sftp=True)
        assert (done.state, done.problem, done.done) == (State.DONE, "", sum(map(len, wanted.values())))
    assert files_under(back) == wanted
    assert await bench.leftovers() == "" and await bench.leftovers(1) == ""


async def test_a_download_that_is_paused_goes_on_at_its_last_byte(bench, no_gateway, monkeypatch):
    monkeypatch.setattr("sandtui.fleet.transfers.fetching.RESUMED_FROM", 1)
    wanted = await large_there(bench)
    target = bench.folder / "big"
    (transfer,) = bench.queue.add([Spec(bench.there("/workspace/big"), Place(str(target)), "d", sftp=True)])
    await pause_at(bench, transfer, LARGE // 2)
    assert transfer.state is State.PAUSED, transfer.problem
    (kept,) = [path for path in bench.folder.iterdir() if path.name.endswith(".kept")]
    there, taken, take = kept.stat().st_size, [], LocalFile.take

    def counted(self, piece):
        taken.append(len(piece))
        take(self, piece)

    monkeypatch.setattr(LocalFile, "take", counted)
    bench.queue.resume(transfer.id)
    assert (await bench.over(transfer, State.DONE, State.FAILED)).state is State.DONE, transfer.problem
    assert there and sum(taken) == LARGE - there
    assert digest(target) == wanted
    assert await bench.leftovers() == ""


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_connection_that_breaks_leaves_no_half_file(bench, no_gateway, monkeypatch, way):
    monkeypatch.setattr("sandtui.fleet.transfers.fetching.RESUMED_FROM", 1)
    source, links, connect = bench.folder / "source", [], AsyncSandboxClient.connect_ssh
    source.write_bytes(os.urandom(LARGE))
    await large_there(bench)

    def noted(*arguments):
        entered = connect(*arguments)
        links.append(entered)
        return entered

    monkeypatch.setattr(AsyncSandboxClient, "connect_ssh", noted)
    here, there = Place(str(bench.folder / "back")), bench.there("/workspace/sent")
    start, end = (Place(str(source)), there) if way == "up" else (bench.there("/workspace/big"), here)
    (transfer,) = bench.queue.add([Spec(start, end, "d", Existing.OVERWRITE, sftp=True)])
    check, loop = type(transfer).check, asyncio.get_running_loop()

    def broken(self):
        if self.done > LARGE // 3 and links:
            loop.call_soon_threadsafe(links.pop().gen.ag_frame.f_locals["connection"].abort)
        check(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(transfer), "check", broken)
        await bench.over(transfer)
    assert transfer.state is State.FAILED and "SSH connection broke" in transfer.problem, transfer.problem
    assert not (bench.folder / "back").exists()
    assert await bench.sh("ls -d /workspace/sent 2>/dev/null; true") == ""
    bench.queue.retry(transfer.id)
    assert (await bench.over(transfer, State.DONE, State.FAILED)).state is State.DONE, transfer.problem
    path = "/workspace/sent" if way == "up" else "/workspace/big"
    arrived = source if way == "up" else bench.folder / "back"
    assert (await bench.sh(f"sha256sum < {path}")).split()[0] == digest(arrived)
    assert await bench.leftovers() == ""


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_transfer_that_is_cancelled_leaves_nothing(bench, no_gateway, way):
    source = bench.folder / "source"
    source.write_bytes(os.urandom(LARGE))
    await large_there(bench)
    here, there = Place(str(bench.folder / "back")), bench.there("/workspace/sent")
    start, end = (Place(str(source)), there) if way == "up" else (bench.there("/workspace/big"), here)
    (transfer,) = bench.queue.add([Spec(start, end, "d", Existing.OVERWRITE, sftp=True)])
    check, loop = type(transfer).check, asyncio.get_running_loop()

    def cancelling(self):
        if self.done > LARGE // 3:
            loop.call_soon_threadsafe(bench.queue.cancel, self.id)
        check(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(transfer), "check", cancelling)
        await bench.over(transfer, State.CANCELLED, State.DONE)
        async with asyncio.timeout(60):
            while bench.queue._tasks:
                await asyncio.sleep(0.005)
    assert transfer.state is State.CANCELLED, transfer.problem
    assert not (bench.folder / "back").exists()
    assert await bench.sh("ls -d /workspace/sent 2>/dev/null; true") == ""
    assert await bench.leftovers() == ""


async def test_what_the_sandbox_refuses_is_told_and_leaves_nothing(bench, no_gateway):
    source = bench.folder / "source"
    source.write_bytes(os.urandom(3_000_000))
    targets = ["/proc/x"]
    if "1.0M" in await bench.sh("df -h /dev"):
        targets.append("/dev/full-up")
    before = await bench.sh("ls -A /dev")
    for target in targets:
        done = await bench.copy(Place(str(source)), bench.there(target), sftp=True)
        assert done.state is State.FAILED and done.problem, target
    assert await bench.sh("ls -A /dev") == before
    assert await bench.leftovers() == ""


async def test_what_changes_or_is_not_there_is_told(bench, tmp_path):
    await large_there(bench)
    async with open_sftp(bench.client, bench.boxes[0]) as files:
        box = bench.boxes[0]
        with pytest.raises(SandboxFileNotFoundError, match="no file /workspace/none"):
            await files.download_file(box, "/workspace/none", tmp_path / "x")
        with pytest.raises(APIError):
            await files.download_file(box, "/workspace", tmp_path / "x")
        with pytest.raises(InvalidRequestError):
            await files.upload_file(box, "/workspace/x", tmp_path / "none")
        with pytest.raises(ValueError, match="leads into"):
            await files.upload_file("another", "/workspace/x", tmp_path / "none")
        with pytest.raises(ChecksumMismatchError, match="changed"):
            await files.download_file(box, "/workspace/big", tmp_path / "x", version=(LARGE, 1))
        assert not (tmp_path / "x").exists()
        await bench.sh(": > /workspace/empty")
        await files.download_file(box, "/workspace/empty", tmp_path / "empty", checksum=True)
        assert (tmp_path / "empty").read_bytes() == b""


async def test_a_file_that_becomes_shorter_or_another_is_not_put_in_place(bench, tmp_path, monkeypatch):
    await large_there(bench)
    box, read = bench.boxes[0], over_sftp._read

    async def cut(file, offset, length):
        return b"" if offset > LARGE // 2 else await read(file, offset, length)

    async def damaged(file, offset, length):
        return bytes(length) if offset > LARGE // 2 else await read(file, offset, length)

    for spoiled, words in ((cut, "announced"), (damaged, "not what was transferred")):
        monkeypatch.setattr(over_sftp, "_read", spoiled)
        async with open_sftp(bench.client, box) as files:
            with pytest.raises(APIError, match=words):
                await files.download_file(box, "/workspace/big", tmp_path / "x", checksum=True)
        assert list(tmp_path.glob("*x*")) == []


async def test_no_way_in_is_told(bench):
    with pytest.raises((APIError, ConnectionFailedError)):
        async with open_sftp(bench.client, "sbx_unknown"):
            pass
