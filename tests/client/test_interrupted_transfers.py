"""Transfers that break off, meet, or point somewhere else."""

import asyncio
import os
import re
import stat
import subprocess

import httpx
import pytest

from sandtui.client import (
    CommandTimeoutError,
    ConnectionFailedError,
    InvalidRequestError,
)
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.local_file import LocalFile
from sandtui.client.port import run_blocking
from tests.client.fakes import body_of, client_of
from tests.client.test_transfers import FileGateway, client, gateway, leftovers, small, source, too_large

__all__ = ["client", "gateway", "small", "source"]


def is_join(request):
    return request.url.path.endswith("/exec") and body_of(request)["command"].startswith(": >")


def break_third(gateway):
    def fail(request):
        third = request.url.path.endswith("/download") and len(gateway.downloads) == 2
        return httpx.ReadError("cut") if third else too_large(request)

    return fail


def test_a_join_that_takes_too_long_keeps_the_parts(client, gateway, small, source):
    gateway.fail = lambda request: httpx.Response(408, json={}) if is_join(request) else None
    with pytest.raises(CommandTimeoutError):
        client.upload_file("sbx_1", "/w/x", source)
    assert len(gateway.files) == 5
    gateway.fail = lambda request: None
    client.upload_file("sbx_1", "/w/x", source)
    assert len(gateway.uploads) == 5, "none was sent twice"
    assert gateway.files == {"/w/x": source.read_bytes()}


def test_a_join_that_breaks_removes_what_it_had_made(client, gateway, small, source):
    asked = []

    def fail(request):
        if request.url.path.endswith("/exec"):
            asked.append(body_of(request)["command"])
        return httpx.ReadError("cut") if is_join(request) else None

    gateway.fail = fail
    with pytest.raises(ConnectionFailedError):
        client.upload_file("sbx_1", "/w/x", source)
    joining = re.search(r": > (\S+) ", next(each for each in asked if each.startswith(": >")))[1]
    assert asked[-1] == f"rm -f {joining}"
    stem = min(gateway.files).removesuffix("00000")
    assert joining.startswith(stem), "what removes the parts removes it too"


async def test_a_cancelled_upload_leaves_no_parts(small, source):
    gateway, third = FileGateway(), asyncio.Event()

    async def platform(request):
        if request.url.path.endswith("/upload") and len(gateway.uploads) == 2:
            third.set()
            await asyncio.Event().wait()
        return gateway(request)

    async with client_of(platform) as client, asyncio.timeout(60):
        task = asyncio.ensure_future(client.upload_file("sbx_1", "/w/x", source))
        await third.wait()
        assert len(gateway.files) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert gateway.files == {}


def script_of_join(gateway, client, source):
    scripts = []

    def note(request):
        if is_join(request):
            scripts.append(body_of(request)["command"])
        return

    gateway.fail = note
    client.upload_file("sbx_1", "/w/it's x", source)
    return scripts[0]


@pytest.mark.parametrize("outcome", ["joined", "stopped", "damaged"])
def test_the_joining_script_in_a_real_shell(client, gateway, small, source, tmp_path, outcome):
    folder = tmp_path / "w"
    folder.mkdir()
    script = script_of_join(gateway, client, source).replace("/w/", f"{folder}/")
    stem = re.search(r"([0-9a-f]{16}\.part)", script)[1]
    data = source.read_bytes()
    parts = [folder / f".it's x.{stem}{number:05}" for number in range(5)]
    for number, part in enumerate(parts):
        part.write_bytes(data[number * 1024 : (number + 1) * 1024])
    if outcome == "damaged":
        parts[2].write_bytes(b"x" * 1024)
    if outcome == "stopped":
        parts[2].unlink()
        os.mkfifo(parts[2])
    shell = subprocess.Popen(["sh", "-c", script], stderr=subprocess.DEVNULL, start_new_session=True)
    if outcome == "stopped":
        with parts[2].open("wb"):
            os.killpg(shell.pid, 15)
            shell.wait(20)
    else:
        shell.wait(20)
    assert shell.returncode == {"joined": 0, "stopped": 143, "damaged": 4}[outcome]
    names = {path.name for path in folder.iterdir()}
    if outcome == "joined":
        assert names == {"it's x"}
        assert (folder / "it's x").read_bytes() == data
    else:
        assert names == {part.name for part in parts}, "the parts stay, what was made of them does not"


def test_an_earlier_try_is_gone_on_with_before_anything_else(client, gateway, small, source, tmp_path):
    gateway.files["/w/x"] = source.read_bytes()
    gateway.fail = break_third(gateway)
    with pytest.raises(ConnectionFailedError):
        client.download_file("sbx_1", "/w/x", tmp_path / "back")
    gateway.fail = lambda request: None
    client.download_file("sbx_1", "/w/x", tmp_path / "back", checksum=True)
    assert "/w/x" not in gateway.downloads, "the whole file was never asked for again"
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert leftovers(tmp_path) == []


def test_an_earlier_try_of_other_content_is_removed(client, gateway, small, source, tmp_path):
    gateway.files["/w/x"] = source.read_bytes()
    gateway.fail = break_third(gateway)
    with pytest.raises(ConnectionFailedError):
        client.download_file("sbx_1", "/w/x", tmp_path / "back")
    assert len(leftovers(tmp_path)) == 1
    gateway.files["/w/x"] = b"new"
    gateway.fail = lambda request: None
    client.download_file("sbx_1", "/w/x", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"new"
    assert leftovers(tmp_path) == []


def local_file(path):
    file = LocalFile(BlockingPort(), path, lambda done, total: None)
    run_blocking(file.open())
    return file


def fill(file, data, identity=None):
    if identity is not None:
        run_blocking(file.resume_as(identity))
        run_blocking(file.cut(0))
    file.begin(len(data))
    file.take(data)
    run_blocking(file.check_whole())


def test_two_downloads_to_one_place_do_not_mix(tmp_path):
    first, second = local_file(tmp_path / "x"), local_file(tmp_path / "x")
    fill(first, b"first" * 100, "0" * 16)
    fill(second, b"second", "0" * 16)
    run_blocking(second.finish())
    assert (tmp_path / "x").read_bytes() == b"second"
    run_blocking(first.finish())
    assert (tmp_path / "x").read_bytes() == b"first" * 100
    assert leftovers(tmp_path) == []


def test_a_link_where_a_part_should_be_is_not_written_through(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / f".x.{'0' * 16}.kept").symlink_to(tmp_path / "precious")
    file = local_file(tmp_path / "x")
    fill(file, b"data", "0" * 16)
    run_blocking(file.finish())
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "x").read_bytes() == b"data"


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(client, gateway, tmp_path):
    gateway.files["/w/x"] = b"new"
    real, link = tmp_path / "real", tmp_path / "sub" / "link"
    link.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    client.download_file("sbx_1", "/w/x", link)
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_is_neither_source_nor_target(client, gateway, tmp_path):
    gateway.files["/w/x"] = b"x"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidRequestError, match="regular file"):
        client.download_file("sbx_1", "/w/x", tmp_path / "pipe")
    with pytest.raises(InvalidRequestError, match="regular file"):
        client.upload_file("sbx_1", "/w/x", tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("name", ["é" * 120, "é" * 127, "x" * 255, "字" * 85])
def test_long_names_in_any_script(client, gateway, small, source, tmp_path, name):
    gateway.files["/w/x"] = source.read_bytes()
    gateway.fail = break_third(gateway)
    with pytest.raises(ConnectionFailedError):
        client.download_file("sbx_1", "/w/x", tmp_path / name)
    gateway.fail = lambda request: None
    client.download_file("sbx_1", "/w/x", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir() if path.name != "source.bin"] == [name]
    client.upload_file("sbx_1", f"/w/{name}", tmp_path / name)
    assert all(len(path.rpartition("/")[2].encode()) <= 255 for path in gateway.uploads)
    assert gateway.files[f"/w/{name}"] == source.read_bytes()


@pytest.mark.parametrize("path", ["a\0b", "", None, 5, b"x", "\ud800"])
def test_an_invalid_local_path_is_refused(client, gateway, path):
    gateway.files["/w/x"] = b"x"
    with pytest.raises(InvalidRequestError):
        client.upload_file("sbx_1", "/w/x", path)
    with pytest.raises(InvalidRequestError):
        client.download_file("sbx_1", "/w/x", path)
    assert not gateway.downloads


@pytest.mark.parametrize("path", ["\ud800", None, 5, "", "/w/"])
def test_an_invalid_remote_path_is_refused(client, gateway, source, path):
    for ask in (
        lambda: client.upload_file("sbx_1", path, source),
        lambda: client.upload_bytes("sbx_1", path, b"x"),
        lambda: client.download_file("sbx_1", path, source),
        lambda: client.read_file("sbx_1", path),
    ):
        with pytest.raises(InvalidRequestError):
            ask()
    assert not gateway.uploads


def test_bytes_of_another_kind(client, gateway):
    client.upload_bytes("sbx_1", "/w/x", bytearray(b"abc"))
    assert gateway.files["/w/x"] == b"abc"
    with pytest.raises(InvalidRequestError):
        client.upload_bytes("sbx_1", "/w/x", "text")
    for timeout in (0, -1, "5", True):
        with pytest.raises(InvalidRequestError):
            client.upload_bytes("sbx_1", "/w/x", b"", timeout=timeout)
