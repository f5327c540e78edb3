"""Images that a real container engine copies and builds, through the platform's API and both clients."""

import asyncio
import io
import signal
import tarfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandtui.client import APIClient, AsyncSandboxClient, Config, ConflictError, NotFoundError, SandboxClient
from sandtui.local.control import builds
from tests.local.control.test_images import built, rows
from tests.local.drivers.test_engine import IMAGE, engine
from tests.local.support import GIVE_UP_SECONDS, Api, Start, serving_in_process
from tests.local.test_serve import serving

__all__ = ["engine"]  # a fixture
BASE = "FROM localhost/sandtui-test:latest\n"


@pytest.fixture
async def builder(engine: Api) -> AsyncIterator[Api]:
    async with serving_in_process(engine.platform) as api:
        yield api
        for row in (await api.call("GET", "/images")).json()["data"]:
            await api.call("DELETE", f"/images/{row['imageName']}/{row['imageTag']}")


def context_of(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


async def begun(api: Api, name: str, files: dict[str, str]) -> str:
    """Begin a build and upload its context; return its id."""
    begin = (await api.call("POST", "/images/build", json={"image_name": name, "image_tag": "1"})).json()
    assert begin["expires_in"] > 0
    reply = await api.http.put(begin["upload_url"], content=context_of(files))
    assert reply.status_code == 200, reply.text
    assert (await api.call("GET", f"/images/build/{begin['build_id']}")).json()["status"] == "UPLOADING"
    return str(begin["build_id"])


async def build(api: Api, name: str, files: dict[str, str]) -> dict[str, Any]:
    build_id = await begun(api, name, files)
    reply = await api.call("POST", f"/images/build/{build_id}/start", json={"context_uploaded": True})
    assert reply.status_code == 200, reply.text
    return await built(api, build_id)


def left_over(api: Api) -> list[Path]:
    return list((api.platform.settings.state_dir / "contexts").iterdir())


async def test_a_build_and_the_sandboxes_made_from_it(builder: Api) -> None:
    files = {"Dockerfile": f"{BASE}COPY note /note\nENV KIND=built\nRUN cat /note && sleep 1\n", "note": "hello\n"}
    build_id = await begun(builder, "mine", files)
    assert (await builder.call("POST", f"/images/build/{build_id}/start", json={})).status_code == 200
    assert (await builder.call("POST", f"/images/build/{build_id}/start", json={})).status_code == 409
    # It waits for the image that is still being built.
    early = await builder.create(docker_image="prime/usr_local/mine:1")
    assert (early["status"], early["pendingImageBuildId"]) == ("PENDING", build_id)
    batch = await builder.call("POST", "/sandbox/status:batchGet", json={"sandbox_ids": [early["id"]]})
    assert batch.json()["statuses"][0]["pending_image_build_id"] == build_id
    assert (await builder.call("DELETE", "/images/mine/1")).status_code == 409
    done = await built(builder, build_id)
    assert (done["status"], done["errorMessage"]) == ("COMPLETED", None)
    assert done["sizeBytes"] > 1_000_000
    assert "hello" in done["logs"]
    found = await builder.until(early["id"], "RUNNING", "ERROR")
    assert (found["status"], found["pendingImageBuildId"]) == ("RUNNING", None), found
    assert await builder.output(early["id"], "echo $KIND; cat /note") == "built\nhello\n"
    assert left_over(builder) == []
    # Built again, it replaces the first, which goes with the last sandbox made from it.
    files["note"] = "again\n"
    again = await build(builder, "mine", files)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while [row["id"] for row in (await builder.call("GET", "/images")).json()["data"]] != [again["id"]]:
            await asyncio.sleep(0.05)
    later = await builder.running(docker_image="mine:1")
    assert await builder.output(later, "cat /note") == "again\n"
    assert await builder.output(early["id"], "cat /note") == "hello\n"
    assert (await builder.call("DELETE", "/images/mine/1")).status_code == 200
    for box in (early["id"], later):
        await builder.call("DELETE", f"/sandbox/{box}")
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while await builder.platform.driver.images.remains():
            await asyncio.sleep(0.05)
    gone = await builder.create(docker_image="prime/usr_local/mine:1")
    assert (await builder.until(gone["id"], "ERROR"))["errorType"] == "IMAGE_PULL_FAILED"


async def test_builds_that_fail_say_why_and_leave_nothing(builder: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for files, why in (
        ({"Dockerfile": f"{BASE}RUN echo told; exit 7\n"}, "exit status 7"),
        ({"Dockerfile": "NONSENSE\n"}, "from"),
        ({"Other": BASE}, "no file 'Dockerfile'"),
        ({"Dockerfile": BASE, "../out": "x"}, "leads out of it"),
    ):
        done = await build(builder, "bad", files)
        assert done["status"] == "FAILED"
        assert why.lower() in done["errorMessage"].lower(), done
        assert done["errorMessage"] in done["logs"]
    build_id = await begun(builder, "bad", {})
    assert left_over(builder) != []
    assert (await builder.call("POST", f"/images/build/{build_id}/cancel")).json()["status"] == "CANCELLED"
    assert (await builder.call("POST", f"/images/build/{build_id}/cancel")).status_code == 409
    begin = (await builder.call("POST", "/images/build", json={"image_name": "bad"})).json()
    assert (await builder.call("POST", f"/images/build/{begin['build_id']}/start", json={})).status_code == 409
    assert (await builder.http.put(f"{begin['upload_url']}x", content=b"")).status_code == 404
    monkeypatch.setattr(builds, "MAX_CONTEXT", 1000)
    reply = await builder.http.put(begin["upload_url"], content=b"x" * 1001)
    assert reply.status_code == 413
    monkeypatch.undo()
    broken = (await builder.call("POST", "/images/build", json={"image_name": "bad"})).json()
    await builder.http.put(broken["upload_url"], content=b"this is no archive" * 1000)
    await builder.call("POST", f"/images/build/{broken['build_id']}/start", json={})
    assert "not a tar archive" in (await built(builder, broken["build_id"]))["errorMessage"]
    for _ in range(2):  # deletes the builds that wait, and all that failed
        await builder.call("DELETE", "/images/bad/latest")
        await builder.call("DELETE", "/images/bad/1")
    assert (await rows(builder), left_over(builder)) == ([], [])
    assert await builder.platform.driver.images.remains() == []


async def test_a_build_that_is_cancelled_ends_at_once(builder: Api) -> None:
    build_id = await begun(builder, "slow", {"Dockerfile": f"{BASE}RUN echo begun; sleep 4321\n"})
    await builder.call("POST", f"/images/build/{build_id}/start", json={})
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while "begun\n" not in (await builder.call("GET", f"/images/build/{build_id}")).json()["logs"]:
            await asyncio.sleep(0.05)
        waiting = await builder.create(docker_image="slow:1")
        assert (await builder.call("POST", f"/images/build/{build_id}/cancel")).json()["status"] == "CANCELLED"
        while any(b"sleep\x004321" in line for line in _commands()):
            await asyncio.sleep(0.05)
    assert (await builder.until(waiting["id"], "ERROR"))["errorType"] == "IMAGE_PULL_FAILED"


def _commands() -> Iterator[bytes]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield (entry / "cmdline").read_bytes()
            except OSError:
                continue


async def test_a_platform_that_is_killed_has_failed_to_build(engine: Api, start: Start, tmp_path: Path) -> None:
    del engine  # it has made the image that this is built on
    state = tmp_path / "state"
    with serving(state, "--driver", "engine") as (process, client, _):
        begin = client.post("/images/build", json={"image_name": "slow"}).json()
        files = {"Dockerfile": f"{BASE}RUN echo begun; sleep 4322\n"}
        httpx.put(begin["upload_url"], content=context_of(files)).raise_for_status()
        client.post(f"/images/build/{begin['build_id']}/start", json={})
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while "begun\n" not in client.get(f"/images/build/{begin['build_id']}").json()["logs"]:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    api = await start("engine", state=state)
    found = (await api.call("GET", f"/images/build/{begin['build_id']}")).json()
    assert found["status"] == "FAILED"
    assert "stopped" in found["errorMessage"]
    assert left_over(api) == []
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while any(b"sleep\x004322" in line for line in _commands()):
            await asyncio.sleep(0.05)


async def test_a_copy_of_an_image(builder: Api) -> None:
    body = {"source_image": IMAGE, "image_name": "copy", "image_tag": "v1"}
    begin = (await builder.call("POST", "/images/build", json=body)).json()
    done = await built(builder, begin["build_id"])
    assert (done["status"], done["fullImagePath"]) == ("COMPLETED", "prime/usr_local/copy:v1")
    box = await builder.running(docker_image=done["fullImagePath"])
    assert await builder.output(box, "echo here") == "here\n"
    missing = {"source_image": "localhost/no-such-image:1"}
    begin = (await builder.call("POST", "/images/build", json=missing)).json()
    assert (await built(builder, begin["build_id"]))["status"] == "FAILED"


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_directory_is_built_by_the_clients(builder: Api, tmp_path: Path, *, blocking: bool) -> None:
    place = tmp_path / "context"
    (place / "in" / "deep").mkdir(parents=True)
    for name, text in (("in/a", "a"), ("in/skipped.log", "b"), ("in/deep/kept.log", "c"), ("secret", "d")):
        (place / name).write_text(text)
    (place / "link").symlink_to("in/a")
    (place / ".dockerignore").write_text("# comment\n**/*.log\n!in/deep/kept.log\n/secret\nDockerfile*\n")
    file = tmp_path / "Dockerfile.other"
    unique = f"ENV UNIQUE={tmp_path.name}-{time.time()}\n"  # nothing may come from a cache
    file.write_text(f"{BASE}{unique}COPY . /all/\nRUN ls -a /all /all/in /all/in/deep; cat /all/link\n")
    config = Config(api_key=builder.platform.api_key, base_url=builder.platform.base_url)
    if blocking:
        await asyncio.to_thread(_built_by_the_blocking_client, config, place, file)
        return
    async with AsyncSandboxClient(config=config) as client:
        begin = await client.images.build(place, "mine", "v2", dockerfile=file)
        done = await client.images.wait_for_build(begin.build_id)
        assert done.status == "COMPLETED", done
        listed = (done.logs or "").split()
        assert {"a", "kept.log", "link"} <= set(listed)
        assert not {"skipped.log", "secret", "Dockerfile.other"} & set(listed)
        with pytest.raises(ConflictError):
            await client.images.cancel_build(begin.build_id)


def _built_by_the_blocking_client(config: Config, place: Path, file: Path) -> None:
    with SandboxClient(APIClient(config=config)) as client:
        begin = client.images.build(place, "mine", dockerfile=file)
        assert client.images.wait_for_build(begin.build_id).status == "COMPLETED"
        client.images.update("mine:latest", tag="v3")
        assert [each.reference for each in client.images.list().data] == ["prime/usr_local/mine:v3"]
        client.images.delete("mine:v3")
        with pytest.raises(NotFoundError):
            client.images.delete("mine:v3")
