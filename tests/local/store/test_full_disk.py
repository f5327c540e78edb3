"""A disk without space under the platform: said with 507, nothing half-made stays, and deleting frees it."""

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandtui.client import APIClient, Config, CreateSandboxRequest, SandboxClient, StorageFullError
from sandtui.clock import ManualClock
from sandtui.local.store.database import Store
from sandtui.local.store.disk import MIN_BYTES, RESERVE_BYTES, Disk, DiskFull
from tests.local.support import GIVE_UP_SECONDS, Api, Start
from tests.local.test_serve import PROGRAM, execute, running, serving, until

SIZE = 24 * 1024 * 1024
FILL = "cat /dev/zero > {}; true"
BODY = {"name": "box", "docker_image": "i"}


class SmallDisk:
    """A file system of 24 MB that only the processes with its prefix see; it goes with the process that holds it."""

    def __init__(self, directory: Path) -> None:
        user = [] if os.geteuid() == 0 else ["-U"]
        script = f'mount -t tmpfs -o size={SIZE},mode=0700 tmpfs "$1" && echo mounted && exec cat'
        self.holder = subprocess.Popen(
            ["unshare", "-m", *(["-r"] if user else []), "sh", "-c", script, "sh", str(directory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.holder.stdout is not None
        self.is_mounted = self.holder.stdout.readline() == "mounted\n"
        self.prefix = [
            "nsenter",
            "-t",
            str(self.holder.pid),
            "-m",
            *user,
            *(["--preserve-credentials"] if user else []),
        ]
        self.inside = directory / "state"
        self.outside = Path(f"/proc/{self.holder.pid}/root{self.inside}")

    def close(self) -> str:
        return self.holder.communicate(timeout=30)[1]

    def fill(self, name: str = "filler") -> Path:
        """Leave not one free block."""
        path = self.outside.parent / name
        self.outside.parent.mkdir(exist_ok=True)
        with path.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        assert os.statvfs(path.parent).f_bavail == 0
        return path


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    with tempfile.TemporaryDirectory(prefix="stl-") as directory:
        small = SmallDisk(Path(directory))
        try:
            if not small.is_mounted:
                pytest.skip(f"no file system can be mounted here: {small.close().strip()}")
            yield small
        finally:
            if small.holder.poll() is None:
                small.close()


@pytest.fixture(params=["process", "simulated", "namespace"])
def driver(request: pytest.FixtureRequest) -> str:
    if request.param == "namespace" and os.geteuid() != 0:
        pytest.skip("namespaces within a user namespace of this test's own are another matter")
    return str(request.param)


def rows(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/sandbox").json()["sandboxes"]
    return found


def upload(client: httpx.Client, box: str, path: str, data: bytes) -> httpx.Response:
    token = client.post(f"/sandbox/{box}/auth").json()
    url = f"{token['gateway_url']}/{token['user_ns']}/{token['job_id']}/upload"
    headers = {"authorization": f"Bearer {token['token']}"}
    return httpx.post(url, params={"path": path}, headers=headers, files={"file": ("f", data)}, timeout=30)


def test_a_full_disk_is_reported_and_freed_by_deleting(disk: SmallDisk, driver: str) -> None:
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (process, client, info):
        first, second = running(client), running(client)
        filler = disk.fill()
        refused = client.post("/sandbox", json=BODY)
        assert refused.status_code == 507
        assert "disk of the local platform is full" in refused.json()["detail"]
        assert {row["id"] for row in rows(client)} == {first, second}
        # What needs no space goes on.
        assert execute(client, first, "echo hi")["stdout"] == "hi\n"
        assert client.get(f"/sandbox/{first}/logs").status_code == 200
        if driver != "simulated":
            assert upload(client, first, "/workspace/file", bytes(1_000_000)).status_code == 507
        exposed = client.post(f"/sandbox/{first}/expose", json={"port": 8000})
        assert exposed.status_code in (200, 507)
        assert client.delete(f"/sandbox/{first}").json()["success"]
        assert client.get(f"/sandbox/{first}").json()["status"] == "TERMINATED"
        config = Config(api_key=info["api_key"], base_url=info["base_url"])
        disk.fill()
        with SandboxClient(APIClient(config=config), keep_tokens=False) as sandboxes:
            with pytest.raises(StorageFullError, match="disk of the local platform is full") as caught:
                sandboxes.create(CreateSandboxRequest(name="box", docker_image="i"))
            assert caught.value.status_code == 507
        filler.unlink()
        third = running(client)
        assert execute(client, third, "echo hi")["stdout"] == "hi\n"
        assert execute(client, second, "echo still")["stdout"] == "still\n"
        assert process.poll() is None
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (_, client, _):
        found = {row["id"]: row["status"] for row in rows(client)}
        assert found.keys() == {first, second, third}
        assert found[first] == "TERMINATED"


def test_everything_can_be_deleted_on_a_full_disk(disk: SmallDisk, driver: str) -> None:
    boxes = []
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (_, client, _):
        boxes += [running(client) for _ in range(6)]
        disk.fill()
        for box in boxes[:3]:
            assert client.delete(f"/sandbox/{box}").status_code == 200
            disk.fill()
        reply = client.request("DELETE", "/sandbox", json={"sandbox_ids": boxes[3:]})
        assert sorted(reply.json()["succeeded"]) == sorted(boxes[3:])
        assert {row["status"] for row in rows(client)} == {"TERMINATED"}
        if driver != "simulated":
            assert list((disk.outside / "sandboxes").iterdir()) == []
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (_, client, _):
        assert {row["id"]: row["status"] for row in rows(client)} == dict.fromkeys(boxes, "TERMINATED")


@pytest.mark.parametrize("driver", ["process"])
def test_a_sandbox_that_fills_the_disk_harms_itself_alone(disk: SmallDisk, driver: str) -> None:
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (process, client, _):
        other = running(client)
        # Not before it is seen to run: that has to be written down too.
        fills = "until [ -e go ]; do sleep 0.02; done; cat /dev/zero > fill; while :; do echo working; sleep 0.02; done"
        greedy = running(client, start_command=fills)
        execute(client, greedy, "touch go")
        end = time.monotonic() + GIVE_UP_SECONDS
        while os.statvfs(disk.outside).f_bavail:
            assert time.monotonic() < end
            time.sleep(0.01)
        done = execute(client, other, "echo text > file; echo $?")
        assert done["exit_code"] == 0
        assert client.post("/sandbox", json=BODY).status_code == 507
        assert client.delete(f"/sandbox/{other}").status_code == 200
        size = (disk.outside / "logs" / f"{greedy}.log").stat().st_size
        execute(client, greedy, "rm fill")
        end = time.monotonic() + GIVE_UP_SECONDS
        while (disk.outside / "logs" / f"{greedy}.log").stat().st_size <= size:
            assert time.monotonic() < end, "the log does not go on"
            time.sleep(0.01)
        running(client)
        assert client.delete(f"/sandbox/{greedy}").status_code == 200
        assert process.poll() is None


def test_a_platform_starts_on_a_full_disk_and_frees_it(disk: SmallDisk, driver: str) -> None:
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (process, client, _):
        boxes = [running(client) for _ in range(2)]
        process.kill()
        process.wait()
    disk.fill()
    with serving(disk.inside, "--driver", driver, prefix=disk.prefix) as (_, client, _):
        assert client.post("/sandbox", json=BODY).status_code == 507
        for box in boxes:
            assert client.delete(f"/sandbox/{box}").status_code == 200
        assert not {row["status"] for row in rows(client)} & {"PENDING", "PROVISIONING", "RUNNING"}


@pytest.mark.parametrize("command", [("serve", "--driver", "process"), ("local", "env")])
def test_a_first_start_on_a_full_disk_says_so(disk: SmallDisk, command: tuple[str, ...]) -> None:
    disk.fill()
    done = subprocess.run(
        [*disk.prefix, *PROGRAM, *command, "--state-dir", str(disk.inside)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr or "is full" in done.stderr


def test_nothing_stays_half_made_when_the_disk_fills_while_sandboxes_come_up(disk: SmallDisk) -> None:
    with serving(disk.inside, "--driver", "process", prefix=disk.prefix) as (_, client, _):
        client.post("/sandbox", json=BODY)
        filler = disk.outside / "filler"
        with filler.open("ab", buffering=0) as file:
            left = os.statvfs(disk.outside)
            file.write(bytes(max(0, left.f_bavail * left.f_frsize - MIN_BYTES - 100_000)))
        replies = [client.post("/sandbox", json=BODY) for _ in range(30)]
        assert {reply.status_code for reply in replies} <= {201, 507}
        assert replies[-1].status_code == 507
        for row in rows(client):
            end = time.monotonic() + GIVE_UP_SECONDS
            while (found := client.get(f"/sandbox/{row['id']}").json())["status"] in ("PENDING", "PROVISIONING"):
                assert time.monotonic() < end, found
                time.sleep(0.01)
            if found["status"] == "ERROR":
                assert "space" in found["errorMessage"] or "full" in found["errorMessage"]
        filler.unlink()
        until(client, client.post("/sandbox", json=BODY).json()["id"], "RUNNING")


def test_the_reserve_is_given_up_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path)
    disk.open()
    (reserve,) = tmp_path.iterdir()
    assert reserve.stat().st_size == RESERVE_BYTES
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    assert disk.release()
    assert not disk.release()
    assert reserve.stat().st_size == 0
    disk.refill()
    assert reserve.stat().st_size == RESERVE_BYTES
    real = os.statvfs(tmp_path)

    def full(path: object) -> os.statvfs_result:
        return os.statvfs_result((*tuple(real)[:3], 0, 0, *tuple(real)[5:]))

    monkeypatch.setattr(os, "statvfs", full)
    assert disk.is_full
    with pytest.raises(DiskFull, match="is full"):
        disk.check()
    disk.open()
    assert reserve.stat().st_size == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_any_call_that_finds_no_space_says_so(start: Start, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    api: Api = await start("simulated")

    def no_space(disk: Disk) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Disk, "check", no_space)
    reply = await api.call("POST", "/sandbox", json=BODY)
    detail = f"The disk of the local platform is full: {os.strerror(code)}."
    assert (reply.status_code, reply.json()["detail"]) == (507, detail)
    assert (await api.call("GET", "/sandbox")).json()["total"] == 0


async def test_a_port_that_cannot_be_recorded_is_not_exposed(
    start: Start, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    api: Api = await start("simulated", clock=clock)
    box = await api.started()

    async def no_space(store: Store, kind: str, key: str, body: dict[str, Any]) -> None:
        raise DiskFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "put", no_space)
        for _ in range(3):
            reply = await api.call("POST", f"/sandbox/{box}/expose", json={"port": 8000})
            assert (reply.status_code, reply.json()["detail"]) == (507, "The disk is full.")
        assert (await api.call("GET", f"/sandbox/{box}/expose")).json()["exposures"] == []
    assert (await api.call("POST", f"/sandbox/{box}/expose", json={"port": 8000})).status_code == 200


def test_a_checkpoint_that_does_not_fit_fails_whole(disk: SmallDisk) -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces within a user namespace of this test's own are another matter")
    with serving(disk.inside, "--driver", "namespace", prefix=disk.prefix) as (_, client, _):
        box = running(client)
        execute(client, box, "head -c 6000000 /dev/urandom > /data/large; sync")
        taken = client.post(f"/sandbox/{box}/checkpoints").json()["id"]
        end = time.monotonic() + GIVE_UP_SECONDS
        while (row := client.get(f"/sandbox/checkpoints/{taken}").json())["state"] not in ("DURABLE", "FAILED"):
            assert time.monotonic() < end, row
            time.sleep(0.01)
        assert row["state"] == "FAILED"
        assert "disk of the local platform is full" in row["error"]
        while list((disk.outside / "checkpoints").iterdir()):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert execute(client, box, "echo alive > /data/new && cat /data/new")["stdout"] == "alive\n"
        refused = client.post("/sandbox", json={"name": "copy", "checkpoint_id": taken})
        assert refused.status_code == 409
        assert client.delete(f"/sandbox/checkpoints/{taken}").status_code == 200
