"""What code in a sandbox may try on its platform: trees, names and output without measure."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandtui.local.agent.tree import Tree
from sandtui.local.files import remove_tree
from tests.local.support import Api, Start, cleared

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


def test_what_is_no_directory_is_removed_too(tmp_path: Path) -> None:
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
async def test_a_leftover_that_can_not_be_removed_is_left(
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


async def test_a_sandbox_that_can_not_be_removed_is_ended_all_the_same(
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
