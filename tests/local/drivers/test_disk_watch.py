"""The disk of a sandbox where nothing limits it, as for an ordinary user: it is watched, and who has too much ends."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandtui.local.agent.usage import DiskMeter, walk
from sandtui.local.drivers.agent_instance import AgentInstance
from sandtui.local.drivers.disk_limits import inodes_for
from sandtui.local.drivers.selection import Mode
from tests.local.ordinary import ordinary_sandbox, run
from tests.local.support import Api, Start, cleared, namespaces_work

SMALLEST_GB = 0.1
SIZE = int(SMALLEST_GB * 1024**3)
# Each takes more than it may in a way of its own, and goes on for a while.
GREEDY = {
    "many files": "for n in $(seq 60); do head -c 5M /dev/zero > /tmp/$n; done",
    "one after the other": "for n in $(seq 60); do head -c 5M /dev/zero >> /tmp/$((n % 3)); done",
    "in the place of programs": "for n in $(seq 60); do head -c 5M /dev/zero > /usr/local/lib/$n; done",
    "behind a closed door": "cd /root; mkdir d; cd d; chmod 0 .; for n in $(seq 60); do head -c 5M /dev/zero >$n; done",
    "far down": (
        "python3 -c \"import os\nfor n in range(3000): os.mkdir('d'); os.chdir('d')\n"
        "for n in range(60): open(str(n), 'wb').write(bytes(5 << 20))\""
    ),
    "without a name": (
        "python3 -c \"import os, time\nfor n in range(60):\n f = open('/tmp/f', 'wb'); os.unlink('/tmp/f')\n"
        " f.write(bytes(5 << 20)); globals()[f'f{n}'] = f\ntime.sleep(60)\""
    ),
    "filled holes": "for n in $(seq 9); do truncate -s 90M $n; dd if=/dev/zero of=$n bs=1M count=30 conv=notrunc; done",
    "names alone": f"mkdir /tmp/d; cd /tmp/d; seq {2 * inodes_for(SIZE)} | xargs touch",
}


@pytest.fixture
async def watched(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A platform in the mode of an ordinary user."""
    await namespaces_work(tmp_path, mapped=False)

    async def ordinary(*_: object) -> Mode:
        return Mode(False, None, "", None, "there is no other way here")

    monkeypatch.setattr("sandtui.local.drivers.selection.find_mode", ordinary)
    return await start("namespace")


@pytest.fixture
async def of_an_ordinary_user() -> AsyncIterator[AgentInstance]:
    async with ordinary_sandbox("none", watched=(SIZE, inodes_for(SIZE))) as instance:
        yield instance


@pytest.mark.parametrize("how", GREEDY)
async def test_a_sandbox_with_too_much_on_the_disk_ends(watched: Api, how: str) -> None:
    fields = {"disk_size_gb": SMALLEST_GB, "network_access": False}
    box, other = await watched.running(**fields), await watched.running(**fields)
    await watched.output(other, "head -c 50M /dev/zero > /workspace/fine")
    # In the background, as a command that is over has no part in it.
    await watched.upload(box, "/tmp/greedy.sh", f"{GREEDY[how]}\nsleep 60\n".encode())
    await watched.run(box, "nohup sh /tmp/greedy.sh > /dev/null 2>&1 &")
    ended = await watched.until(box, "ERROR")
    assert (ended["errorType"], ended["exitCode"]) == ("DISK_FULL", 137)
    assert "0.1 GB of disk" in ended["errorMessage"]
    assert await watched.output(other, "echo well; du -sm /workspace | cut -f1") in ("well\n50\n", "well\n51\n")
    await cleared(watched.platform.settings.state_dir, other)


async def test_a_command_that_takes_too_much_gets_the_reason(watched: Api) -> None:
    box = await watched.running(disk_size_gb=SMALLEST_GB, network_access=False)
    reply = await watched.run(box, f"{GREEDY['many files']}; sleep 60")
    assert (reply.status_code, reply.json()["error"]) == (409, "sandbox_not_running")
    assert (await watched.sandbox(box))["errorType"] == "DISK_FULL"


async def test_uploads_count_where_no_process_runs(watched: Api) -> None:
    box = await watched.running(disk_size_gb=SMALLEST_GB, network_access=False)
    for number in range(5):
        reply = await watched.upload(box, f"/workspace/{number}", bytes(30_000_000))
        if reply.status_code != 200:
            break
    assert (await watched.until(box, "ERROR"))["errorType"] == "DISK_FULL"


async def test_what_fits_continues(watched: Api) -> None:
    box = await watched.running(disk_size_gb=SMALLEST_GB, network_access=False)
    # Much more than fits, one at a time, with holes, links and what belongs to the machine.
    await watched.output(
        box,
        "for n in $(seq 8); do head -c 40M /dev/zero > f; sleep 0.2; rm f; done; truncate -s 90M hole; "
        "head -c 60M /dev/zero > one; for n in $(seq 9); do ln one link$n; done; sleep 2",
    )
    assert await watched.output(box, "echo well") == "well\n"
    assert "watched" in watched.platform.driver.isolation
    assert "there is no other way here" in watched.platform.driver.isolation


@pytest.mark.parametrize("how", ["many files", "names alone", "behind a closed door"])
async def test_the_disk_of_an_ordinary_user_is_watched(of_an_ordinary_user: AgentInstance, how: str) -> None:
    assert (await run(of_an_ordinary_user, "head -c 50M /dev/zero > /workspace/fine; sleep 1; echo well")) == (
        "well\n",
        0,
    )
    assert (await run(of_an_ordinary_user, f"{GREEDY[how]}; sleep 60"))[1] == 137
    assert await of_an_ordinary_user.exceeded_limits()


def test_a_walk_finds_every_file_once(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(200):
        deep /= "d"
    deep.mkdir(parents=True)
    for number in range(300):
        (tmp_path / "d" / str(number)).write_bytes(bytes(5000))
    (deep / "last").write_bytes(bytes(100_000))
    (tmp_path / "out").symlink_to("/usr")
    os.link(deep / "last", tmp_path / "again")
    root = os.open(tmp_path, os.O_RDONLY)
    rows = list(walk(root))
    assert sum(count for _, count in rows) == 200 + 300 + 1 + 1 + 1
    files = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    expected = sum(path.lstat().st_blocks * 512 // (1 if path.is_dir() else path.lstat().st_nlink) for path in files)
    assert abs(sum(used for used, _ in rows) - expected) <= 8192
    meter = DiskMeter(root, 10**9, 504)
    assert not any(meter.is_over([]) for _ in range(100))
    assert DiskMeter(root, 1000, 504).wait > 0
    os.close(root)
