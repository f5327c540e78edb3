"""A platform killed at any moment: what it acknowledged is there afterwards, and nothing else is left."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.local.support import processes_of
from tests.local.test_serve import serving, until


def busy(client: httpx.Client, stop: threading.Event, told: list[tuple[str, Any]]) -> None:
    """Create, expose and delete until the platform is gone; note down what was acknowledged."""
    number = 0
    mine: list[str] = []
    while not stop.is_set():
        number += 1
        try:
            secrets = {"S": f"hidden-{number}"}
            reply = client.post("/sandbox", json={"name": f"n{number}", "docker_image": "i", "secrets": secrets})
            if reply.status_code == 201:
                mine.append(reply.json()["id"])
                told.append(("created", mine[-1]))
            running = [row["id"] for row in client.get("/sandbox?status=RUNNING").json()["sandboxes"]]
            for box in [box for box in running if box in mine][:1]:
                reply = client.post(f"/sandbox/{box}/expose", json={"port": 8000})
                if reply.status_code == 200:
                    told.append(("exposed", reply.json()))
            if len(mine) > 2:
                box = mine.pop(0)
                if client.delete(f"/sandbox/{box}").status_code == 200:
                    told.append(("deleted", box))
        except (httpx.HTTPError, ValueError, KeyError):
            return


@pytest.mark.parametrize("moment", range(6))
def test_what_was_acknowledged_is_there_after_a_kill(state_dir: Path, moment: int) -> None:
    told: list[tuple[str, Any]] = []
    stop = threading.Event()
    with serving(state_dir, "--driver", "process") as (process, client, _):
        threads = [threading.Thread(target=busy, args=(client, stop, told)) for _ in range(3)]
        for thread in threads:
            thread.start()
        # Not before there is something to lose, however slow the machine is.
        while not told and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        time.sleep(Random(moment).random() * 0.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stop.set()
        for thread in threads:
            thread.join()
    assert b"hidden-" not in b"".join(path.read_bytes() for path in state_dir.glob("*.sqlite3*"))
    created = {value for kind, value in told if kind == "created"}
    deleted = {value for kind, value in told if kind == "deleted"}
    exposed = [value for kind, value in told if kind == "exposed" and value["sandbox_id"] not in deleted]
    assert created
    with serving(state_dir, "--driver", "process") as (_, client, _):
        rows = {row["id"]: row for row in client.get("/sandbox?per_page=1000").json()["sandboxes"]}
        assert created <= rows.keys()
        for box in deleted:
            assert rows[box]["status"] == "TERMINATED"
        # Whatever was half-made is finished or ended with its reason; nothing hangs.
        for box in created - deleted:
            found = rows[box]
            if found["status"] in ("PENDING", "PROVISIONING"):
                found = until(client, box, "RUNNING")
            assert found["status"] in ("RUNNING", "TERMINATED") or found["errorMessage"], found
        again = client.get("/sandbox/expose/all").json()["exposures"]
        live = [row for row in exposed if rows[row["sandbox_id"]]["status"] == "RUNNING"]
        assert all(row in again for row in live)
        known = {path.name for path in (state_dir / "sandboxes").iterdir()}
        running = {row["id"] for row in client.get("/sandbox?is_active=true&per_page=1000").json()["sandboxes"]}
        assert known <= running
    assert [pid for pid in processes_of(state_dir) if pid != os.getpid()] == []
    assert list((state_dir / "sandboxes").iterdir()) == []


def test_a_kill_in_the_middle_of_an_upload_leaves_the_old_file(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "process") as (process, client, info):
        box = client.post("/sandbox", json={"name": "n", "docker_image": "i"}).json()["id"]
        until(client, box, "RUNNING")
        token = client.post(f"/sandbox/{box}/auth").json()
        url = f"{info['base_url']}/{token['user_ns']}/{token['job_id']}/upload?path=/workspace/file"
        headers = {"authorization": f"Bearer {token['token']}"}
        httpx.post(url, headers=headers, files={"file": ("f", b"old")}).raise_for_status()
        sent, killed = threading.Event(), threading.Event()

        def body() -> Any:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"n" * 3_000_000
            sent.set()
            killed.wait(10)
            yield b"\r\n--x--\r\n"

        def upload() -> None:
            more = {**headers, "content-type": "multipart/form-data; boundary=x"}
            with pytest.raises(httpx.HTTPError):
                httpx.post(url, headers=more, content=body())

        thread = threading.Thread(target=upload)
        thread.start()
        assert sent.wait(10)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed.set()
        thread.join()
    with serving(state_dir, "--driver", "process") as (_, client, _):
        root = state_dir / "sandboxes" / box / "root" / "workspace"
        assert (root / "file").read_bytes() == b"old"
        assert [path.name for path in root.iterdir()] == ["file"]


def test_mounts_and_groups_of_a_dead_platform_are_gone(state_dir: Path) -> None:
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces here")
    with serving(state_dir, "--driver", "namespace") as (process, client, _):
        box = client.post("/sandbox", json={"name": "n", "docker_image": "i"}).json()["id"]
        until(client, box, "RUNNING")
        process.send_signal(signal.SIGKILL)
        process.wait()
    (state_dir / "platform.sqlite3").unlink()  # nobody knows of the sandbox any more
    for path in state_dir.glob("platform.sqlite3-*"):
        path.unlink()
    with serving(state_dir, "--driver", "namespace"):
        assert list((state_dir / "sandboxes").iterdir()) == []
        assert [pid for pid in processes_of(state_dir) if pid not in (os.getpid(),)] != []
    assert str(state_dir) not in Path("/proc/self/mounts").read_text()
    # Not by a glob, which fails on groups of other tests that go away meanwhile.
    assert [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if Path(folder).name == box] == []
