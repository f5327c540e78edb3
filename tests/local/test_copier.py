"""Copies of trees and images, without a sandbox: by an ordinary user too, and onto a disk that is full."""

import mmap
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandtui.local.copier import images, owners, trees
from sandtui.local.drivers.disk_limits import find_mkfs

needs_mkfs = pytest.mark.skipif(find_mkfs() is None, reason="mkfs.ext4 is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes owners")

ROOT = Path(__file__).resolve().parents[2]
AS_NOBODY = """
import os, sys
from sandtui.local.copier import trees
os.setgid(65534), os.setuid(65534)
trees.copy_tree(sys.argv[1], sys.argv[2], 0)
"""


def odd_tree(top: Path, depth: int = 1500, count: int = 300) -> None:
    top.mkdir()
    (top / "file").write_bytes(b"x" * 10_000)
    (top / "link").symlink_to("file")
    os.link(top / "file", top / "other")
    os.mkfifo(top / "fifo")
    (top / os.fsdecode(b"bad-\xff")).write_text("name")
    (top / "closed").mkdir()
    (top / "closed" / "inside").write_text("y")
    (top / "closed").chmod(0o100)
    for number in range(count):
        (top / f"small-{number}").touch()
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def depth_of(top: Path) -> int:
    here, depth = os.open(top, os.O_RDONLY), 0
    while True:
        try:
            below = os.open("d", os.O_RDONLY, dir_fd=here)
        except FileNotFoundError:
            os.close(here)
            return depth
        os.close(here)
        here, depth = below, depth + 1


def remove(path: Path) -> None:
    from sandtui.local.files import remove_tree

    remove_tree(path)


def test_a_tree_deeper_than_any_path(tmp_path: Path) -> None:
    odd_tree(tmp_path / "a")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    trees.copy_tree(str(tmp_path / "a"), str(tmp_path / "b"), 0)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert depth_of(tmp_path / "b") == 1500
    assert {path.name for path in (tmp_path / "b").iterdir()} == {path.name for path in (tmp_path / "a").iterdir()}
    assert (tmp_path / "b" / "file").stat().st_nlink == 2
    assert (tmp_path / "b" / "file").stat().st_ino == (tmp_path / "b" / "other").stat().st_ino
    for path in (tmp_path / "a", tmp_path / "b"):
        remove(path)


@needs_root
def test_an_ordinary_user_copies_what_its_modes_forbid(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    top = tmp_path / "a"
    odd_tree(top, depth=3, count=3)
    (top / "closed").chmod(0)
    (top / "file").chmod(0)
    for path in (top / "d").rglob("*"):
        os.lchown(path, 65534, 65534)
    for path in (*top.iterdir(), top / "closed" / "inside"):
        os.lchown(path, 65534, 65534)
    os.chown(top, 65534, 65534)
    (top / "closed").chmod(0)
    subprocess.run([sys.executable, "-c", AS_NOBODY, str(top), str(tmp_path / "b")], check=True, cwd=ROOT)
    for copy in (top, tmp_path / "b"):
        assert (copy / "closed").stat().st_mode & 0o777 == 0
        assert (copy / "file").stat().st_mode & 0o777 == 0
    assert (tmp_path / "b" / "closed" / "inside").read_text() == "y"
    assert (tmp_path / "b" / "file").read_bytes() == b"x" * 10_000


def test_a_copy_refuses_to_fill_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100) + b"data")
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(OSError, match="No space"):
        images.check_space(str(tmp_path), 1, free * 2)


def test_an_older_copy_is_brought_up_to_date(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a"), str(tmp_path / "b")
    with Path(source).open("wb") as file:
        file.truncate(20_000_000)
        for position in (0, 5_000_000, 12_000_000):
            file.seek(position)
            file.write(os.urandom(300_000))
    images.copy_image(source, target, 0)
    assert Path(source).read_bytes() == Path(target).read_bytes()
    with Path(source).open("r+b") as file:
        file.seek(5_000_100)
        file.write(b"changed")
        file.seek(17_000_000)
        file.write(b"new")
    assert images.update_image(source, target) > 0
    assert Path(source).read_bytes() == Path(target).read_bytes()
    # What the source gave back is given back in the copy.
    with Path(source).open("r+b") as file:
        file.truncate(4_000_000)
        file.truncate(20_000_000)
    images.update_image(source, target)
    assert Path(source).read_bytes() == Path(target).read_bytes()
    assert Path(target).stat().st_blocks == Path(source).stat().st_blocks


@needs_mkfs
@needs_root
def test_owners_lists_and_capabilities_move_to_the_new_users(tmp_path: Path) -> None:
    import struct

    old, new = 700_000, 900_000
    tree, image = tmp_path / "tree", tmp_path / "image"
    tree.mkdir()
    for number in range(500):
        path = tree / f"file-{number}"
        path.touch()
        os.chown(path, old + number, old + 65535 - number)
    os.chown(tree, 0, old)
    listed = tree / "file-1"
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, 7, owner)
        for tag, owner in (
            (1, 0xFFFFFFFF),
            (2, old + 5),
            (4, 0xFFFFFFFF),
            (8, old + 6),
            (16, 0xFFFFFFFF),
            (32, 0xFFFFFFFF),
        )
    )
    os.setxattr(listed, "system.posix_acl_access", acl)
    os.setxattr(tree / "file-2", "user.large", b"x" * 600)
    os.setxattr(tree / "file-2", "system.posix_acl_access", acl)
    os.setxattr(tree / "file-3", "security.capability", struct.pack("<6I", 0x03000001, 1, 0, 0, 0, old))
    program = find_mkfs()
    assert program is not None
    subprocess.run(
        [program, "-q", "-F", "-I", "256", "-O", "^metadata_csum,^has_journal", "-d", tree, image, "64M"], check=True
    )
    owners.shift_owners(str(image), old, new)
    checked = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    assert checked.returncode in (0, 4), checked.stdout
    assert "Pass 5" in checked.stdout

    def ask(request: str) -> str:
        done = subprocess.run(["debugfs", "-R", request, image], capture_output=True, text=True, check=True)
        return done.stdout

    for number in (0, 1, 250, 499):
        text = ask(f"stat file-{number}")
        assert f"User: {new + number:5}" in text
        assert f"Group: {new + 65535 - number:5}" in text
    assert "User:     0" in ask("stat /")
    for name in ("file-1", "file-2"):
        raw = tmp_path / "acl"
        ask(f"ea_get -f {raw} {name} system.posix_acl_access")
        assert struct.pack("<I", new + 5) in raw.read_bytes()
        assert struct.pack("<I", old + 5) not in raw.read_bytes()
    ask(f"ea_get -f {tmp_path / 'cap'} file-3 security.capability")
    assert struct.unpack("<6I", (tmp_path / "cap").read_bytes())[5] == new


def listing(top: Path) -> dict[str, tuple[object, ...]]:
    """Return everything that a copy must have in common with its source."""
    names: dict[int, list[str]] = {}
    paths = sorted(top.rglob("*"))
    for path in paths:
        names.setdefault(path.lstat().st_ino, []).append(str(path.relative_to(top)))
    found: dict[str, tuple[object, ...]] = {}
    for path in paths:
        here, content = path.lstat(), None
        if path.is_symlink():
            content = str(path.readlink()).encode()
        elif path.is_file():
            content = path.read_bytes()
        owner = (here.st_uid, here.st_gid)
        found[str(path.relative_to(top))] = (here.st_mode, owner, here.st_mtime_ns, content, names[here.st_ino])
    return found


def change_everything(top: Path) -> None:
    """Change a tree in ways that times and sizes alone do not show."""
    times = (top / "same").stat()
    (top / "same").write_bytes(b"other")
    os.utime(top / "same", ns=(times.st_atime_ns, times.st_mtime_ns))
    (top / "sub" / "gone").unlink()
    (top / "folder").rename(top / "sub" / "moved")
    (top / "file").unlink()
    (top / "file").mkdir()
    (top / "file" / "new").write_text("new")
    shutil.rmtree(top / "tree")
    (top / "tree").write_text("a file now")
    (top / "two").unlink()
    os.link(top / "one", top / "three")
    (top / "one").chmod(0o600)
    (top / "a").rename(top / "c"), (top / "b").rename(top / "a"), (top / "c").rename(top / "b")
    (top / "to").unlink()
    (top / "to").symlink_to("elsewhere")


def prepared(top: Path) -> None:
    for name in ("sub", "folder/in", "tree/deep/er"):
        (top / name).mkdir(parents=True)
    for name in ("same", "sub/gone", "sub/stays", "folder/in/x", "file", "tree/deep/er/y", "one", "a", "b", "mapped"):
        (top / name).write_text(name[-5:].rjust(5))
    os.link(top / "one", top / "two")
    (top / "to").symlink_to("one")


@pytest.mark.parametrize("moment", ["between", "after"])
def test_a_copy_in_stages_misses_no_change(tmp_path: Path, moment: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    prepared(source)
    copy = trees.StagedCopy(str(source), str(target), 0)
    passes = []

    def sync() -> None:
        os.sync()
        passes.append(len(passes))
        if moment == "between" and len(passes) == 2:
            change_everything(source)

    with (source / "mapped").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:1] = b"1"
        copy.prepare(sync)
        # Without a system call, and of a page that is not clean, perhaps.
        memory[0:1] = b"2"
        if moment == "after":
            change_everything(source)
        memory.flush()
        assert copy.complete() > 0
    assert passes == [0, 1]
    assert listing(target) == listing(source)
    assert (target / "mapped").read_bytes()[:1] == b"2"
    assert not (target / ".sandtui-links").exists()


def test_a_copy_in_stages_of_a_tree_that_never_rests(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    prepared(source)
    for number in range(400):
        (source / f"many-{number}").write_bytes(os.urandom(3000))
    over = threading.Event()

    def churn() -> None:
        number = 0
        while not over.is_set():
            number += 1
            here = source / f"churn-{number % 7}"
            shutil.rmtree(here, ignore_errors=True)
            (here / "in").mkdir(parents=True, exist_ok=True)
            (here / "in" / "file").write_bytes(b"%d" % number)
            os.link(here / "in" / "file", here / f"link-{number}")
            (here / "in").rename(source / f"moved-{number % 5}-{number}")
            shutil.rmtree(source / f"moved-{number % 5}-{number}", ignore_errors=True)
            (source / f"many-{number % 400}").write_bytes(b"%d" % number)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        copy = trees.StagedCopy(str(source), str(target), 0)
        copy.prepare(lambda: None)
    finally:
        over.set()
        thread.join()
    copy.complete()
    assert listing(target) == listing(source)
    trees.clear(str(target))
    assert list(target.iterdir()) == []
