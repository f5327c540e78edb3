"""Volumes: a copy of the newest version for each sandbox, and versions that replace each other."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.local.control.test_checkpoints import durable, no_limit
from tests.local.support import GIVE_UP_SECONDS, Api, Start, namespaces_work
from tests.local.test_serve import execute, running, serving

WRONG_PATHS = [
    "relative", "/", "//", "/a/", "/a//b", "/a/../b", "/etc/x", "/usr/local", "/proc", "/dev/shm", "/run/x",
    "/opt/sandtui/local", "/a\0b", "/" + "x" * 256,
]  # fmt: skip


@pytest.fixture
async def limited(isolated: Api) -> Api:
    """A platform with volumes."""
    if isolated.platform.driver.checkpoints is None or isolated.platform.driver.checkpoints.no_volumes:
        pytest.skip("no limit of disks works here, so that there are no volumes")
    return isolated


async def volume(api: Api, name: str = "data", **fields: Any) -> dict[str, Any]:
    reply = await api.call("POST", "/sandbox/volumes", json={"name": name, **fields})
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


async def attached(api: Api, *, path: str = "/vol", name: str = "data", read_only: bool = False) -> str:
    return await api.running(volumes=[{"name": name, "mount_path": path, "read_only": read_only}])


async def publish(api: Api, box: str, name: str = "data", **body: Any) -> Any:
    return await api.call("POST", f"/sandbox/{box}/volumes/{name}/publish", json=body)


async def published(api: Api, box: str, **body: Any) -> str:
    reply = await publish(api, box, **body)
    assert reply.status_code == 201, reply.text
    found = await durable(api, reply.json()["id"])
    assert (found["state"], found["error"]) == ("DURABLE", None)
    return str(found["id"])


async def test_each_sandbox_has_its_own_copy_until_it_is_published(limited: Api) -> None:
    created = await volume(limited)
    assert created["head_checkpoint_id"] is None
    first, second = await attached(limited), await attached(limited, path="/mnt/deep/er")
    await limited.output(first, "ls -A /vol | grep . && exit 1; echo one > /vol/a; ln /vol/a /vol/b; chown 5:6 /vol/a")
    assert await limited.output(second, "ls -A /mnt/deep/er") == ""
    head = await published(limited, first)
    found = (await limited.call("GET", "/sandbox/volumes/data")).json()
    assert (found["head_checkpoint_id"], found["occupied_bytes"] > 0) == (head, True)
    # The copy of a running sandbox stays as it was; new ones have the published one.
    assert await limited.output(second, "ls -A /mnt/deep/er") == ""
    third = await attached(limited)
    assert await limited.output(third, "stat -c '%u %g %h' /vol/a; cat /vol/b") == "5 6 2\none\n"
    await limited.output(third, "echo two > /vol/a")
    assert await limited.output(first, "cat /vol/a") == "one\n"
    # It is not in the checkpoints of a sandbox, and found by its id.
    assert (await limited.call("GET", f"/sandbox/{first}/checkpoints")).json() == {"checkpoints": []}
    assert (await limited.call("GET", f"/sandbox/checkpoints/{head}")).status_code == 200
    assert (await limited.call("DELETE", f"/sandbox/checkpoints/{head}")).status_code == 409


async def test_who_comes_late_has_to_insist(limited: Api) -> None:
    await volume(limited)
    first, second = await attached(limited), await attached(limited)
    await limited.output(first, "echo first > /vol/a")
    await limited.output(second, "echo second > /vol/a")
    old = await published(limited, first)
    again = await published(limited, first)  # it knows its own version
    late = await publish(limited, second)
    assert late.status_code == 409
    assert "newer version" in late.json()["detail"]
    new = await published(limited, second, force=True)
    assert (await limited.call("GET", "/sandbox/volumes/data")).json()["head_checkpoint_id"] == new
    # Versions that nobody needs are gone, with their files.
    async with asyncio.timeout(GIVE_UP_SECONDS):
        for gone in (old, again):
            while (await limited.call("GET", f"/sandbox/checkpoints/{gone}")).status_code != 404:
                await asyncio.sleep(0.01)
    directory = limited.platform.settings.state_dir / "checkpoints"
    assert {path.name for path in directory.iterdir()} == {new}
    assert (await publish(limited, first)).status_code == 409


async def test_two_publish_at_once(limited: Api) -> None:
    await volume(limited)
    boxes = [await attached(limited), await attached(limited)]
    for box in boxes:
        await limited.output(box, "head -c 20000000 /dev/urandom > /vol/a")
    replies = await asyncio.gather(*(publish(limited, box, force=True) for box in boxes))
    assert sorted(reply.status_code for reply in replies) == [201, 409]


async def test_a_read_only_volume_stays_as_it_is(limited: Api) -> None:
    await volume(limited)
    writer = await attached(limited)
    await limited.output(writer, "echo one > /vol/a")
    await published(limited, writer)
    reader = await attached(limited, read_only=True)
    assert await limited.output(reader, "cat /vol/a") == "one\n"
    assert (await limited.run(reader, "echo two > /vol/a")).json()["exit_code"] != 0
    assert (await limited.run(reader, "mount -o remount,rw /vol")).json()["exit_code"] != 0
    assert (await publish(limited, reader)).status_code == 400


async def test_a_volume_that_its_sandbox_moves(limited: Api) -> None:
    await volume(limited)
    box = await attached(limited, path="/mnt/a/vol")
    await limited.output(box, "echo one > /mnt/a/vol/f; mv /mnt/a /mnt/b; ln -s / /mnt/a")
    await published(limited, box)
    other = await attached(limited)
    assert await limited.output(other, "cat /vol/f") == "one\n"
    assert await limited.output(box, "echo two > /mnt/b/vol/f; cat /mnt/b/vol/f") == "two\n"


async def test_deletion_and_names(limited: Api) -> None:
    await volume(limited)
    assert (await limited.call("POST", "/sandbox/volumes", json={"name": "data"})).status_code == 409
    team = await volume(limited, team_id="t1")
    assert (team["team_id"], team["user_id"]) == ("t1", None)
    box = await attached(limited)
    assert (await limited.call("DELETE", "/sandbox/volumes/data")).status_code == 409
    assert (await limited.call("DELETE", "/sandbox/volumes/data?team_id=t1")).status_code == 200
    head = await published(limited, box)
    await limited.call("DELETE", f"/sandbox/{box}")
    assert (await limited.call("DELETE", "/sandbox/volumes/data")).status_code == 200
    for path in ("/sandbox/volumes/data", f"/sandbox/checkpoints/{head}"):
        assert (await limited.call("GET", path)).status_code == 404
    assert not list((limited.platform.settings.state_dir / "checkpoints").iterdir())


@pytest.mark.parametrize(
    "mounts",
    [[{"name": "data", "mount_path": path}] for path in WRONG_PATHS]
    + [
        [{"name": "data", "mount_path": "/a"}, {"name": "data", "mount_path": "/b"}],
        [{"name": "data", "mount_path": "/a"}, {"name": "other", "mount_path": "/a"}],
        [{"name": "data", "mount_path": "/a"}, {"name": "other", "mount_path": "/a/b"}],
        [{"name": "../x", "mount_path": "/a"}],
        [{"mount_path": "/a"}],
    ],
)  # fmt: skip
async def test_mounts_that_are_refused(simulated: Api, mounts: list[dict[str, str]]) -> None:
    for name in ("data", "other"):
        await volume(simulated, name)
    body = {"name": "box", "docker_image": "i", "volumes": mounts}
    reply = await simulated.call("POST", "/sandbox", json=body)
    assert reply.status_code == 422, reply.text
    assert (await simulated.call("GET", "/sandbox")).json()["total"] == 0


async def test_a_volume_that_is_not_there(simulated: Api) -> None:
    body = {"name": "box", "docker_image": "i", "volumes": [{"name": "nope", "mount_path": "/a"}]}
    assert (await simulated.call("POST", "/sandbox", json=body)).status_code == 404
    for method in ("GET", "DELETE"):
        assert (await simulated.call(method, "/sandbox/volumes/nope")).status_code == 404
    box = await simulated.started()
    assert (await publish(simulated, box, "nope")).status_code == 404
    assert (await publish(simulated, "unknown", "nope")).status_code == 404


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 65, "ü"])
async def test_names_that_are_refused(simulated: Api, name: str) -> None:
    assert (await simulated.call("POST", "/sandbox/volumes", json={"name": name})).status_code == 422


async def test_pages_of_volumes(simulated: Api) -> None:
    for number in range(5):
        await volume(simulated, f"v{number}")
    await volume(simulated, "other", team_id="t1")
    first = (await simulated.call("GET", "/sandbox/volumes?page=1&per_page=2")).json()
    last = (await simulated.call("GET", "/sandbox/volumes?page=3&per_page=2")).json()
    assert ([row["name"] for row in first["volumes"]], first["total"], first["has_next"]) == (["v4", "v3"], 5, True)
    assert ([row["name"] for row in last["volumes"]], last["has_next"]) == (["v0"], False)
    assert (await simulated.call("GET", "/sandbox/volumes?team_id=t1")).json()["total"] == 1
    assert (await simulated.call("GET", "/sandbox/volumes?page=0")).status_code == 422


async def test_a_simulated_volume(simulated: Api) -> None:
    await volume(simulated)
    box = await simulated.started(volumes=[{"name": "data", "mount_path": "/vol"}])
    await simulated.upload(box, "/vol/note", b"hello")
    await published(simulated, box)
    other = await simulated.started(volumes=[{"name": "data", "mount_path": "/else"}])
    assert (await simulated.download(other, "/else/note")).content == b"hello"


async def test_without_a_limit_of_disks_there_are_none(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    monkeypatch.setattr("sandtui.local.drivers.selection.find_disk_limit", no_limit)
    api = await start("namespace")
    reply = await api.call("GET", "/sandbox/volumes")
    assert reply.status_code == 501
    body = {"name": "box", "docker_image": "i", "volumes": [{"name": "data", "mount_path": "/a"}]}
    assert (await api.call("POST", "/sandbox", json=body)).status_code == 501


@pytest.mark.parametrize("delay", [0.02, 0.08, 0.14, 0.2])
async def test_a_platform_that_is_killed_while_it_publishes(limited: Api, delay: float) -> None:
    """Either the old version or the new one, whole."""
    state_dir = limited.platform.settings.state_dir.parent / "second"
    with serving(state_dir) as (process, client, _):
        client.post("/sandbox/volumes", json={"name": "data"})
        box = running(client, volumes=[{"name": "data", "mount_path": "/vol"}])
        execute(client, box, "echo old > /vol/a")
        url = f"/sandbox/{box}/volumes/data/publish"
        first = client.post(url, json={}).json()["id"]
        end = time.monotonic() + GIVE_UP_SECONDS
        while client.get(f"/sandbox/checkpoints/{first}").json()["state"] != "DURABLE":
            assert time.monotonic() < end
            time.sleep(0.01)
        execute(client, box, "echo new > /vol/a; head -c 20000000 /dev/urandom > /vol/large")
        second = client.post(url, json={}).json()["id"]
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(state_dir) as (_, client, _):
        head = client.get("/sandbox/volumes/data").json()["head_checkpoint_id"]
        other = running(client, volumes=[{"name": "data", "mount_path": "/vol"}])
        text = execute(client, other, "cat /vol/a")["stdout"]
        assert (head, text) in ((first, "old\n"), (second, "new\n"))
        assert client.get(f"/sandbox/checkpoints/{head}").json()["state"] == "DURABLE"
        assert {path.name for path in (state_dir / "checkpoints").iterdir()} == {head}
        assert execute(client, box, "echo alive > /vol/b && cat /vol/b")["stdout"] == "alive\n"
