"""Volumes on a real container engine: the same as in namespaces, as volumes of the engine."""

import asyncio
import functools
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.local.control import test_volumes as shared
from tests.local.control.test_volumes import attached, published, volume
from tests.local.drivers.test_engine import IMAGE, engine
from tests.local.support import GIVE_UP_SECONDS, Api, Start
from tests.local.test_serve import execute, running, serving

__all__ = ["engine"]  # a fixture


@pytest.fixture
async def containers(engine: Api) -> AsyncIterator[Api]:
    """A platform whose sandboxes are created from the image of the tests."""
    engine.create = functools.partial(engine.create, docker_image=IMAGE)  # type: ignore[method-assign]
    yield engine
    await cleared(engine)


async def cleared(api: Api) -> None:
    """Leave nothing in the engine, which outlives the test."""
    for row in (await api.call("GET", "/sandbox")).json()["sandboxes"]:
        await api.call("DELETE", f"/sandbox/{row['id']}")
    await api.call("DELETE", "/sandbox/volumes/data")


@pytest.mark.parametrize(
    "case",
    [
        shared.test_each_sandbox_has_its_own_copy_until_it_is_published,
        shared.test_a_read_only_volume_stays_as_it_is,
        shared.test_two_publish_at_once,
    ],
)
async def test_the_same_as_in_namespaces(containers: Api, case: object) -> None:
    await case(containers)  # type: ignore[operator]


async def test_nothing_is_left_of_a_volume(containers: Api) -> None:
    await volume(containers)
    box = await attached(containers)
    await containers.output(box, "echo one > /vol/a")
    await published(containers, box)
    await containers.output(box, "echo two > /vol/a")
    await published(containers, box)
    await containers.call("DELETE", f"/sandbox/{box}")
    assert (await containers.call("DELETE", "/sandbox/volumes/data")).status_code == 200
    assert await containers.platform.driver.remains() == []
    assert await containers.platform.driver.checkpoints.remains() == []  # type: ignore[union-attr]


async def test_a_platform_killed_while_it_publishes(containers: Api, start: Start, tmp_path: Path) -> None:
    """The sandbox ends with the platform, paused or not, and either the old version or the new one is whole."""
    del containers  # it has made the image
    state = tmp_path / "state"
    with serving(state, "--driver", "engine") as (process, client, _):
        client.post("/sandbox/volumes", json={"name": "data"})
        mounts = [{"name": "data", "mount_path": "/vol"}]
        box = running(client, docker_image=IMAGE, volumes=mounts)
        execute(client, box, "head -c 60000000 /dev/urandom > /vol/large")
        taken = client.post(f"/sandbox/{box}/volumes/data/publish", json={}).json()["id"]
        while client.get(f"/sandbox/checkpoints/{taken}").json()["state"] == "PENDING":
            if b"cp\0-a" in b"".join(_commands()):
                break
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    api = await start("engine", state=state)
    assert await api.output(box, "echo alive") == "alive\n"
    found = (await api.call("GET", f"/sandbox/checkpoints/{taken}")).json()
    head = (await api.call("GET", "/sandbox/volumes/data")).json()["head_checkpoint_id"]
    kept = await api.platform.driver.checkpoints.remains()  # type: ignore[union-attr]
    assert (found["state"], head, kept) in (("FAILED", None, []), ("DURABLE", taken, [taken]))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        await published(api, box)
    await cleared(api)


def _commands() -> list[bytes]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found.append((entry / "cmdline").read_bytes())
            except OSError:
                continue
    return found
