"""The prepared process: sandboxes begin as forks of it, get nothing else of it, and it is always there."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sandtui.local.drivers.launcher import AGENT, Launcher, LaunchFailed
from tests.local.drivers.test_limits import HOG
from tests.local.support import GIVE_UP_SECONDS, Api, Start, cleared, namespaces_work, processes_of
from tests.local.test_serve import alive, running, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

IDLE = {"network_access": False}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not holds():
            await asyncio.sleep(0.005)


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def prepared(parent: int) -> list[int]:
    """Return the prepared processes of a platform."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and parent_of(int(entry.name)) == parent:
            try:
                name, command = (entry / "comm").read_text(), (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if name == "sandtui-zygote\n" and os.fsencode(AGENT) in command:
                found.append(int(entry.name))
    return found


def zygote(api: Api) -> int:
    (found,) = prepared(os.getpid())
    return found


def agents(api: Api) -> list[int]:
    return [pid for pid in processes_of(api.platform.settings.state_dir) if pid != os.getpid()]


def memory_of(pid: int) -> bytes:
    """Return all that a process could read of its own memory."""
    parts = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(number, 16) for number in span.split("-"))
                memory.seek(start)
                try:
                    parts.append(memory.read(end - start))
                except OSError:
                    continue
    return b"\0".join(parts)


def descriptors(pid: int) -> dict[int, str]:
    return {int(fd.name): str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into an agent")


@needs_root
async def test_a_sandbox_gets_nothing_of_the_platform_or_of_another(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await namespaces_work(tmp_path, mapped=True)
    monkeypatch.setenv("A_SECRET_OF_THE_PLATFORM", "hunter2")
    api = await start("namespace")
    first = await api.running(name="needle-alpha", **IDLE)
    (one,) = agents(api)
    await api.running(name="needle-omega", **IDLE)
    (other,) = set(agents(api)) - {one}
    for pid in (one, other, zygote(api)):
        assert Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0") == [
            b"PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", b"LANG=C.UTF-8",
        ]  # fmt: skip
    # The agent itself has forgotten nothing of its own, so the others would be found, too.
    assert b"needle-alpha" in memory_of(one) or first.encode() in memory_of(one)
    for pid, strange in ((other, b"needle-alpha"), (zygote(api), b"needle-"), (other, first.encode())):
        assert strange not in memory_of(pid)
    assert b"hunter2" not in memory_of(other) + memory_of(zygote(api))
    assert api.platform.api_key.encode() not in memory_of(other) + memory_of(zygote(api))


@needs_root
async def test_an_agent_holds_only_descriptors_of_its_own(isolated: Api) -> None:
    await isolated.running(**IDLE)
    (one,) = agents(isolated)
    await isolated.running(**IDLE)
    (other,) = set(agents(isolated)) - {one}
    kinds = sorted(target.partition("[")[0] for target in descriptors(other).values() if ":[" in target)
    # What it waits with; its listener, its alarm and wakeup, and the platform's one connection that watches it.
    assert kinds == ["anon_inode:", *["socket:"] * 4]
    links = {fd: target for fd, target in descriptors(other).items() if ":[" not in target}
    assert links.pop(0) == links.pop(1) == "/dev/null"
    names = sorted({Path(target).name for target in links.values()} - {"/", ""})
    assert all("log" in name or name.isdecimal() for name in names), links
    shared = {target for target in descriptors(one).values() if target.startswith("socket:")}
    assert not shared & set(descriptors(other).values())
    assert not shared & set(descriptors(zygote(isolated)).values())


async def test_it_is_started_again_when_it_dies(real: Api) -> None:
    before = await real.running()
    old = zygote(real)
    os.kill(old, signal.SIGKILL)
    # Without anybody asking for a sandbox.
    await until(lambda: prepared(os.getpid()) not in ([], [old]))
    assert zygote(real) != old
    assert not Path(f"/proc/{old}").exists(), "an unreaped process is left"
    after = await real.running()
    for box in (before, after):
        assert await real.output(box, "echo fine") == "fine\n"


async def test_launches_go_on_while_it_dies_again_and_again(real: Api) -> None:
    state = real.platform.settings.state_dir
    creating = [asyncio.ensure_future(real.running(name=f"box-{number}", **_for(real))) for number in range(12)]
    for _ in range(4):
        await asyncio.sleep(0.02)
        for pid in prepared(os.getpid()):
            # A fork that has no name yet, and no parent any more, is a launch that is under way.
            if os.getpgid(pid) == pid:
                os.kill(pid, signal.SIGKILL)
    boxes = await asyncio.gather(*creating)
    assert await asyncio.gather(*(real.output(box, "echo $SANDTUI_SANDBOX_ID") for box in boxes)) == [
        f"{box}\n" for box in boxes
    ]
    found = agents(real)
    reply = await real.call("DELETE", "/sandbox", json={"sandbox_ids": boxes})
    assert sorted(reply.json()["succeeded"]) == sorted(boxes)
    await cleared(state)
    assert [pid for pid in found if Path(f"/proc/{pid}").exists()] == []


def _for(api: Api) -> dict[str, Any]:
    return IDLE if api.platform.driver.name == "namespace" else {}


def test_it_ends_with_a_killed_platform_and_sandboxes_do_not(state_dir: Path) -> None:
    with serving(state_dir) as (process, client, _):
        running(client)
        (helper,) = prepared(process.pid)
        process.kill()
        process.wait()
        asyncio.run(until(lambda: not alive(helper)))
        left = processes_of(state_dir)
        assert left
    with serving(state_dir) as (process, client, _):
        assert client.get("/sandbox").json()["sandboxes"][0]["status"] == "RUNNING"
        assert prepared(process.pid), "the next one has its own"
    assert processes_of(state_dir) == []


async def test_it_neither_grows_nor_keeps_anything(isolated: Api) -> None:
    async def cycle() -> None:
        boxes = await asyncio.gather(*(isolated.running(**IDLE) for _ in range(4)))
        await isolated.call("DELETE", "/sandbox", json={"sandbox_ids": boxes})

    def taken() -> tuple[int, dict[int, str], list[int]]:
        pid = zygote(isolated)
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        return resident, descriptors(pid), [child for child in children if parent_of(child) == pid]

    await cycle()
    before = taken()
    for _ in range(5):
        await cycle()
    await until(lambda: len(taken()[2]) <= 2)  # those that wait for a sandbox
    after = taken()
    assert after[1] == before[1]
    assert after[0] <= before[0] + 4, "pages; a sandbox leaves nothing behind"


async def test_one_that_stands_still_is_replaced(spec: dict[str, Any]) -> None:
    async with Launcher(begin_seconds=3.0) as launcher:
        launcher.open()
        stopped = launcher.pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        pid = await launcher.launch(spec)
        os.kill(pid, signal.SIGKILL)
        assert launcher.pid != stopped
        assert not Path(f"/proc/{stopped}").exists()


async def test_a_python_that_does_not_work_says_why(spec: dict[str, Any]) -> None:
    async with Launcher([sys.executable, "-c", "import a_module_that_is_not_there"]) as launcher:
        with pytest.raises(LaunchFailed, match="a_module_that_is_not_there"):
            await launcher.launch(spec)
    async with Launcher(["/nowhere/python"]) as launcher:
        with pytest.raises(LaunchFailed, match="/nowhere/python"):
            await launcher.launch(spec)


async def test_a_sandbox_without_memory_does_not_touch_it(start: Start, tmp_path: Path) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start("namespace")
    box = await api.running(memory_gb=0.3, **IDLE)
    before = zygote(api)
    await api.run(box, HOG)
    await api.until(box, "ERROR")
    assert zygote(api) == before
    await api.running(**IDLE)


async def test_each_agent_is_a_child_of_the_platform_in_a_session_and_groups_of_its_own(isolated: Api) -> None:
    await isolated.running(**IDLE)
    (agent,) = agents(isolated)
    helper = zygote(isolated)
    assert parent_of(agent) == os.getpid()
    assert len({os.getsid(0), os.getsid(agent), os.getsid(helper)}) == 3
    places = [Path(f"/proc/{pid}/cgroup").read_text() for pid in (os.getpid(), helper, agent)]
    assert places[0] == places[1]
    if "control groups" in isolated.platform.driver.isolation:
        assert places[2] != places[0]


@pytest.fixture
def spec(state_dir: Path) -> dict[str, Any]:
    """A sandbox without any isolation."""
    root = state_dir / "root"
    root.mkdir(parents=True)
    return {"directory": str(state_dir), "root": str(root), "log": str(state_dir / "log"), "isolation": None}


Inside = Callable[[str], Awaitable[str]]


async def test_what_is_locked_down_stays_so(inside: Inside) -> None:
    """The first process of a sandbox and its commands have given up what the prepared one may do."""
    text = await inside(
        "import os\n"
        "for pid in ('1', 'self'):\n"
        "    rows = dict(line.split(':', 1) for line in open(f'/proc/{pid}/status'))\n"
        "    print(*(rows[name].strip() for name in ('NoNewPrivs', 'Seccomp', 'CapBnd', 'CapInh')))\n"
        "print(sorted(os.environ))\n"
    )
    first, command, names = text.splitlines()
    assert first == command
    assert first.split()[:2] == ["1", "2"]
    assert int(first.split()[2], 16) == sum(1 << one for one in (0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31))
    assert int(first.split()[3], 16) == 0
    assert "A_SECRET" not in names
