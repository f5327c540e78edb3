"""The disk of a whole sandbox: its bytes, its files, and that nothing of it stays behind."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandtui.local.drivers.disk_limits import ImageLimit, find_mkfs, inodes_for, layout
from sandtui.local.drivers.namespace import find_disk_limit
from tests.local.support import GIVE_UP_SECONDS, Api, Start, cleared, namespaces_work, processes_of
from tests.local.test_serve import execute, running, serving

SMALLEST_GB = 0.1
SIZE = int(SMALLEST_GB * 1024**3)
FILL = "n=0; while head -c 5M /dev/zero > {0}/fill$n; do n=$((n + 1)); [ $n -lt 60 ] || break; done; sync; echo"


@pytest.fixture
async def bounded(start: Start, tmp_path: Path) -> Api:
    """A platform that bounds the disk of a whole sandbox."""
    await namespaces_work(tmp_path, mapped=True)
    limit, reason = await find_disk_limit(tmp_path, mapped=True)
    if limit is None:
        pytest.skip(f"nothing bounds the disk of a sandbox here: {reason}")
    return await start("namespace")


def images_in_use(state_dir: Path) -> list[str]:
    """Return the loop devices of this machine that belong to a state directory."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    found = []
    for file in files:
        try:
            found.append(file.read_text())
        except OSError:
            continue  # let go of meanwhile
    return [text for text in found if text.startswith(f"{state_dir}/")]


async def let_go(state_dir: Path) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while images_in_use(state_dir):
            await asyncio.sleep(0.01)


async def free(api: Api, box: str) -> int:
    return int(await api.output(box, "df -B1 --output=avail /workspace | tail -n 1"))


@pytest.mark.parametrize(
    "where", ["/workspace", "/sandbox-workspace", "/tmp", "/var/tmp", "/root", "/usr/local/lib", "/home", "/opt"]
)
async def test_many_files_of_legal_size_end_where_the_disk_does(bounded: Api, where: str) -> None:
    box, other = await bounded.running(disk_size_gb=SMALLEST_GB), await bounded.running(disk_size_gb=SMALLEST_GB)
    reply = (await bounded.run(box, FILL.format(where))).json()
    assert "No space left" in reply["stderr"] or "quota exceeded" in reply["stderr"]
    used = int(await bounded.output(box, f"cat {where}/fill* | wc -c"))
    assert 0.9 * SIZE < used < 1.1 * SIZE
    # The same space, wherever it is asked for.
    for directory in ("/workspace", "/tmp", "/root"):
        assert (await bounded.run(box, f"head -c 5M /dev/zero > {directory}/more")).json()["exit_code"] != 0
    assert (await bounded.upload(box, "/workspace/upload", bytes(5_000_000))).status_code == 507
    assert (await bounded.upload(other, "/workspace/upload", bytes(5_000_000))).status_code == 200
    assert (await bounded.run(box, "echo still")).json()["stdout"] == "still\n"
    await bounded.output(box, f"rm -f {where}/fill* /workspace/more /tmp/more /root/more")
    assert (await bounded.upload(box, "/workspace/upload", bytes(5_000_000))).status_code == 200
    assert len((await bounded.download(box, "/workspace/upload")).content) == 5_000_000


async def test_no_number_of_empty_files_takes_the_disk(bounded: Api, state_dir: Path) -> None:
    before = os.statvfs(state_dir).f_ffree
    box, other = await bounded.running(disk_size_gb=SMALLEST_GB), await bounded.running(disk_size_gb=SMALLEST_GB)
    script = """
import os
made = 0
try:
    for number in range(1_000_000):
        if number % 1000 == 0:
            os.makedirs(f"/tmp/{number // 1000}")
        os.close(os.open(f"/tmp/{number // 1000}/{number}", os.O_CREAT))
        made += 1
except OSError as error:
    print(made, os.strerror(error.errno))
"""
    await bounded.upload(box, "/tmp/many.py", script.encode())
    made, _, reason = (await bounded.output(box, "python3 /tmp/many.py")).strip().partition(" ")
    assert reason in ("No space left on device", "Disk quota exceeded")
    assert 0.5 * inodes_for(SIZE) < int(made) <= inodes_for(SIZE)
    assert before - os.statvfs(state_dir).f_ffree < 10 * inodes_for(SIZE)
    await bounded.output(other, "for n in $(seq 2000); do : > /tmp/$n; done")
    assert (await bounded.call("DELETE", f"/sandbox/{box}")).status_code == 200
    await cleared(state_dir, other)


async def test_holes_take_nothing_until_they_are_filled(bounded: Api) -> None:
    box = await bounded.running(disk_size_gb=SMALLEST_GB)
    before = await free(bounded, box)
    await bounded.output(box, "for n in $(seq 30); do truncate -s 90M /workspace/hole$n; done")
    assert before - await free(bounded, box) < 1_000_000
    command = (
        "for n in $(seq 30); do dd if=/dev/zero of=/workspace/hole$n bs=1M seek=40 count=20 conv=notrunc || exit; done"
    )
    assert (await bounded.run(box, command)).json()["exit_code"] != 0
    allocate = "import os; f = os.open('/workspace/f', os.O_CREAT | os.O_RDWR); os.posix_fallocate(f, 0, 100 << 20)"
    assert (await bounded.run(box, f'python3 -c "{allocate}"')).json()["exit_code"] != 0


@pytest.mark.parametrize("gigabytes", [0.1, 0.5, 1, 5, 50, 1000])
async def test_a_sandbox_has_the_disk_that_it_was_promised(bounded: Api, gigabytes: float) -> None:
    box = await bounded.running(disk_size_gb=gigabytes)
    size = gigabytes * 1024**3
    assert 0.995 * size <= await free(bounded, box) < 1.05 * size + 2_000_000


async def test_nothing_of_the_disk_is_left_after_the_end(bounded: Api, state_dir: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    boxes = [await bounded.running(disk_size_gb=SMALLEST_GB) for _ in range(3)]
    # Much that is not written yet when it ends.
    await bounded.output(boxes[0], "head -c 90M /dev/urandom > /workspace/large")
    assert Path("/proc/self/mountinfo").read_text() == mounts
    reply = await bounded.call("DELETE", "/sandbox", json={"sandbox_ids": boxes})
    assert sorted(reply.json()["succeeded"]) == sorted(boxes)
    await cleared(state_dir)
    await let_go(state_dir)


async def test_paths_of_the_machine_are_not_among_the_mounts(bounded: Api, state_dir: Path) -> None:
    box = await bounded.running()
    if "loop device" not in bounded.platform.driver.isolation:
        pytest.skip("the root is a directory of the machine here")
    assert str(state_dir.parent.name) not in await bounded.output(box, "cat /proc/self/mountinfo /proc/1/mountinfo")


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_platform_that_was_killed_leaves_no_disk_behind(bounded: Api, state_dir: Path, is_known: bool) -> None:
    state = state_dir.parent / "other"
    with serving(state, "--driver", "namespace") as (process, client, _):
        box, other = (running(client, disk_size_gb=SMALLEST_GB) for _ in range(2))
        execute(client, box, "echo kept > /workspace/file")
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not is_known:
        for path in state.glob("platform.sqlite3*"):
            path.unlink()
    with serving(state, "--driver", "namespace") as (_, client, _):
        if is_known:
            assert execute(client, box, "cat /workspace/file; df --output=size -m / | tail -n 1")["stdout"].startswith(
                "kept\n"
            )
            full = execute(client, box, FILL.format("/tmp"))
            assert "No space left" in full["stderr"] or "quota exceeded" in full["stderr"]
            execute(client, other, "echo well > /workspace/file")
            for one in (box, other):
                assert client.delete(f"/sandbox/{one}").status_code == 200
        assert list((state / "sandboxes").iterdir()) == []
        await let_go(state)
        again = running(client, disk_size_gb=SMALLEST_GB)
        assert execute(client, again, "ls /workspace")["stdout"] == ""
    await let_go(state)
    assert processes_of(state) == []


async def test_what_bounds_the_disk_is_reported(bounded: Api, tmp_path: Path, state_dir: Path) -> None:
    assert "disk space and inodes are limited by " in bounded.platform.driver.isolation
    limit, reason = await find_disk_limit(tmp_path, mapped=False)
    assert limit is None
    assert "root" in reason
    with serving(state_dir.parent / "other", "--driver", "namespace") as (_, _, info):
        assert "disk space and inodes are limited by " in info["isolation"]


async def test_without_a_program_for_file_systems_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await namespaces_work(tmp_path, mapped=True)
    monkeypatch.setattr("sandtui.local.drivers.namespace.try_quota", lambda *_: "no project quotas")
    monkeypatch.setattr("sandtui.local.drivers.namespace.find_mkfs", lambda: None)
    limit, reason = await find_disk_limit(tmp_path, mapped=True)
    assert (limit, reason) == (None, "no project quotas; mkfs.ext4 is not installed")


def test_an_image_is_small_until_it_is_filled(tmp_path: Path) -> None:
    if (program := find_mkfs()) is None:
        pytest.skip("mkfs.ext4 is not installed")
    limit = ImageLimit(tmp_path, program)
    limit.open()
    images = []
    for number in range(40):
        root = tmp_path / str(number) / "root"
        root.mkdir(parents=True)
        # More sizes than templates are kept for; some come again.
        size = SIZE + (number % 25) * 1024**3
        images.append(Path(limit.prepare(root, size, 0).path))
        found = images[-1].stat()
        assert found.st_size == layout(size)[0] * 4096
        assert found.st_blocks * 512 < 2_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(str(number) for number in range(40))


async def test_everything_a_sandbox_begins_with_belongs_to_its_own_root(bounded: Api) -> None:
    boxes = [await bounded.running(disk_size_gb=SMALLEST_GB) for _ in range(2)]
    # What is mounted in it belongs to others.
    same = '[ "$(stat -c %d "$path")" != "$(stat -c %d /)" ] || echo "$path"'
    strangers = f"find / -xdev '(' ! -user 0 -o ! -group 0 ')' -print | while read -r path; do {same}; done"
    for box in boxes:
        assert await bounded.output(box, strangers) == ""
        assert await bounded.output(box, "stat -c '%a %n' /root /tmp /var/tmp /workspace") in (
            "700 /root\n1777 /tmp\n1777 /var/tmp\n755 /workspace\n",
            "711 /root\n1777 /tmp\n1777 /var/tmp\n755 /workspace\n",  # with an interpreter in there
        )
        command = "chown -h 7:8 /usr/local/bin/python3 /srv && stat -c %u:%g /srv && echo x > /srv/f && pip --version"
        assert (await bounded.output(box, command)).startswith("7:8\npip ")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /usr/local of this machine that a test may change."""
    place = tmp_path / "machine"
    for name in ("bin", "lib/python3.99"):
        (place / name).mkdir(parents=True)
    monkeypatch.setattr("sandtui.local.agent.usr_local.PLACE", str(place))
    return place


def _contains(image: Path, name: str) -> bool:
    return name.encode() in image.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda place: (place / "bin" / "marked-program").touch(),
        lambda place: (place / "marked-program").symlink_to("elsewhere"),
        lambda place: (place / "lib" / "marked-program").mkdir(),
        lambda place: (place / "share" / "marked-program").mkdir(parents=True),
    ],
    ids=["program", "link", "library", "directory"],
)
def test_what_is_installed_later_is_in_later_disks(
    tmp_path: Path, machine: Path, change: Callable[[Path], object]
) -> None:
    if (program := find_mkfs()) is None:
        pytest.skip("mkfs.ext4 is not installed")
    limit, images = ImageLimit(tmp_path, program), []
    for turn in range(3):
        if turn == 2:
            change(machine)
        root = tmp_path / str(turn) / "root"
        root.mkdir(parents=True)
        images.append(limit.prepare(root, SIZE // 4, 0))
    if not images[0].is_laid_out:
        pytest.skip("this mkfs.ext4 makes empty file systems only")
    assert [_contains(Path(image.path), "marked-program") for image in images] == [False, False, True]


async def test_an_old_program_for_file_systems_makes_disks_too(start: Start, tmp_path: Path) -> None:
    if (program := find_mkfs()) is None:
        pytest.skip("mkfs.ext4 is not installed")
    old = tmp_path / "mkfs"
    old.write_text(f'#!/bin/sh\nfor word; do [ "$word" != -d ] || exit 1; done\nexec {program} "$@"\n')
    old.chmod(0o755)
    root = tmp_path / "box" / "root"
    root.mkdir(parents=True)
    image = ImageLimit(tmp_path, str(old)).prepare(root, SIZE, 0)
    assert not image.is_laid_out
    assert Path(image.path).stat().st_size == layout(SIZE)[0] * 4096


def test_no_image_is_made_where_not_even_a_beginning_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (program := find_mkfs()) is None:
        pytest.skip("mkfs.ext4 is not installed")
    limit, root = ImageLimit(tmp_path, program), tmp_path / "box" / "root"
    limit.open()
    root.mkdir(parents=True)
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*tuple(real)[:3], 100, 100, *tuple(real)[5:]))
    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", lambda path: full)
        with pytest.raises(OSError, match="No space left"):
            limit.prepare(root, SIZE, 0)
    assert list(root.parent.iterdir()) == [root]
    limit.prepare(root, SIZE, 0)


async def test_the_disk_of_the_machine_is_never_shut_down(bounded: Api, tmp_path: Path) -> None:
    """What is not written is dropped for the file system of a sandbox alone, whatever process is named."""
    program = find_mkfs()
    if program is None:
        pytest.skip("mkfs.ext4 is not installed")
    box = await bounded.running(disk_size_gb=SMALLEST_GB)
    root = tmp_path / "box" / "root"
    root.mkdir(parents=True)
    limit = ImageLimit(tmp_path, program)
    for has_image in (False, True):
        if has_image:
            limit.prepare(root, SIZE, 0)
        for agent in (os.getpid(), *processes_of(bounded.platform.settings.state_dir)):
            limit.give_up(root, agent)
    (tmp_path / "file").write_text("can be written")
    assert await bounded.output(box, "echo text > /workspace/f; sync; cat /workspace/f") == "text\n"


async def test_only_a_disk_with_much_on_it_is_shut_down(bounded: Api, tmp_path: Path) -> None:
    """Each shutdown is a line in the kernel's log, which takes longer than to write the little that most have."""
    if (program := find_mkfs()) is None:
        pytest.skip("mkfs.ext4 is not installed")
    box = await bounded.running(disk_size_gb=SMALLEST_GB)
    state_dir = bounded.platform.settings.state_dir
    if not images_in_use(state_dir):
        pytest.skip("another limit is used here")
    root, limit = state_dir / "sandboxes" / box / "root", ImageLimit(tmp_path, program)
    for size, is_writable in (("1k", True), ("16M", False)):
        await bounded.output(box, f"head -c {size} /dev/zero > /workspace/f")
        for agent in processes_of(state_dir):
            limit.give_up(root, agent)
        written = (await bounded.run(box, "touch /workspace/after && echo well")).json()
        assert (written["stdout"] == "well\n") is is_writable, written
    await bounded.call("DELETE", f"/sandbox/{box}")
    await let_go(state_dir)


@pytest.mark.parametrize("how", ["exit", "memory"])
async def test_the_disk_goes_with_a_sandbox_that_ends_on_its_own(bounded: Api, state_dir: Path, how: str) -> None:
    fields: dict[str, Any] = {"disk_size_gb": SMALLEST_GB, "memory_gb": 0.3}
    if how == "exit":
        box = (await bounded.create(start_command="head -c 50M /dev/zero > /workspace/f", **fields))["id"]
        await bounded.until(box, "TERMINATED")
    else:
        box = await bounded.running(**fields)
        hog = "python3 -c \"x = b'x' * (600 << 20)\""
        assert isinstance(await bounded.run(box, hog), httpx.Response)
        await bounded.until(box, "ERROR")
    await cleared(state_dir)
    await let_go(state_dir)
