"""What the kernel grants to each user of the machine: no sandbox takes all that is left for others."""

import json
import os
import resource
import sys
from pathlib import Path

import pytest

from sandtui.local.drivers import agents
from tests.local.conftest import Inside
from tests.local.ordinary import ordinary_sandbox, run
from tests.local.support import Start, namespaces_work

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these quotas are Linux's")

# Each of some users takes what it can get, and holds it until all are done.
TAKE = """
import ctypes, json, os, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
def instances():
    taken = 0
    while taken < 2000 and libc.inotify_init1(0o2000000) >= 0:
        taken += 1
    return taken
def signals():
    taken = 0
    while taken < 300_000 and libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0:
        taken += 1
    return taken
def queues():
    librt = ctypes.CDLL("librt.so.1", use_errno=True)
    taken = 0
    while taken < 250 and librt.mq_open(b"/%d-%d" % (os.getpid(), taken), 0o102, 0o600, None) >= 0:
        taken += 1
    return taken
def threads():
    threading.stack_size(32768 * 2)
    hold, taken = threading.Event(), 0
    try:
        while taken < 5000:
            threading.Thread(target=hold.wait, daemon=True).start()
            taken += 1
    except RuntimeError:
        pass
    return taken
take, users = globals()[WHAT], USERS
hold, held = os.pipe()
total = 0
for user in range(users):
    out, told = os.pipe()
    try:
        child = os.fork()
    except BlockingIOError:
        break  # nothing is left for another process
    if child == 0:
        os.close(held)
        if user:
            os.setresuid(user, user, user)
        os.write(told, b"%d" % take())
        os.read(hold, 1)
        os._exit(0)
    os.close(told)
    total += int(os.read(out, 20) or 0)
print(json.dumps(total))
"""


async def taken(inside: Inside, what: str) -> int:
    """Return how much of something the users of a sandbox have together; an ordinary user has only one to give."""
    several = (await inside("print(open('/proc/self/uid_map').read())")).split()[2] != "1"
    return int(json.loads(await inside(TAKE.replace("WHAT", repr(what)).replace("USERS", "6" if several else "1"))))


async def test_inotify_is_left_to_others(inside: Inside) -> None:
    granted = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert 0 < await taken(inside, "instances") <= granted // 4
    for name in ("instances", "watches"):
        allowed = int(await inside(f"print(open('/proc/sys/user/max_inotify_{name}').read())"))
        assert 0 < allowed <= int(Path(f"/proc/sys/fs/inotify/max_user_{name}").read_text()) // 4


async def test_pending_signals_are_left_to_others(inside: Inside) -> None:
    granted = resource.getrlimit(resource.RLIMIT_SIGPENDING)[0]
    most = 8192 if granted == resource.RLIM_INFINITY else min(8192, granted // 4)
    assert 0 < await taken(inside, "signals") <= most


async def test_message_queues_are_left_to_others(inside: Inside) -> None:
    granted = resource.getrlimit(resource.RLIMIT_MSGQUEUE)[0]
    most = 409_600 if granted == resource.RLIM_INFINITY else min(409_600, granted // 4)
    # The kernel counts ten messages of 8 KiB for a queue that asks for nothing else.
    assert 0 < await taken(inside, "queues") <= most // (10 * 8192)


async def test_processes_are_left_to_others(inside: Inside) -> None:
    assert 0 < await taken(inside, "threads") <= 4096


async def test_all_users_of_a_sandbox_together_have_no_more_processes(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork bomb may have as many users as its sandbox; only control groups would count them all by themselves."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    monkeypatch.setattr(agents, "find_cgroups", lambda _: None)
    api = await start("namespace")
    box = await api.running(memory_gb=8)

    async def inside(code: str) -> str:
        await api.upload(box, "/tmp/code.py", code.encode())
        return await api.output(box, "python /tmp/code.py")

    assert 0 < await taken(inside, "threads") <= 4096
    # The machine itself is not at its end.
    assert await api.output(await api.running(), "echo well") == "well\n"


async def test_an_ordinary_user_keeps_most_processes() -> None:
    async with ordinary_sandbox("none") as instance:
        limits, _ = await run(instance, "cat /proc/self/limits")
        soft, hard = next(line for line in limits.splitlines() if line.startswith("Max processes")).split()[2:4]
        granted = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        most = 2048 if granted == resource.RLIM_INFINITY else min(2048, granted // 4)
        assert (int(soft), int(hard)) == (most, most)
        refused = "python -c 'import resource; resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999))' 2> /dev/null"
        assert (await run(instance, refused))[1] != 0


async def test_no_limit_can_be_raised_again(inside: Inside) -> None:
    code = (
        "import resource\n"
        "for limit in (resource.RLIMIT_SIGPENDING, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_NPROC):\n"
        "    try:\n"
        "        resource.setrlimit(limit, (1 << 20, 1 << 20))\n"
        "        print(limit)\n"
        "    except ValueError:\n"
        "        pass\n"
        "for name in ('instances', 'watches'):\n"
        "    try:\n"
        "        open(f'/proc/sys/user/max_inotify_{name}', 'w').write('9999999')\n"
        "        print(name)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    assert await inside(code) == ""
