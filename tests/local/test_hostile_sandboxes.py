"""What code in a sandbox may try on its platform: trees, names and output without measure."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from sandtui.client import AsyncSandboxClient, CommandTimeoutError, Config
from sandtui.client.flows import commands
from sandtui.client.models.streams import CommandOutput
from sandtui.local.agent.tree import Tree
from sandtui.local.files import remove_tree
from sandtui.local.gateway import execution
from tests.local.rpc import Rpc
from tests.local.support import GIVE_UP_SECONDS, Api, Start, cleared

DEEP = """
import os, sys
for _ in range({depth}):
    os.mkdir({name!r})
    os.chdir({name!r})
    open("file", "w").close()
"""
TREES = {
    "1,500 deep": DEEP.format(depth=1500, name="d"),
    "6,000 deep": DEEP.format(depth=6000, name="d"),
    "longer than a path may be": DEEP.format(depth=60, name="n" * 255),
    "no text": DEEP.format(depth=50, name=b"\xff\n\x1b[2J\x80"),
    "closed": """
import os
for _ in range(40):
    os.mkdir("d"); os.mkdir("d/also"); os.chdir("d")
    open("f", "w").close()
for _ in range(40):
    os.chdir(".."); os.chmod("d/also", 0); os.chmod("d", 0)
""",
    "many": """
import os
for number in range(20_000):
    open(str(number), "w").close()
os.mkdir("inner")
for number in range(3_000):
    os.mkdir(f"inner/{number}")
""",
    "strange": """
import os, socket
os.mkfifo("fifo"); os.symlink("/", "root"); os.symlink("loop", "loop"); os.symlink("../..", "up")
socket.socket(socket.AF_UNIX).bind("socket")
os.mkdir("-rf"); os.mkdir("..."); os.mkdir("d"); os.link("fifo", "d/link")
""",
}


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory in memory, where there is such a file system: these tests make tens of thousands of files."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="stl-", dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def state_dir(ground: Path) -> Path:
    return ground / "state"


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest) -> str:
    return TREES[request.param]


def make(tree: str, directory: Path) -> None:
    """Make a tree in a directory, which must exist."""
    code = f"import os\nos.chdir({str(directory)!r})\n{tree}"
    status = os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-I", "-c", code])
    assert status == 0


def test_any_tree_is_removed(ground: Path, tree: str) -> None:
    kept = ground / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (ground / "box").mkdir()
    make(tree, ground / "box")
    (ground / "box" / "link").symlink_to(kept)
    remove_tree(ground / "box")
    assert [path.name for path in ground.iterdir()] == ["kept"]
    assert (kept / "file").read_text() == "x"


def test_what_is_not_a_directory_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link", "never there"):
        remove_tree(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


async def test_a_sandbox_with_any_tree_is_deleted(real: Api, tree: str) -> None:
    box = await real.running()
    await real.upload(box, "/workspace/make.py", tree.encode())
    await real.output(box, "mkdir made && cd made && python3 ../make.py")
    reply = await real.call("DELETE", f"/sandbox/{box}")
    assert reply.status_code == 200, reply.text
    assert list((real.platform.settings.state_dir / "sandboxes").iterdir()) == []


async def test_leftovers_never_keep_a_platform_from_starting(start: Start, state_dir: Path) -> None:
    first = await start("process")
    box = await first.running()
    await first.platform.__aexit__(None, None, None)
    leftover = state_dir / "sandboxes" / "sbx_deep" / "root"
    leftover.mkdir(parents=True)
    make(TREES["1,500 deep"], leftover)
    (state_dir / "sandboxes" / "a file").write_text("x")
    (state_dir / "sandboxes" / "a link").symlink_to("/nowhere")
    again = await start("process")
    assert (await again.sandbox(box))["status"] == "TERMINATED"
    await cleared(state_dir)
    assert await again.output(await again.running(), "echo in") == "in\n"


@pytest.mark.parametrize("error", [RecursionError("too deep"), PermissionError(1, "immutable"), ValueError("?")])
async def test_a_leftover_that_cannot_be_removed_is_left(
    start: Start, state_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    leftover = state_dir / "sandboxes" / "sbx_stays"
    leftover.mkdir(parents=True)
    for path in (state_dir, state_dir / "sandboxes"):
        path.chmod(0o700)

    def remove(path: Path) -> None:
        if path == leftover.resolve():
            raise error
        remove_tree(path)

    monkeypatch.setattr("sandtui.local.drivers.agents.remove_tree", remove)
    api = await start("process")
    box = await api.running()
    assert (await api.call("DELETE", f"/sandbox/{box}")).status_code == 200
    assert [path.name for path in (state_dir / "sandboxes").iterdir()] == ["sbx_stays"]


async def test_a_sandbox_that_cannot_be_removed_is_ended_all_the_same(
    real: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await real.running()

    def remove(path: Path) -> None:
        raise RecursionError

    monkeypatch.setattr("sandtui.local.drivers.agents.remove_tree", remove)
    assert (await real.call("DELETE", f"/sandbox/{box}")).status_code == 200
    assert (await real.sandbox(box))["status"] == "TERMINATED"


async def test_files_far_down_can_be_read_and_written(real: Api) -> None:
    deep = "/workspace/" + "d/" * 1900
    box = await real.running()
    reply = await real.upload(box, f"{deep}file", b"far down")
    assert reply.status_code == 200, reply.text
    assert (await real.download(box, f"{deep}file")).content == b"far down"
    again = await real.download(box, f"{deep}../../{'d/' * 2}file")
    assert again.content == b"far down"


def test_a_path_stays_within_the_root(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "up").symlink_to("../../../out")
    (tmp_path / "root" / "a" / "top").symlink_to("/a/b/../b")
    (tmp_path / "root" / "a" / "b" / "file").write_text("in")
    tree = Tree(str(tmp_path / "root"))
    for path in ("/a/top/file", "/../../a/b/../../a/b/file", "a/b/./file", "/a/top/../b/file"):
        fd = tree.open_read(path)
        assert os.read(fd, 10) == b"in", path
        os.close(fd)
    for path in ("/a/up/file", "/a/b/../../../out/file"):
        with pytest.raises(FileNotFoundError):
            tree.open_read(path)
    before = descriptors()
    for path in ("/a/b/../b/../none/x", "/a/up/none/x", "/none/../a/x"):
        with pytest.raises(OSError):
            tree.open_read(path)
    assert descriptors() == before


def descriptors() -> int:
    """Return how many descriptors this process has, where the system tells."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.fixture
async def connected(served: Api) -> AsyncIterator[AsyncSandboxClient]:
    config = Config(api_key=served.platform.api_key, base_url=served.platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        yield client


KINDS = {"container": {}, "vm": {"vm": True}}
RESTLESS = {
    "floods": "exec yes 4711",
    "floods both": "yes 4711 & exec yes 4711 >&2",
    "waits": "sleep 4711 & exec sleep 4711",
    "ignores": "trap '' TERM INT HUP; while :; do sleep 4711; done",
    "drips": "while :; do echo 4711; sleep 0.001 4711e-9; done",
}


# A pattern that doesn't match its own command line.
LEFT = "grep -l 471[1] /proc/[0-9]*/cmdline"


async def none_left(api: Api, box: str) -> None:
    """Wait until no process of a command is left."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (await api.run(box, LEFT)).json()["stdout"]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", RESTLESS)
async def test_a_deadline_ends_any_command(served: Api, connected: AsyncSandboxClient, kind: str, command: str) -> None:
    box = await served.running(**KINDS[kind])
    with pytest.raises(CommandTimeoutError):
        await connected.execute_command(box, RESTLESS[command], timeout=1)
    await none_left(served, box)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", RESTLESS)
async def test_whoever_goes_takes_the_command_along(
    served: Api, connected: AsyncSandboxClient, kind: str, command: str
) -> None:
    box = await served.running(**KINDS[kind])
    running = asyncio.create_task(connected.execute_command(box, RESTLESS[command]))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not (await served.run(box, LEFT)).json()["stdout"]:
            await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await none_left(served, box)


async def test_leaving_a_stream_ends_its_command(served: Api, connected: AsyncSandboxClient) -> None:
    box = await served.running(vm=True)
    for command in RESTLESS.values():
        async with aclosing(connected.stream_command(box, f"echo begun; {command}")) as events:
            async for event in events:
                if isinstance(event, CommandOutput):
                    break
        await none_left(served, box)


async def test_a_client_that_does_not_read_is_cut_off_at_its_deadline(served: Api) -> None:
    box = await served.running(vm=True)
    rpc = await Rpc.of(served, box)
    async with rpc.start("exec yes 4711", timeout=0.5) as events:
        await events.pid()
        await none_left(served, box)


async def test_a_session_that_floods_nobody_leaves_the_platform_alone(served: Api) -> None:
    box = await served.running(vm=True)
    rpc = await Rpc.of(served, box)
    async with rpc.start("exec yes 4711", session_uuid="00000000-0000-4000-8000-000000000001") as events:
        await events.pid()
    assert await served.output(box, "echo here") == "here\n"


@pytest.mark.parametrize("kind", KINDS)
async def test_no_output_is_gathered_without_measure(
    served: Api, connected: AsyncSandboxClient, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "MAX_OUTPUT", 100_000)
    monkeypatch.setattr(commands, "MAX_OUTPUT", 100_000)
    box = await served.running(**KINDS[kind])
    done = await connected.execute_command(box, "yes | head -c 300000; yes | head -c 300001 >&2; exit 3")
    assert (done.exit_code, len(done.stdout)) == (3, 100_000)
    assert done.stderr[100_000:] == (
        "\nsandbox: stdout was truncated to 100000 bytes, 200000 dropped\n"
        "\nsandbox: stderr was truncated to 100000 bytes, 200001 dropped\n"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["/dev/zero", "/dev/urandom"])
async def test_binary_output_comes_whole_or_says_that_it_is_cut(
    served: Api, connected: AsyncSandboxClient, kind: str, source: str
) -> None:
    box = await served.running(**KINDS[kind])
    done = await connected.execute_command(box, f"head -c 12000000 {source}; exit 5", timeout=60)
    assert done.exit_code == 5
    if done.stderr:
        (cut,) = re.findall(r"sandbox: stdout was truncated to (\d+) bytes", done.stderr)
        assert len(done.stdout) <= int(cut) < 12_000_000
    elif source == "/dev/zero":
        assert done.stdout == "\0" * 12_000_000


async def test_both_streams_may_be_full(served: Api, connected: AsyncSandboxClient) -> None:
    box = await served.running()
    done = await connected.execute_command(box, "yes | head -c 40000000 & yes '\"' | head -c 40000000 >&2; wait")
    assert done.exit_code == 0
    assert len(done.stdout) + len(done.stderr) > 20_000_000
    assert re.findall(r"sandbox: (\w+) was truncated to", done.stderr) == ["stdout", "stderr"]


async def test_characters_are_not_torn_where_output_comes_in_parts(served: Api) -> None:
    box = await served.running()
    text = "ä€😀" * 50_000
    await served.upload(box, "/workspace/text", text.encode())
    assert await served.output(box, "cat text") == text
    torn = await served.run(box, "printf '\\342\\202'; printf '\\377\"\\\\\\n' >&2")
    assert (torn.json()["stdout"], torn.json()["stderr"]) == ("�", '�"\\\n')
