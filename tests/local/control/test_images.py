"""Images of the platform where an image is only a name: copies, names, changes and what is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sandtui.clock import ManualClock
from sandtui.local.control.image_names import copy_name, is_docker_hub, named_images
from tests.local.support import GIVE_UP_SECONDS, Api, Start


async def built(api: Api, build_id: str) -> dict[str, Any]:
    """Return a build once it has ended."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while (found := (await api.call("GET", f"/images/build/{build_id}")).json())["status"] in (
            "PENDING",
            "UPLOADING",
            "BUILDING",
        ):
            await asyncio.sleep(0.01)
    return found


async def transferred(api: Api, source: str, **fields: Any) -> dict[str, Any]:
    reply = await api.call("POST", "/images/build", json={"source_image": source, **fields})
    assert reply.status_code == 201, reply.text
    assert "upload_url" not in reply.json()
    return await built(api, reply.json()["build_id"])


async def rows(api: Api, **query: Any) -> list[tuple[str, str]]:
    found = (await api.call("GET", "/images", params=query)).json()
    return [(row["fullImagePath"], row["status"]) for row in found["data"]]


async def test_a_copy_is_listed_and_used_by_every_name_of_it(start: Start, clock: ManualClock) -> None:
    api = await start("simulated", clock=clock, images=("ghcr.io/*", "python*"))
    copy = await transferred(api, "ghcr.io/org/Tools/thing:v3".lower(), image_name="mine")
    assert (copy["status"], copy["fullImagePath"]) == ("COMPLETED", "prime/usr_local/mine:latest")
    for name in ("prime/usr_local/mine:latest", "prime/local/mine", "usr_local/mine:latest", "mine"):
        checked = (await api.call("POST", "/template/check-docker-image", json={"image": name})).json()
        assert checked["accessible"], name
        assert (await api.sandbox(await api.started(docker_image=name)))["dockerImage"] == name
    assert (await transferred(api, "quay.io/a/b:1"))["status"] == "FAILED"
    hub = await transferred(api, "python:3.12-slim")
    assert (hub["fullImagePath"], hub["visibility"], hub["ownerType"]) == ("python:3.12-slim", "PUBLIC", "platform")
    assert await rows(api) == [("prime/usr_local/b:1", "FAILED"), ("prime/usr_local/mine:latest", "COMPLETED")]
    assert await rows(api, ownerScope="platform") == [("python:3.12-slim", "COMPLETED")]
    assert await rows(api, search="MINE") == [("prime/usr_local/mine:latest", "COMPLETED")]
    page = (await api.call("GET", "/images", params={"offset": 1, "limit": 1})).json()
    assert (page["totalCount"], [row["imageName"] for row in page["data"]]) == (2, ["mine"])
    # Made again, it replaces the first, which goes just after the new one is complete.
    again = await transferred(api, "ghcr.io/org/other", image_name="mine")
    async with asyncio.timeout(60):
        while len(found := (await api.call("GET", "/images", params={"search": "mine"})).json()["data"]) > 1:
            await asyncio.sleep(0.005)
    assert [row["id"] for row in found] == [again["id"]]
    for path in ("/images/mine/latest", "/images/prime/usr_local/b/1", "/images/python/3.12-slim"):
        assert (await api.call("DELETE", path)).status_code == 200, path
        assert (await api.call("DELETE", path)).status_code == 404, path
    assert await rows(api) == await rows(api, ownerScope="platform") == []


async def test_several_copies_each_have_their_own_error(simulated: Api) -> None:
    sources = "registry.k8s.io/pause:3.10,registry.k8s.io/pause:3.10,quay.io/Not Valid"
    reply = await simulated.call("POST", "/images/build", json={"source_image": sources, "team_id": "t1"})
    first, second, third = reply.json()["results"]
    assert first["build"]["fullImagePath"] == "prime/team-t1/pause:3.10"
    assert (first["error"], second["build"], third["build"]) == (None, None, None)
    assert "duplicate" in second["error"]
    assert "not a valid reference" in third["error"]
    await built(simulated, first["build"]["build_id"])
    assert await rows(simulated, teamId="t1") == [("prime/team-t1/pause:3.10", "COMPLETED")]
    assert await rows(simulated) == []


async def test_changes_of_names_owners_and_visibility(simulated: Api) -> None:
    await transferred(simulated, "ghcr.io/a/one:1")
    await transferred(simulated, "ghcr.io/a/two:1")

    async def change(source: dict[str, Any], what: dict[str, Any], *, dry: bool = False) -> dict[str, Any]:
        body = {"mode": "explicit", "dryRun": dry, "updates": [{"source": source, "set": what}]}
        reply = await simulated.call("PATCH", "/images", json=body)
        assert reply.status_code == 200, reply.text
        (result,) = reply.json()["results"]
        assert reply.json()["success"] == result["success"]
        return result

    mine = {"type": "personal"}
    one = {"owner": mine, "name": "one", "tag": "1"}
    assert (await change(one, {"name": "two"}))["error"]["code"] == "CONFLICT"
    assert (await change(one, {"name": "No"}))["error"]["code"] == "INVALID"
    assert (await change({"reference": "prime/local/three:1"}, {"tag": "2"}))["error"]["code"] == "NOT_FOUND"
    seen = await change(one, {"name": "three", "tag": "2", "visibility": "PUBLIC"}, dry=True)
    assert seen["before"] == {"owner": mine, "name": "one", "tag": "1", "visibility": "PRIVATE"}
    assert seen["after"] == {"owner": mine, "name": "three", "tag": "2", "visibility": "PUBLIC"}
    assert ("prime/usr_local/one:1", "COMPLETED") in await rows(simulated)
    await change(one, {"name": "three", "tag": "2", "visibility": "PUBLIC"})
    moved = await change({"reference": "prime/usr_local/three:2"}, {"owner": {"type": "team", "teamId": "t1"}})
    assert moved["after"]["owner"] == {"type": "team", "teamId": "t1"}
    assert await rows(simulated, teamId="t1") == [("prime/team-t1/three:2", "COMPLETED")]
    assert await rows(simulated) == [("prime/usr_local/two:1", "COMPLETED")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "image_name"),
        ({"source_image": " , "}, "source_image"),
        ({"source_image": "ubuntu:22.04", "image_name": "mine"}, "source_image"),
        ({"source_image": "ubuntu,ghcr.io/a/b"}, "source_image"),
        ({"source_image": "ghcr.io/a/b,ghcr.io/a/c", "image_name": "mine"}, "image_name"),
        ({"source_image": "ghcr.io/a/b c"}, "source_image"),
        ({"source_image": "ghcr.io/a/b", "image_name": "a/b"}, "image_name"),
        ({"source_image": "ghcr.io/a/b", "image_name": "A"}, "image_name"),
        ({"source_image": "ghcr.io/a/b", "image_name": "a", "image_tag": "x/y"}, "image_name"),
        ({"source_image": "ghcr.io/a/b", "owner_scope": "platform", "team_id": "t"}, "owner_scope"),
        ({"image_name": "a", "dockerfile_path": "../x"}, "dockerfile_path"),
        ({"image_name": "a", "platform": "linux/riscv64"}, "platform"),
    ],
)
async def test_a_request_that_makes_no_sense_is_a_422(simulated: Api, body: dict[str, Any], param: str) -> None:
    reply = await simulated.call("POST", "/images/build", json=body)
    assert reply.status_code == 422, reply.text
    assert reply.json()["errors"][0]["param"] == param


async def test_a_dockerfile_needs_an_engine(real: Api) -> None:
    reply = await real.call("POST", "/images/build", json={"image_name": "mine"})
    assert reply.status_code == 501
    assert "--driver engine" in reply.json()["detail"]
    assert (await transferred(real, "ghcr.io/a/b:1"))["status"] == "COMPLETED"
    box = await real.running(docker_image="prime/local/b:1")
    assert await real.output(box, "echo here") == "here\n"
    for path in ("/images/build/img_0", "/images/build/img_0/start"):
        assert (await real.call("GET", path)).status_code in (404, 405)
    assert (await real.http.put("/uploads/img_0/x", content=b"x")).status_code == 404


def test_what_a_name_means() -> None:
    assert [is_docker_hub(text) for text in ("a", "a/b:1", "docker.io/a", "ghcr.io/a", "localhost/a", "h:5/a")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    digest = "@sha256:" + "ab" * 32
    assert [
        str(copy_name(text, owner))
        for text, owner in (
            ("docker.io/library/ubuntu:22.04", "platform"),
            ("org/tools", "platform"),
            ("ghcr.io/a/b" + digest, "personal"),
            ("localhost:5000/a/b:x" + digest, "platform"),
        )
    ] == ["ubuntu:22.04", "org/tools:latest", "prime/usr_local/b:sha256-abababababababab", "a/b:x"]
    assert [str(each) for each in named_images("a:1", "t")] == ["prime/team-t/a:1", "prime/usr_local/a:1", "a:1"]
    assert [str(each) for each in named_images("prime/team-x/a", "t")] == ["prime/team-x/a:latest"]
    assert named_images("prime/somebody/a:1", None) == named_images("prime/a:1", None) == []


async def test_the_images_of_a_platform_outlive_it(start: Start, state_dir: Path) -> None:
    first = await start("process")
    copy = await transferred(first, "ghcr.io/a/b:1")
    await first.platform.__aexit__(None, None, None)
    second = await start("process")
    assert await rows(second) == [("prime/usr_local/b:1", "COMPLETED")]
    assert (await second.call("GET", f"/images/build/{copy['id']}")).json()["logs"].startswith("ghcr.io/a/b:1 is only")
    assert list((state_dir / "contexts").iterdir()) == []
