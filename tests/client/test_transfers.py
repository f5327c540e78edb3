"""Files in both directions: streamed, atomic, in parts, resumed, and cleaned up."""

import hashlib
import os
import re
import shlex

import httpx
import pytest

from sandtui.client import (
    APIClient,
    APIError,
    ChecksumMismatchError,
    Config,
    ConnectionFailedError,
    InvalidRequestError,
    MalformedReplyError,
    SandboxClient,
    SandboxFileNotFoundError,
    UploadTimeoutError,
)
from sandtui.client.flows import files, parts
from sandtui.client.local_file import LocalFile
from tests.client.fakes import KEY, SANDBOX, token_reply


class FileGateway:
    """A sandbox's files in a dictionary, behind the gateway's HTTP; it knows the scripts of parted transfers."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.downloads: list[str] = []
        self.fail = lambda request: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.fail(request)
        if answer is not None:
            if isinstance(answer, Exception):
                raise answer
            return answer
        route, query = request.url.path, request.url.params
        if route.endswith("/auth"):
            return httpx.Response(200, json=token_reply())
        if route.endswith("/upload"):
            self.files[query["path"]] = self.part(request)
            self.uploads.append(query["path"])
            size = len(self.files[query["path"]])
            reply = {"success": True, "path": query["path"], "size": size, "timestamp": "2026-01-01T00:00:00Z"}
            return httpx.Response(200, json=reply)
        if route.endswith("/download"):
            self.downloads.append(query["path"])
            if query["path"] not in self.files:
                return httpx.Response(404, json={"detail": "no such file"})
            return httpx.Response(200, content=self.files[query["path"]])
        if route.endswith("/exec"):
            return httpx.Response(200, json=self.run(__import__("json").loads(request.content)["command"]))
        return httpx.Response(200, json=SANDBOX)

    @staticmethod
    def part(request):
        boundary = re.search("boundary=(.+)", request.headers["content-type"])[1].encode()
        assert request.headers["content-length"] == str(len(request.content))
        head, _, rest = request.content.partition(b"\r\n\r\n")
        assert head.startswith(b"--" + boundary)
        assert b'name="file"' in head
        return rest.removesuffix(b"\r\n--" + boundary + b"--\r\n")

    def run(self, script: str) -> dict[str, object]:
        """Do what a shell would do, for the few scripts that transfers send."""
        words = shlex.split(script)
        stdout, code = "", 0
        if script.startswith("for p in "):
            stem = words[3 - 1 + 1].removesuffix("*;").removesuffix(";").removesuffix("*")
            parts = {name: data for name, data in self.files.items() if name.startswith(stem)}
            stdout = "".join(f"{len(data)} {name.rpartition('.part')[2]}\n" for name, data in parts.items())
        elif script.startswith(": >"):
            code = self.join(script)
        elif script.startswith("rm -f"):
            for word in words[2:]:
                for name in [name for name in self.files if name == word or name.startswith(word.rstrip("*") + "0")]:
                    del self.files[name]
        elif script.startswith("wc -c"):
            name = words[3]
            stdout, code = (f"{len(self.files[name])}\n1700000000\n", 0) if name in self.files else ("", 1)
        elif script.startswith("dd "):
            options = dict(word.split("=", 1) for word in words[1:6])
            block = int(options["bs"])
            start, length = int(options["skip"]) * block, int(options["count"]) * block
            self.files[options["of"]] = self.files[options["if"]][start : start + length]
        elif script.startswith("sha256sum"):
            stdout = hashlib.sha256(self.files[words[2]]).hexdigest() + "  -\n"
        else:
            raise AssertionError(f"an unknown script: {script}")
        return {"stdout": stdout, "stderr": "", "exit_code": code}

    def join(self, script):
        stem = shlex.split(re.search(r"for p in (.+?); do", script)[1])[0].removesuffix("[0-9]" * 5)
        names = sorted(name for name in self.files if re.fullmatch(re.escape(stem) + "[0-9]{5}", name))
        target = shlex.split(re.search(r"mv -f (.+?) \|\|", script)[1])[1]
        digest = re.search(r"= ([0-9a-f]{64}) ", script)[1]
        whole = b"".join(self.files[name] for name in names)
        if hashlib.sha256(whole).hexdigest() != digest:
            return 4
        for name in names:
            del self.files[name]
        self.files[target] = whole
        return 0


@pytest.fixture
def gateway():
    return FileGateway()


@pytest.fixture
def client(gateway):
    config = Config(api_key=KEY, base_url="http://platform.test")
    api = APIClient(config=config, transport=httpx.MockTransport(gateway))
    client = SandboxClient(api, keep_tokens=False)

    async def no_sleep(_seconds):
        return None

    api.port.sleep = no_sleep
    return client


@pytest.fixture
def small(monkeypatch):
    """Make a part 1,024 bytes and the limit 3,000, so that parts cost nothing."""
    monkeypatch.setattr(files, "UPLOAD_LIMIT", 3000)
    monkeypatch.setattr(parts, "PART_SIZE", 1024)
    monkeypatch.setattr(parts, "PIECE", 256)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(os.urandom(5000))
    return path


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_upload_tells_its_progress(client, gateway, source):
    seen = []
    client.upload_file("sbx_1", "/w/x", source, on_progress=lambda done, total: seen.append((done, total)))
    assert gateway.files["/w/x"] == source.read_bytes()
    assert seen[-1] == (5000, 5000)


def test_upload_with_a_checksum(client, gateway, source):
    client.upload_file("sbx_1", "/w/x", source, checksum=True)
    gateway.run = lambda script: {"stdout": "0" * 64 + "  -\n", "stderr": "", "exit_code": 0}
    with pytest.raises(ChecksumMismatchError):
        client.upload_file("sbx_1", "/w/x", source, checksum=True)


def test_a_download_is_whole_or_not_there(client, gateway, tmp_path):
    gateway.files["/w/x"] = b"new content"
    target = tmp_path / "deep" / "target"
    client.download_file("sbx_1", "/w/x", target, checksum=True)
    assert target.read_bytes() == b"new content"
    gateway.fail = lambda request: (
        httpx.Response(200, content=b"cut", headers={"content-length": "100"})
        if "download" in request.url.path
        else None
    )
    with pytest.raises(MalformedReplyError, match="announced 100 bytes and sent 3"):
        client.download_file("sbx_1", "/w/x", target)
    assert target.read_bytes() == b"new content"
    assert leftovers(target.parent) == []


def test_a_download_of_nothing_there(client, tmp_path):
    with pytest.raises(SandboxFileNotFoundError, match="/w/none"):
        client.download_file("sbx_1", "/w/none", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_download_of_an_empty_file(client, gateway, tmp_path):
    gateway.files["/w/x"] = b""
    client.download_file("sbx_1", "/w/x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize("make", ["missing", "directory", "unreadable"])
def test_a_local_file_that_cannot_be_sent(client, gateway, tmp_path, make):
    path = tmp_path / "x"
    if make == "directory":
        path.mkdir()
    if make == "unreadable":
        path.symlink_to(path)
    with pytest.raises(InvalidRequestError, match="x"):
        client.upload_file("sbx_1", "/w/x", path)
    assert gateway.uploads == []


@pytest.mark.parametrize("path", ["", "a\0b", "/w/"])
def test_a_remote_path_that_names_no_file(client, source, path):
    with pytest.raises(InvalidRequestError):
        client.upload_file("sbx_1", path, source)
    with pytest.raises(InvalidRequestError):
        client.download_file("sbx_1", path, source)
    with pytest.raises(InvalidRequestError):
        client.read_file("sbx_1", path)


def test_a_local_directory_is_not_a_target(client, gateway, tmp_path):
    gateway.files["/w/x"] = b"x"
    with pytest.raises(InvalidRequestError, match="can't be written"):
        client.download_file("sbx_1", "/w/x", tmp_path)


def test_bytes_over_the_limit_are_not_sent(client, gateway, small):
    with pytest.raises(InvalidRequestError, match="over the limit"):
        client.upload_bytes("sbx_1", "/w/x", b"x" * 3001, "x")
    assert gateway.uploads == []


def test_a_name_cannot_break_out_of_its_header(client, gateway):
    client.upload_bytes("sbx_1", "/w/x", b"data", 'a"\r\nX-Evil: 1\r\n\r\n')
    assert gateway.files["/w/x"] == b"data"


def test_a_large_upload_goes_in_parts(client, gateway, small, source):
    seen = []
    reply = client.upload_file("sbx_1", "/w/x", source, on_progress=lambda done, total: seen.append(done))
    assert reply.size == 5000
    assert gateway.files == {"/w/x": source.read_bytes()}, "no part is left"
    assert len(gateway.uploads) == 5
    assert seen == sorted(seen)
    assert seen[-1] == 5000


def test_a_broken_upload_continues_where_it_was(client, gateway, small, source):
    def fail(request):
        third = request.url.path.endswith("/upload") and len(gateway.uploads) == 2
        return httpx.ConnectError("gone") if third else None

    gateway.fail = fail
    with pytest.raises(ConnectionFailedError):
        client.upload_file("sbx_1", "/w/x", source)
    assert len(gateway.files) == 2, "the parts that arrived wait for the next try"
    gateway.fail = lambda request: None
    client.upload_file("sbx_1", "/w/x", source)
    assert len(gateway.uploads) == 5, "none was sent twice"
    assert gateway.files == {"/w/x": source.read_bytes()}


def test_a_refused_upload_cleans_up(client, gateway, small, source):
    def fail(request):
        third = request.url.path.endswith("/upload") and len(gateway.uploads) == 2
        return httpx.Response(403, json={"detail": "no"}) if third else None

    gateway.fail = fail
    with pytest.raises(APIError, match="no"):
        client.upload_file("sbx_1", "/w/x", source)
    assert gateway.files == {}


def test_parts_that_do_not_make_the_file_are_reported(client, gateway, small, source):
    gateway.run_ = gateway.join
    gateway.join = lambda script: 4
    with pytest.raises(ChecksumMismatchError):
        client.upload_file("sbx_1", "/w/x", source)
    assert "/w/x" not in gateway.files


def too_large(request):
    direct = request.url.path.endswith("/download") and request.url.params["path"] == "/w/x"
    return httpx.Response(413, json={"detail": "too large"}) if direct else None


def test_a_large_download_goes_in_parts(client, gateway, small, source, tmp_path):
    gateway.files["/w/x"] = source.read_bytes()
    gateway.fail = too_large
    client.download_file("sbx_1", "/w/x", tmp_path / "back", checksum=True)
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert list(gateway.files) == ["/w/x"]
    assert leftovers(tmp_path) == []


def test_a_broken_download_continues_where_it_was(client, gateway, small, source, tmp_path):
    gateway.files["/w/x"] = source.read_bytes()

    def fail(request):
        third = request.url.path.endswith("/download") and len(gateway.downloads) == 2
        return httpx.ReadError("cut") if third else too_large(request)

    gateway.fail = fail
    with pytest.raises(ConnectionFailedError):
        client.download_file("sbx_1", "/w/x", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert len(leftovers(tmp_path)) == 1
    gateway.fail = too_large
    client.download_file("sbx_1", "/w/x", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert len(gateway.downloads) == 5, "no part was fetched twice"
    assert leftovers(tmp_path) == []


def test_a_file_that_changes_meanwhile_is_reported(client, gateway, small, source, tmp_path):
    gateway.files["/w/x"] = source.read_bytes()

    def grow(request):
        if request.url.path.endswith("/download") and len(gateway.downloads) == 1:
            gateway.files["/w/x"] += b"more"
        return too_large(request)

    gateway.fail = grow
    with pytest.raises(ChecksumMismatchError, match="changed"):
        client.download_file("sbx_1", "/w/x", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert leftovers(tmp_path) == []


def test_an_upload_that_takes_too_long(client, gateway, source):
    gateway.fail = lambda request: httpx.Response(408) if request.url.path.endswith("/upload") else None
    with pytest.raises(UploadTimeoutError, match="/w/x"):
        client.upload_file("sbx_1", "/w/x", source)


def test_a_file_that_shrinks_while_it_is_sent(client, source, monkeypatch):
    size = source.stat().st_size
    monkeypatch.setattr(files, "check_source", lambda path: size + 10)
    with pytest.raises(InvalidRequestError, match="was truncated"):
        client.upload_file("sbx_1", "/w/x", source)


async def test_a_sink_that_starts_again_holds_only_the_last_try(tmp_path):
    from sandtui.client.blocking_port import BlockingPort

    sink = LocalFile(BlockingPort(), tmp_path / "x", lambda done, total: None, hashed=True)
    await sink.open()
    sink.begin(None)
    sink.take(b"first try")
    sink.begin(6)
    sink.take(b"second"[:6])
    await sink.check_whole()
    await sink.finish()
    await sink.discard()
    assert (tmp_path / "x").read_bytes() == b"second"
    assert sink.sha256.hexdigest() == hashlib.sha256(b"second").hexdigest()
