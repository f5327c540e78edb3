"""Memory and cores: by control groups where this machine allows them, else by watching."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from sandtui.local.drivers import agents
from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.cgroups import Group, find_cgroups
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


async def test_what_fits_goes_on(limited: Api) -> None:
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
    group = Group.load(isolated.platform.settings.state_dir / "sandboxes" / box)
    assert group is not None
    place = group._paths["cpu"]
    name = "cpu.max" if groups.version == 2 else "cpu.cfs_quota_us"
    assert (place / name).read_text().split()[0] == "50000"
    pids = (place / "cgroup.procs").read_text().split()
    assert pids, "the sandbox is not in its group"
    await isolated.call("DELETE", f"/sandbox/{box}")
    async with asyncio.timeout(60):
        while place.exists():
            await asyncio.sleep(0.01)


async def test_a_file_can_not_outgrow_the_disk(isolated: Api) -> None:
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
    found = Group.load(tmp_path)
    assert found is not None
    assert found.oom_kills() == 0
    found.remove()
    assert os.waitpid(pid, 0)[1] == 9
    assert not any(Path(file).exists() for file in files)
    found.remove()
    groups.close()


def test_a_group_that_can_not_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DriverError, match="limits"):
        Group(1, {"memory": tmp_path / "file" / "x"}).create(1e12, 1.0)
