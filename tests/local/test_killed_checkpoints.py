"""A platform that is killed while it takes a checkpoint: nothing half, nothing left, and no sandbox stays frozen."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count as counted
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.local.support import GIVE_UP_SECONDS, namespaces_work
from tests.local.test_serve import execute, running, serving

T = TypeVar("T")

DATA = "head -c 40000000 /dev/urandom > /data/large"


def finished(client: httpx.Client, checkpoint_id: str) -> dict[str, Any]:
    end = time.monotonic() + GIVE_UP_SECONDS
    while (found := client.get(f"/sandbox/checkpoints/{checkpoint_id}").json())["state"] not in ("DURABLE", "FAILED"):
        assert time.monotonic() < end, found
        time.sleep(0.005)
    return dict(found)


def taken_while(client: httpx.Client, box: str, look: Callable[[], T]) -> tuple[str, T]:
    """Take checkpoints until something is seen while one is being taken: a busy machine may look too late."""
    end = time.monotonic() + GIVE_UP_SECONDS
    while True:
        taken = client.post(f"/sandbox/{box}/checkpoints").json()["id"]
        for turn in counted():
            assert time.monotonic() < end
            if seen := look():
                return taken, seen
            if turn % 20 == 19 and client.get(f"/sandbox/checkpoints/{taken}").json()["state"] != "PENDING":
                break


def copiers(state_dir: Path) -> list[int]:
    """Return the copiers at work for a platform, which outlive it for a moment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal():
                words = (entry / "cmdline").read_bytes()
                if b"/copier/__main__.py" in words and os.fsencode(state_dir.resolve()) in words:
                    found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.06, 0.09, 0.12, 0.16, 0.2, 0.25])
async def test_a_platform_killed_at_any_moment(state_dir: Path, tmp_path: Path, delay: float) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    with serving(state_dir) as (process, client, _):
        box = running(client)
        execute(client, box, DATA)
        taken = client.post(f"/sandbox/{box}/checkpoints").json()["id"]
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    end = time.monotonic() + GIVE_UP_SECONDS
    while copiers(state_dir):
        assert time.monotonic() < end
        time.sleep(0.01)
    # It goes on without any platform.
    assert not (state_dir / "sandboxes" / box / "frozen.json").exists()
    with serving(state_dir) as (_, client, _):
        assert execute(client, box, "echo alive > /data/new && cat /data/new")["stdout"] == "alive\n"
        found = client.get(f"/sandbox/checkpoints/{taken}").json()
        left = {path.name for path in (state_dir / "checkpoints").iterdir()}
        assert found["state"] in ("DURABLE", "FAILED")
        assert left == ({taken} if found["state"] == "DURABLE" else set())
        assert (found["state"] == "FAILED") == bool(found["error"])
        again = client.post(f"/sandbox/{box}/checkpoints").json()["id"]
        assert finished(client, again)["state"] == "DURABLE"


async def test_a_platform_and_its_copier_are_killed(state_dir: Path, tmp_path: Path) -> None:
    """The next platform resumes what nobody could resume before."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    with serving(state_dir) as (process, client, _):
        box = running(client)
        execute(client, box, DATA)
        marker = state_dir / "sandboxes" / box / "frozen.json"
        taken, _ = taken_while(client, box, marker.exists)
        process.send_signal(signal.SIGSTOP)
        for pid in copiers(state_dir):
            os.kill(pid, signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(state_dir) as (_, client, _):
        assert execute(client, box, "echo alive > /data/new && cat /data/new")["stdout"] == "alive\n"
        assert not marker.exists()
        assert client.get(f"/sandbox/checkpoints/{taken}").json()["state"] in ("DURABLE", "FAILED")


async def test_a_copier_that_is_killed(state_dir: Path, tmp_path: Path) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    with serving(state_dir) as (_, client, _):
        box = running(client)
        execute(client, box, DATA)
        end = time.monotonic() + GIVE_UP_SECONDS
        row = {"state": "DURABLE"}
        while row["state"] == "DURABLE":
            # It may have done its work just before.
            taken, found = taken_while(client, box, lambda: copiers(state_dir))
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            row = finished(client, taken)
        assert row["error"]
        assert execute(client, box, "echo alive > /data/new && cat /data/new")["stdout"] == "alive\n"
        while any(path.name.startswith(taken) for path in (state_dir / "checkpoints").iterdir()):
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.parametrize("count", [1, 5], ids=["restore", "fork"])
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.12, 0.25])
async def test_a_platform_killed_while_it_restores(state_dir: Path, tmp_path: Path, count: int, delay: float) -> None:
    """Each new sandbox has all files or is none, and of those that are none nothing is left."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    with serving(state_dir) as (process, client, _):
        box = running(client)
        execute(client, box, DATA)
        taken = client.post(f"/sandbox/{box}/checkpoints").json()["id"]
        assert finished(client, taken)["state"] == "DURABLE"
        body = {"name": "copy", "checkpoint_id": taken, "vm": True}
        made = [client.post("/sandbox", json=body).json()["id"] for _ in range(count)]
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(state_dir) as (_, client, _):
        end = time.monotonic() + GIVE_UP_SECONDS
        rows = [client.get(f"/sandbox/{one}").json() for one in made]
        while any(row["status"] in ("PENDING", "PROVISIONING") for row in rows):
            assert time.monotonic() < end
            time.sleep(0.02)
            rows = [client.get(f"/sandbox/{one}").json() for one in made]
        whole = execute(client, box, "sha256sum < /data/large")["stdout"]
        live = [row["id"] for row in rows if row["status"] == "RUNNING"]
        assert live or delay > 0
        for one in live:
            assert execute(client, one, "sha256sum < /data/large")["stdout"] == whole
        while {path.name for path in (state_dir / "sandboxes").iterdir()} != {box, *live} or copiers(state_dir):
            assert time.monotonic() < end
            time.sleep(0.02)
        for one in (box, *live):
            client.delete(f"/sandbox/{one}")
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(state_dir.resolve()) not in mounts
    assert [path.name for path in (state_dir / "checkpoints").iterdir()] == [taken]
