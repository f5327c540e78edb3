"""Memory and cores: by control groups where this machine allows them, else by watching."""

import asyncio
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from sandtui.local.drivers import agents
from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.cgroups import ControlGroup, find_cgroups
from tests.local.rpc import Rpc, RpcError
from tests.local.support import Api, Start, cleared, namespaces_work

HOG = "python3 -c \"x = b'x' * (600 << 20); import time; time.sleep(30)\""


@pytest.fixture(params=["groups", "watched"])
async def limited(request: pytest.FixtureRequest, start: Start, tmp_path: Path, monkeypatch: Any) -> Api:
    """A platform that limits memory, once for each way."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    if request.param == "watched":
        monkeypatch.setattr(agents, "find_cgroups", lambda _: None)
    elif find_cgroups(tmp_path) is None:
        pytest.skip("no control groups here")
    return await start("namespace")


async def test_a_command_over_the_memory_ends_the_sandbox(limited: Api) -> None:
    box, other = await limited.running(memory_gb=0.3), await limited.running(memory_gb=0.3)
    reply = await limited.run(box, HOG)
    assert (reply.status_code, reply.json()["error"]) == (409, "sandbox_not_running")
    ended = await limited.sandbox(box)
    assert (ended["status"], ended["errorType"], ended["exitCode"]) == ("ERROR", "OOM_KILLED", 137)
    assert "0.3 GB" in ended["errorMessage"]
    context = (await limited.call("GET", f"/sandbox/{box}/error-context")).json()
    assert context["errorType"] == "OOM_KILLED"
    assert await limited.output(other, "echo well") == "well\n"
    await cleared(limited.platform.settings.state_dir, other)


async def test_a_start_command_over_the_memory_ends_the_sandbox(limited: Api) -> None:
    box = (await limited.create(memory_gb=0.3, start_command=HOG))["id"]
    ended = await limited.until(box, "ERROR")
    assert ended["errorType"] == "OOM_KILLED"


async def test_children_count_together(limited: Api) -> None:
    box = await limited.running(memory_gb=0.3)
    await limited.upload(box, "/tmp/hog.py", b"x = b'x' * (150 << 20); import time; time.sleep(30)")
    await limited.run(box, "for n in 1 2 3; do nohup python3 /tmp/hog.py > /dev/null 2>&1 & done")
    ended = await limited.until(box, "ERROR")
    assert ended["errorType"] == "OOM_KILLED"


async def test_what_fits_continues(limited: Api) -> None:
    box = await limited.running(memory_gb=1)
    assert await limited.output(box, "python3 -c \"x = b'x' * (300 << 20); print(len(x))\"") == f"{300 << 20}\n"
    reply = await limited.run(box, "kill -9 $$")
    assert (reply.status_code, reply.json()["exit_code"]) == (200, 137)
    assert await limited.output(box, "echo well") == "well\n"


async def test_a_command_session_over_the_memory_is_not_found(served: Api) -> None:
    box = await served.running(memory_gb=0.3, vm=True)
    rpc = await Rpc.of(served, box)
    with pytest.raises(RpcError) as caught:
        await rpc.run(HOG)
    assert caught.value.code == "not_found"
    assert (await served.sandbox(box))["errorType"] == "OOM_KILLED"


async def test_cores_are_limited(isolated: Api, state_dir: Path) -> None:
    groups = find_cgroups(state_dir)
    if groups is None or not groups.has_cores:
        pytest.skip("no control groups for cores here")
    box = await isolated.running(cpu_cores=0.5)
    group = ControlGroup.load(isolated.platform.settings.state_dir / "sandboxes" / box)
    assert group is not None
    place = group.paths["cpu"]
    name = "cpu.max" if groups.version == 2 else "cpu.cfs_quota_us"
    assert (place / name).read_text().split()[0] == "50000"
    pids = (place / "cgroup.procs").read_text().split()
    assert pids, "the sandbox is not in its group"
    await isolated.call("DELETE", f"/sandbox/{box}")
    async with asyncio.timeout(60):
        while place.exists():
            await asyncio.sleep(0.01)


async def test_a_file_cannot_outgrow_the_disk(isolated: Api) -> None:
    box = await isolated.running(disk_size_gb=0.1)
    reply = (await isolated.run(box, "truncate -s 200M /workspace/big; echo $?")).json()
    assert reply["stdout"].strip() != "0" or "File too large" in reply["stderr"]
    assert int(await isolated.output(box, "stat -c %s /workspace/big 2>/dev/null || echo 0")) <= 0.1 * 1024**3


def test_a_group_is_found_again_and_its_processes_ended(tmp_path: Path) -> None:
    groups = find_cgroups(tmp_path)
    if groups is None:
        pytest.skip("no control groups here")
    group = groups.group("sbx_test")
    group.save(tmp_path)
    files = group.create(1.0, 1.0)
    pid = os.posix_spawn("/bin/sleep", ["sleep", "300"], {})
    for file in files:
        Path(file).write_text(str(pid))
    found = ControlGroup.load(tmp_path)
    assert found is not None
    assert found.oom_kills() == 0
    found.remove()
    assert os.waitpid(pid, 0)[1] == 9
    assert not any(Path(file).exists() for file in files)
    found.remove()
    groups.close()


def test_a_group_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DriverError, match="limits"):
        ControlGroup(1, {"memory": tmp_path / "file" / "x"}).create(1e12, 1.0)


# Each puts 600 MB where no process shows them as its own, and goes on for a while, unless it says otherwise.
HIDDEN = {
    "memfd": "import os; f = os.memfd_create('x'); [os.write(f, b'x' * (1 << 20)) for _ in range(600)]",
    "memfds": "import os; [os.write(os.memfd_create('x'), b'x' * (6 << 20)) for _ in range(100)]",
    "a memfd without a name of its own": (
        "import os; f = os.memfd_create('/tmp/plain file', 0); [os.write(f, b'x' * (1 << 20)) for _ in range(600)]"
    ),
    "a file in /dev/shm": "open('/dev/shm/f', 'wb').write(b'x' * (400 << 20))",
    "an unlinked file": "import os; f = open('/dev/shm/f', 'wb'); os.unlink('/dev/shm/f'); f.write(b'x' * (400 << 20))",
    "a segment": (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True); c.shmat.restype = ctypes.c_void_p\n"
        "for _ in range(6):\n"
        "    at = c.shmat(c.shmget(0, ctypes.c_size_t(100 << 20), 0o1600), None, 0)\n"
        "    ctypes.memset(at, 1, 100 << 20); c.shmdt(ctypes.c_void_p(at))"
    ),
    "shared memory": "import mmap; m = mmap.mmap(-1, 600 << 20); m.write(b'x' * (600 << 20))",
}


@pytest.mark.parametrize("where", HIDDEN)
async def test_memory_outside_of_any_process_counts_too(limited: Api, where: str) -> None:
    box, other = await limited.running(memory_gb=0.3), await limited.running(memory_gb=0.3)
    await limited.upload(box, "/tmp/hide.py", f"{HIDDEN[where]}\nimport time; time.sleep(60)\n".encode())
    assert (await limited.run(box, "python3 /tmp/hide.py")).status_code == 409
    ended = await limited.until(box, "ERROR")
    assert ended["errorType"] == "OOM_KILLED"
    assert await limited.output(other, "echo well") == "well\n"


async def test_memory_that_several_share_counts_once(limited: Api) -> None:
    box = await limited.running(memory_gb=0.5)
    code = """
import mmap, os, sys, time
from multiprocessing import shared_memory
anonymous = mmap.mmap(-1, 100 << 20)
anonymous.write(b"x" * (100 << 20))
named = shared_memory.SharedMemory(create=True, size=100 << 20)
named.buf[:] = b"x" * (100 << 20)
memfd = os.memfd_create("x")
os.write(memfd, b"x" * (50 << 20))
mapped = mmap.mmap(memfd, 50 << 20)
for _ in range(3):
    if os.fork() == 0:
        sum(anonymous[::4096]); sum(named.buf[::4096]); sum(mapped[::4096])
        time.sleep(2)
        os._exit(0)
time.sleep(1.5)
"""
    await limited.upload(box, "/tmp/share.py", code.encode())
    await limited.output(box, "python3 /tmp/share.py")
    assert await limited.output(box, "echo well") == "well\n"


async def test_files_in_memory_are_bounded_in_size_and_number(isolated: Api) -> None:
    box = await isolated.running()
    mounts = await isolated.output(box, "cat /proc/self/mountinfo")
    in_memory = [line for line in mounts.splitlines() if " - tmpfs " in line and " /etc/" not in line]
    assert len(in_memory) >= 3
    for line in in_memory:
        options = line.rpartition(" ")[2]
        assert "size=" in options and "nr_inodes=" in options, line
    many = "for i in range(200_000): open(f'/run/{i}', 'w').close()"
    assert "No space left" in (await isolated.run(box, f'python -c "{many}"')).json()["stderr"]


TURN = """
import ctypes, os, struct
number = {"x86_64": 315, "aarch64": 275, "riscv64": 275}.get(os.uname().machine)
found = ctypes.create_string_buffer(56)
if number is None or ctypes.CDLL(None).syscall(number, 0, found, 56, 0):
    print("unknown")
else:
    print(*struct.unpack_from("=II8xi", found, 0)[1:], struct.unpack_from("=Q", found, 24)[0])
"""


@pytest.mark.parametrize("driver", ["namespace", "process"])
async def test_commands_take_short_turns_and_have_the_usual_policy(start: Start, tmp_path: Path, driver: str) -> None:
    """Beside a program that never sleeps, a request would otherwise wait a whole turn for each process in its way."""
    if driver == "namespace":
        await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start(driver)
    box = await api.running()
    found = await api.output(box, f"python3 -c {shlex.quote(TURN)}")
    if found == "unknown\n":
        pytest.skip("this machine's processor is not known")
    policy, nice, length = map(int, found.split())
    assert (policy, nice) == (0, os.getpriority(os.PRIO_PROCESS, 0))
    if length == 0:
        pytest.skip("this kernel has no turns of a chosen length")
    assert length < 1_000_000
