"""What a create asks for and this machine can't give is refused in words, before anything is made."""

import platform

import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest, NotOfferedError, RequestRejectedError
from tests.local.support import Api, Start, serving_in_process

X86 = ("amd64", "x86_64", "AMD64", "x86-64")
ARM = ("arm64", "aarch64", "ARM64")
NO_CHECKPOINTS = "With the process driver, checkpoints are not offered by the local platform."
BODY = {"name": "box", "docker_image": "python:3.11-slim"}


@pytest.fixture(params=["simulated", "process"])
async def api(request: pytest.FixtureRequest, start: Start) -> Api:
    return await start(request.param)


@pytest.mark.parametrize(
    ("machine", "own", "others"),
    [
        ("x86_64", X86, (*ARM, "riscv64", "sparc", "")),
        ("aarch64", ARM, (*X86, "arm", "\0")),
        ("arm64", ARM, X86),
        ("riscv64", ("riscv64",), (*X86, *ARM)),
    ],
)
async def test_another_architecture_is_refused(
    monkeypatch: pytest.MonkeyPatch, api: Api, machine: str, own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    for fields in ({}, {"vm": True}):
        for arch in others:
            reply = await api.call("POST", "/sandbox", json={**BODY, **fields, "arch": arch})
            assert (reply.status_code, reply.json()["errors"][0]["param"]) == (422, "arch"), arch
    assert (await api.call("GET", "/sandbox")).json()["total"] == 0
    for arch in (*own, None):
        await api.create(arch=arch)


async def test_the_machine_itself_has_the_architecture_that_it_tells(isolated: Api) -> None:
    box = await isolated.running(arch=platform.machine())
    assert (await isolated.output(box, "uname -m")).strip() == platform.machine()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"docker_image": "python:3.11-slim"},
        {"vm": True},
        {"vm": True, "disk_size_gb": 10, "labels": ["x"], "idempotency_key": "k"},
        {"arch": "sparc"},
    ],
)
async def test_a_driver_without_checkpoints_restores_none(start: Start, fields: dict[str, object]) -> None:
    api = await start("process")
    reply = await api.call("POST", "/sandbox", json={"name": "box", "checkpoint_id": "ckp_1", **fields})
    assert (reply.status_code, reply.json()) == (501, {"detail": NO_CHECKPOINTS})
    assert (await api.call("GET", "/sandbox")).json()["total"] == 0


@pytest.mark.parametrize("body", [{"name": "box"}, {"name": "box", "docker_image": None, "checkpoint_id": None}])
async def test_without_a_checkpoint_an_image_is_needed(api: Api, body: dict[str, object]) -> None:
    reply = await api.call("POST", "/sandbox", json=body)
    assert (reply.status_code, reply.json()["errors"]) == (422, [{"param": "docker_image", "details": "is required"}])


async def test_the_client_says_what_was_refused(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    async with serving_in_process(api.platform) as served:
        config = Config(api_key=served.platform.api_key, base_url=served.platform.base_url)
        async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
            with pytest.raises(RequestRejectedError) as refused:
                await client.create(CreateSandboxRequest(**BODY, arch="arm64"))
            assert set(refused.value.fields) == {"arch"}
            assert "cannot be 'arm64': sandboxes of this local platform are amd64" in str(refused.value)
            if api.platform.driver.checkpoints is None:
                with pytest.raises(NotOfferedError) as missing:
                    await client.create(CreateSandboxRequest(name="box", checkpoint_id="ckp_1"))
                assert str(missing.value) == f"HTTP 501: {NO_CHECKPOINTS}"
                assert missing.value.status_code == 501
            made = await client.create(CreateSandboxRequest(**BODY, arch="amd64"))
            assert made.id
