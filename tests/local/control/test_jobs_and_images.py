"""The batch status of background jobs, image checks and images that can't be had."""

from typing import Any

import pytest

from sandtui.local.control.images import Catalogue, reference_error
from tests.local.support import Api, Start

JOBS = "/sandbox/background-jobs/status:batchGet"


async def test_jobs_of_several_sandboxes_are_reported_in_order(real: Api) -> None:
    one, two, gone = await real.running(), await real.running(), await real.running()
    await real.call("DELETE", f"/sandbox/{gone}")
    for box, job, text in (
        (one, "0000000a", "0\n"),
        (one, "0000000b", "137\n"),
        (two, "0000000c", "x"),
        (two, "0000000d", ""),
    ):
        assert (await real.upload(box, f"/tmp/job_{job}.exit", text.encode())).status_code == 200
    jobs = [
        (one, "0000000a"),
        (one, "0000000b"),
        (two, "0000000c"),
        (two, "0000000d"),
        (two, "ffffffff"),
        (gone, "0000000a"),
        ("sbx_0", "0000000a"),
    ]
    body = {"jobs": [{"sandbox_id": box, "job_id": job} for box, job in jobs]}
    reply = (await real.call("POST", JOBS, json=body)).json()
    rows = [(row["sandbox_id"], row["job_id"], row["completed"], row.get("exit_code")) for row in reply["statuses"]]
    assert rows == [
        (one, "0000000a", True, 0),
        (one, "0000000b", True, 137),
        (two, "0000000d", False, None),
        (two, "ffffffff", False, None),
    ]
    errors = [(row["sandbox_id"], row["code"]) for row in reply["errors"]]
    assert errors == [(two, "RUNTIME_ERROR"), (gone, "NOT_RUNNING"), ("sbx_0", "NOT_FOUND")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jobs": []},
        {"jobs": [{"sandbox_id": "s", "job_id": "../../xx"}]},
        {"jobs": [{"sandbox_id": "s", "job_id": "0000000a"}] * 2},
        {"jobs": [{"sandbox_id": str(n), "job_id": "0000000a"} for n in range(101)]},
    ],
)
async def test_a_malformed_batch_is_a_422(simulated: Api, body: dict[str, Any]) -> None:
    assert (await simulated.call("POST", JOBS, json=body)).status_code == 422


@pytest.mark.parametrize(
    "image", ["i", "python:3.11-slim", "ghcr.io/a/b:1", "localhost:5000/x", "a/b@sha256:" + "0" * 64]
)
def test_references_of_the_right_form(image: str) -> None:
    assert reference_error(image) is None


@pytest.mark.parametrize("image", ["UPPER", "a b", "a::b", ":tag", "a/", "/a", "a@b", "-a", "a:" + "t" * 129])
def test_references_of_the_wrong_form(image: str) -> None:
    assert "not a valid reference" in (reference_error(image) or "")


def test_only_listed_images_are_there() -> None:
    catalogue = Catalogue(("python:*", "local/app"))
    assert catalogue.error("python:3.11") is None
    assert catalogue.error("local/app") is None
    assert "python:*" in (catalogue.error("node:20") or "")


@pytest.mark.parametrize("driver", ["process", "simulated"])
async def test_an_image_that_cannot_be_had_ends_the_sandbox(start: Start, driver: str) -> None:
    api = await start(driver, images=("python:*",))
    ended = await api.until((await api.create(docker_image="node:20"))["id"], "ERROR")
    assert ended["errorType"] == "IMAGE_PULL_FAILED"
    assert "node:20" in ended["errorMessage"]
    assert ended["startedAt"] is None
    assert (await api.until((await api.create())["id"], "RUNNING"))["errorType"] is None
    reply = (await api.call("POST", "/template/check-docker-image", json={"image": "node:20"})).json()
    assert (reply["accessible"], "node:20" in reply["details"]) == (False, True)
    reply = (await api.call("POST", "/template/check-docker-image", json={"image": "python:3"})).json()
    assert reply["accessible"] is True and reply["details"]
    assert (await api.call("GET", "/template/registry-credentials")).json() == {"credentials": []}
    body = {"image": "python:3", "registry_credentials_id": "x"}
    assert (await api.call("POST", "/template/check-docker-image", json=body)).status_code == 404
