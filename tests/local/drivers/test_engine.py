"""The container engine driver, against a real engine wherever one answers.

No registry is needed: the tests make their image of the machine's static busybox.
"""

import asyncio
import io
import os
import shutil
import tarfile
from pathlib import Path

import httpx
import pytest

from sandtui.local.drivers.engine import find_engine
from sandtui.local.settings import LocalError
from tests.local.control.test_checkpoints import checkpoint, restored
from tests.local.rpc import Rpc
from tests.local.support import GIVE_UP_SECONDS, Api, Start, serving_in_process
from tests.probes import lose_memory

IMAGE = "localhost/sandtui-test:latest"
APPLETS = (
    "ash cat chmod chown cp dirname du echo env false grep head hostname httpd id kill ln ls md5sum mkdir mv nc ps pwd "
    "rm seq sh sleep stat stty tail test touch true tty wc whoami"
)
# Command sessions start bash; here it is busybox' shell.
BASH = b'#!/bin/sh\nexec /bin/sh "$@"\n'
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"


def image_of(busybox: Path) -> bytes:
    """Return a root directory as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "root", "proc", "sys", "dev", "var"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for name in APPLETS.split():
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        for name, content in (("bin/busybox", busybox.read_bytes()), ("bin/bash", BASH), ("etc/passwd", PASSWD)):
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
async def engine(start: Start) -> Api:
    api = await find_engine()
    if api is None:
        pytest.skip("no container engine answers here (Docker, or Podman's service; .ci/run starts one where it may)")
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no static busybox to make an image of")
    params = {"fromSrc": "-", "repo": IMAGE.partition(":")[0]}
    body = image_of(Path(busybox))
    try:
        if not await has_image(api):
            await api.call("POST", "/images/create", params=params, content=body, wait=True)
    finally:
        await api.close()
    return await start("engine")


async def has_image(api: object) -> bool:
    try:
        await api.call("GET", f"/images/{IMAGE}/json")  # type: ignore[attr-defined]
    except Exception:
        return False
    return True


async def up(api: Api, **fields: object) -> str:
    return await api.running(docker_image=IMAGE, **fields)


async def test_a_container_runs_commands_and_keeps_files(engine: Api) -> None:
    assert "containers of" in engine.platform.driver.isolation
    box = await up(engine, name="My Box", environment_vars={"A": "a b"}, secrets={"S": "hidden"})
    assert await engine.output(box, "echo $A $S; pwd; hostname") == "a b hidden\n/workspace\nmy-box\n"
    reply = (await engine.run(box, "echo out; echo err >&2; exit 7")).json()
    assert (reply["stdout"], reply["stderr"], reply["exit_code"]) == ("out\n", "err\n", 7)
    assert await engine.output(box, "whoami; pwd", user="nobody", working_dir="/tmp") == "nobody\n/tmp\n"
    assert await engine.output(box, "seq 20000") == "".join(f"{n}\n" for n in range(1, 20001))
    data = os.urandom(1_500_000)
    assert (await engine.upload(box, "/workspace/new dir/data", data)).json()["size"] == len(data)
    assert (await engine.download(box, "/workspace/new dir/data")).content == data
    assert await engine.output(box, "ls -A '/workspace/new dir'") == "data\n"
    reply = await engine.gateway("GET", box, "read-file", params={"path": "/etc/passwd", "offset": 0, "length": 4})
    assert reply.json()["content"] == "root"
    assert (await engine.download(box, "/no/such")).status_code == 404
    assert (await engine.download(box, "/tmp")).status_code == 400
    assert (await engine.upload(box, "/tmp", b"x")).status_code == 400
    reply = await engine.run(box, "true", working_dir="/no/such")
    assert reply.json()["exit_code"] in (126, 127), reply.text
    await engine.call("DELETE", f"/sandbox/{box}")
    assert (await engine.run(box, "true")).status_code == 409
    assert "driver" in (await engine.call("GET", f"/sandbox/{box}/logs")).json()["logs"]


async def test_root_of_a_container_has_few_rights_and_gains_none(engine: Api) -> None:
    box = await up(engine)
    status = await engine.output(box, "cat /proc/self/status")
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    # No net_admin (12), net_raw (13), sys_ptrace (19), sys_admin (21), mknod (27), audit_write (29).
    for name in ("CapEff", "CapBnd", "CapPrm"):
        mask = int(fields[name], 16)
        assert not mask & sum(1 << bit for bit in (12, 13, 19, 21, 27, 29)), name
    await engine.output(box, "touch /root/f && chown nobody /root/f && chmod 4755 /root/f")
    assert await engine.output(box, "whoami", user="nobody") == "nobody\n"


async def test_a_command_past_its_time_is_killed_with_its_children(engine: Api) -> None:
    box = await up(engine)
    assert (await engine.run(box, "sleep 321 & sleep 321", timeout=1)).status_code == 408
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while "sleep 321" in await engine.output(box, "ps"):
            await asyncio.sleep(0.1)


async def test_a_child_in_the_background_does_not_hold_the_answer_up(engine: Api) -> None:
    box = await up(engine)
    async with asyncio.timeout(GIVE_UP_SECONDS):
        assert await engine.output(box, "sleep 322 & echo started") == "started\n"


async def test_the_start_command_decides_the_end(engine: Api) -> None:
    box = (await engine.create(docker_image=IMAGE, start_command="echo from-start; exit 3"))["id"]
    ended = await engine.until(box, "ERROR")
    assert (ended["exitCode"], ended["errorType"]) == (3, None)
    assert "from-start" in (await engine.call("GET", f"/sandbox/{box}/logs")).json()["logs"]


async def test_an_image_that_cannot_be_pulled(engine: Api) -> None:
    for image in ("localhost:1/no/such:1", "not a reference"):
        ended = await engine.until((await engine.create(docker_image=image))["id"], "ERROR")
        assert ended["errorType"] == "IMAGE_PULL_FAILED", ended
        assert image in ended["errorMessage"]
        reply = (await engine.call("POST", "/template/check-docker-image", json={"image": image})).json()
        assert reply["accessible"] is False and image in reply["details"]
    reply = (await engine.call("POST", "/template/check-docker-image", json={"image": IMAGE})).json()
    assert reply["accessible"] is True


async def test_ports_lead_to_the_container(engine: Api) -> None:
    box = await up(engine)
    await engine.output(box, "mkdir /tmp/www; echo hello > /tmp/www/index.html; httpd -p 8000 -h /tmp/www")
    url = (await engine.call("POST", f"/sandbox/{box}/expose", json={"port": 8000})).json()["url"]
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "hello\n"
    alone = await up(engine, network_access=False)
    assert (await engine.run(alone, "cat /proc/net/route | wc -l")).json()["stdout"].strip() in ("0", "1")
    url = (await engine.call("POST", f"/sandbox/{alone}/expose", json={"port": 8000})).json()["url"]
    async with httpx.AsyncClient() as client:
        reply = await client.get(url)
    assert (reply.status_code, "no network" in reply.json()["detail"]) == (502, True)


async def test_memory_is_limited(engine: Api) -> None:
    box = await up(engine, memory_gb=0.1)
    reply = await engine.run(box, "tail -c 300m /dev/zero")
    assert reply.status_code == 409, reply.text
    assert (await engine.sandbox(box))["errorType"] == "OOM_KILLED"


async def test_command_sessions_with_a_terminal(engine: Api) -> None:
    async with serving_in_process(engine.platform) as api:
        rpc = await Rpc.of(api, await up(engine, vm=True))
        out, err, end = await rpc.run("echo out; echo err >&2; exit 4")
        assert (out, err, end["exit_code"]) == ("out\n", "err\n", 4)
        pty = {"size": {"cols": 90, "rows": 20}}
        async with rpc.start("read line; stty size; echo got $line", pty=pty, stdin=True) as events:
            session = {"pid": await events.pid()}
            await rpc.write(session, b"x\r", kind="pty")
            assert b"20 90" in await events.until(b"got x", "pty")


async def test_containers_of_a_dead_platform_are_found_or_removed(engine: Api, start: Start) -> None:
    kept = await up(engine)
    state = engine.platform.settings.state_dir
    await engine.platform.registry.change(kept, name="still there")
    # As after a SIGKILL: what the platform had in memory is gone, the containers are not.
    lose_memory(engine.platform)
    assert await engine.platform.driver.remains() == [kept]
    await engine.platform.__aexit__(None, None, None)
    again = await start("engine", state=state)
    assert (await again.sandbox(kept))["name"] == "still there"
    assert await again.output(kept, "echo well") == "well\n"
    await again.call("DELETE", f"/sandbox/{kept}")
    assert await again.platform.driver.remains() == []


async def test_auto_takes_an_engine_where_namespaces_do_not_work(
    engine: Api, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def refused(state: Path, *, mapped: bool, network: str = "none") -> str:
        return "not allowed"

    monkeypatch.setattr("sandtui.local.drivers.selection.probe", refused)
    assert (await start("auto", state=tmp_path / "state")).platform.driver.name == "engine"


async def test_without_an_engine_the_driver_says_so(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandtui.local.drivers.engine.engine_addresses", list)
    with pytest.raises(LocalError, match="DOCKER_HOST"):
        await start("engine")


async def images(engine: Api) -> list[str]:
    assert engine.platform.driver.checkpoints is not None
    return await engine.platform.driver.checkpoints.remains()


async def test_a_checkpoint_is_an_image(engine: Api) -> None:
    box = await engine.running(docker_image=IMAGE, secrets={"TOKEN": "sesame"}, environment_vars={"PLAIN": "seen"})
    await engine.output(box, "echo kept > /root/kept; ln -s kept /root/link; mkdir /data; chown 5:6 /data")
    first = await checkpoint(engine, box)
    await engine.output(box, "echo later > /root/kept")
    copy = await restored(engine, first)
    text = await engine.output(copy, "cat /root/link; stat -c '%u %g' /data; echo [$TOKEN][$PLAIN]")
    assert text == "kept\n5 6\n[][]\n"
    assert (await engine.sandbox(copy))["dockerImage"] == IMAGE
    assert await images(engine) == [first]
    await engine.call("DELETE", f"/sandbox/{box}")
    assert (await engine.call("DELETE", f"/sandbox/checkpoints/{first}")).status_code == 200
    assert (await engine.call("GET", f"/sandbox/checkpoints/{first}")).status_code == 404
    # Its image stays as long as a container needs it.
    assert await engine.output(copy, "cat /root/kept") == "kept\n"
    await engine.call("DELETE", f"/sandbox/{copy}")
    assert await images(engine) == []
