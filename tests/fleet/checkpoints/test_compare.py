"""What differs between two trees, over commands of this machine in place of two sandboxes."""

import asyncio
import os
import shlex
from pathlib import Path

import pytest

from sandtui.client import Sandbox
from sandtui.client.models import CommandResponse
from sandtui.fleet.checkpoints.compare import Change, compare, compare_file, patch_lines, read_bytes
from sandtui.fleet.checkpoints.forks import fork_fields, from_checkpoint
from sandtui.fleet.creation.launch_plan import plan_launch
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.files.remote import SandboxFileSystem

ODD = os.fsdecode(b"bad-\xff")
NAMES = ["plain", "with space", "-dash", "new\nline", "back\\slash", "$(touch x)'\"", ODD, "ünïcode", "sub/dir/deep"]


class Machine:
    """Runs the commands for a sandbox in a directory of this machine, which stands for its ``/tree``."""

    def __init__(self, top: Path) -> None:
        self.top = top

    async def execute_command(self, sandbox_id: str, command: str, *, timeout: int | None = None) -> CommandResponse:
        moved = command.replace("/tree", shlex.quote(str(self.top)))
        process = await asyncio.create_subprocess_exec("sh", "-c", moved, stdout=-1, stderr=-1)
        out, err = await process.communicate()
        return CommandResponse(stdout=out.decode(), stderr=err.decode(), exit_code=process.returncode or 0)


def side(top: Path) -> SandboxFileSystem:
    top.mkdir(exist_ok=True)
    return SandboxFileSystem(Machine(top), top.name)


def write(top: Path, name: str, data: bytes, when: int = 1_000_000_000) -> None:
    path = top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (when, when))


@pytest.fixture
def a(tmp_path: Path) -> SandboxFileSystem:
    return side(tmp_path / "a")


@pytest.fixture
def b(tmp_path: Path) -> SandboxFileSystem:
    return side(tmp_path / "b")


async def found(a: SandboxFileSystem, b: SandboxFileSystem) -> dict[str, tuple[str, str]]:
    return {each.path: (each.change.value, each.detail) for each in await compare(a, b, "/tree")}


async def test_the_same_trees_do_not_differ(tmp_path, a, b) -> None:
    for top in (tmp_path / "a", tmp_path / "b"):
        for number, name in enumerate(NAMES):
            write(top, name, b"x" * number, when=number + (top.name == "b"))
        (top / "link").symlink_to("nowhere")
        os.mkfifo(top / "fifo")
    assert await found(a, b) == {}


@pytest.mark.parametrize("name", NAMES)
async def test_content_of_the_same_size_and_time(tmp_path, a, b, name: str) -> None:
    write(tmp_path / "a", name, b"one")
    write(tmp_path / "b", name, b"two")
    assert await found(a, b) == {name: ("changed", "content")}


async def test_every_kind_of_change(tmp_path, a, b) -> None:
    old, new = tmp_path / "a", tmp_path / "b"
    for top, data in ((old, b"12"), (new, b"123")):
        write(top, "size", data)
    write(old, "gone", b"")
    write(new, "here", b"")
    write(old, "type", b"")
    (new / "type").mkdir()
    (old / "link").symlink_to("one")
    (new / "link").symlink_to("two")
    for top, mode in ((old, 0o644), (new, 0o600)):
        write(top, "mode", b"m")
        (top / "mode").chmod(mode)
    assert await found(a, b) == {
        "gone": ("removed", ""),
        "here": ("added", ""),
        "link": ("changed", "target"),
        "mode": ("changed", "permissions"),
        "size": ("changed", "size"),
        "type": ("changed", "type"),
    }


async def test_thousands_of_files_take_several_commands(tmp_path, a, b) -> None:
    for number in range(3000):
        for top in (tmp_path / "a", tmp_path / "b"):
            write(top, f"{'long-name' * 5}-{number}", b"same" if number != 2999 else top.name.encode() * 4)
    changes = await compare(a, b, "/tree")
    assert [each.path[-4:] for each in changes] == ["2999"]


async def test_one_file(tmp_path, a, b) -> None:
    write(tmp_path / "a", "sub/file", b"one\ntwo\n")
    write(tmp_path / "b", "sub/file", b"one\n2")
    (change,) = await compare_file(a, b, "/tree/sub/file")
    assert (change.path, change.change, change.may_be_text) == ("file", Change.CHANGED, True)
    texts = await asyncio.gather(*(read_bytes(each, "/tree/sub/file") for each in (a, b)))
    assert patch_lines(change, *texts, "/tree/sub/file") == [
        "--- a/tree/sub/file",
        "+++ b/tree/sub/file",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+2",
        "\\ No newline at end of file",
    ]
    assert patch_lines(change, b"a\0", b"b", "/x") == ["Binary files a/x and b/x differ"]
    assert patch_lines(change, b"\xff", b"b", "/x") == ["Binary files a/x and b/x differ"]
    with pytest.raises(FilesError, match="on either side"):
        await compare_file(a, b, "/tree/nothing")
    with pytest.raises(FilesError):
        await compare(a, b, "/tree/nothing")
    with pytest.raises(FilesError):
        await read_bytes(a, "/tree/nothing")


def test_a_fork_has_what_its_source_has_and_no_secrets() -> None:
    source = Sandbox.model_validate(
        {
            "id": "sbx_1", "name": "web", "dockerImage": "i", "cpuCores": 4, "memoryGB": 8, "diskSizeGB": 20,
            "timeoutMinutes": 120, "labels": ["a", "launch=1234"], "environmentVars": {"A": "b"}, "region": "eu",
            "startCommand": "serve", "status": "RUNNING", "networkAccess": False,
        }
    )  # fmt: skip
    plan = from_checkpoint(plan_launch({**fork_fields(source), "count": "2"}, "abcd"), "ckpt_1")
    assert [each.name for each in plan.requests] == ["web-fork-1", "web-fork-2"]
    for request in plan.requests:
        assert (request.cpu_cores, request.memory_gb, request.timeout_minutes) == (4, 8, 120)
        assert (request.checkpoint_id, request.docker_image, request.region) == ("ckpt_1", "", "eu")
        assert not request.network_access
        assert not request.environment_vars
        assert request.idempotency_key
        assert type(request).model_validate_json(request.model_dump_json()).checkpoint_id == "ckpt_1"
