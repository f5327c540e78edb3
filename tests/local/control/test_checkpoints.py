"""Checkpoints of sandboxes: what they contain, their errors, and what is left when something goes wrong."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.local.support import GIVE_UP_SECONDS, Api, Start, namespaces_work

HOSTILE = r"""
import os, socket
os.makedirs("/data/tree", exist_ok=True)
os.chdir("/data/tree")
open("plain", "w").write("hello")
os.link("plain", "second")
os.symlink("/etc/passwd", "link")
os.symlink("nowhere", "broken")
os.mkfifo("fifo", 0o640)
socket.socket(socket.AF_UNIX).bind("socket")
open(b"name-\xff\n\x1b[31m", "w").write("odd")
with open("sparse", "wb") as file:
    file.truncate(50_000_000)
    file.seek(40_000_000)
    file.write(b"end")
os.chmod("plain", 0o4755)
os.setxattr("plain", "user.note", b"kept\0bytes")
os.utime("plain", ns=(1_000_000_000_123_456_789, 1_100_000_000_987_654_321))
os.mkdir("closed", 0o700)
open("closed/in", "w").write("x")
os.chmod("closed", 0)
if os.geteuid() == 0:
    try:
        os.chown("second", 1000, 1001)
        open("owned", "w").write("y")
        os.chown("owned", 65533, 4)
    except OSError:
        pass
top = os.open(".", os.O_RDONLY)
here = top
for _ in range(600):
    os.mkdir("deep", dir_fd=here)
    below = os.open("deep", os.O_RDONLY, dir_fd=here)
    here = below
"""

DESCRIBE = r"""
import hashlib, os, stat
for top, directories, files, at in os.fwalk("/data/tree", topdown=True):
    if top.count("/deep") > 20:
        directories[:] = []
        continue
    for name in sorted(directories + files):
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        content = ""
        if stat.S_ISREG(found.st_mode):
            fd = os.open(name, os.O_RDONLY, dir_fd=at)
            content = hashlib.sha256(os.read(fd, 60_000_000)).hexdigest()[:8], os.listxattr(fd), found.st_blocks < 1000
        elif stat.S_ISLNK(found.st_mode):
            content = os.readlink(name, dir_fd=at)
        print(ascii(top), ascii(name), oct(found.st_mode), found.st_uid, found.st_gid, found.st_nlink,
              found.st_mtime_ns, content)
"""


async def durable(api: Api, checkpoint_id: str) -> dict[str, object]:
    """Return a checkpoint once it is DURABLE or FAILED."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while True:
            found = (await api.call("GET", f"/sandbox/checkpoints/{checkpoint_id}")).json()
            if found["state"] in ("DURABLE", "FAILED"):
                return found
            await asyncio.sleep(0.01)


async def checkpoint(api: Api, sandbox_id: str) -> str:
    """Take a checkpoint and return its id."""
    reply = await api.call("POST", f"/sandbox/{sandbox_id}/checkpoints")
    assert reply.status_code == 201, reply.text
    assert reply.json()["state"] == "PENDING"
    found = await durable(api, reply.json()["id"])
    assert (found["state"], found["error"]) == ("DURABLE", None)
    return str(found["id"])


async def restored(api: Api, checkpoint_id: str, name: str = "copy") -> str:
    reply = await api.call("POST", "/sandbox", json={"name": name, "checkpoint_id": checkpoint_id})
    assert reply.status_code == 201, reply.text
    found = await api.until(reply.json()["id"], "RUNNING", "ERROR")
    assert found["status"] == "RUNNING", found
    return str(found["id"])


async def python(api: Api, sandbox_id: str, code: str) -> str:
    await api.upload(sandbox_id, "/tmp/code.py", code.encode())
    return await api.output(sandbox_id, "python3 /tmp/code.py")


@pytest.fixture(params=["limited", "watched", "signals"])
async def machine(request: pytest.FixtureRequest, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A platform that isolates: with the limit of disks that this machine has, without any, and without a freezer."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    if request.param != "limited":
        monkeypatch.setattr("sandtui.local.drivers.selection.find_disk_limit", no_limit)
    if request.param == "signals":
        monkeypatch.setattr("sandtui.local.drivers.cgroups.ControlGroup.freezing", lambda _: None)
    return await start("namespace")


async def no_limit(state_dir: Path, *, mapped: bool) -> tuple[None, str]:
    return None, "a test"


async def test_a_restored_sandbox_has_the_same_files(machine: Api) -> None:
    isolated = machine
    box = await isolated.running()
    await python(isolated, box, HOSTILE)
    before = await python(isolated, box, DESCRIBE)
    assert "sparse" in before
    copy = await restored(isolated, await checkpoint(isolated, box))
    assert await python(isolated, copy, DESCRIBE) == before
    # A copy of the copy too, whose owners have been moved once already.
    third = await restored(isolated, await checkpoint(isolated, copy))
    assert await python(isolated, third, DESCRIBE) == before
    for one in (box, copy, third):
        assert await isolated.output(one, "echo works > /workspace/new && cat /workspace/new") == "works\n"
    # What one of them changes is its own.
    await isolated.output(copy, "echo other > /data/tree/plain")
    assert await isolated.output(box, "cat /data/tree/plain") == "hello"


async def test_a_sandbox_that_writes_goes_on_after_its_checkpoint(machine: Api) -> None:
    isolated = machine
    box = await isolated.running(
        start_command="i=0; while :; do i=$((i+1)); echo $i >> /data/log; cp /data/log /data/log2; done"
    )
    first = await checkpoint(isolated, box)
    count = int(await isolated.output(box, "tail -n 1 /data/log"))
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while int(await isolated.output(box, "tail -n 1 /data/log")) <= count:
            await asyncio.sleep(0.05)
    copy = await restored(isolated, first)
    lines = (await isolated.output(copy, "cat /data/log")).split()
    assert lines == [str(number + 1) for number in range(len(lines))]
    assert int((await isolated.output(box, "wc -l < /data/log")).strip()) >= len(lines)


async def test_what_was_stopped_before_stays_stopped(machine: Api) -> None:
    box = await machine.running(start_command="sleep 1000 & echo $! > /data/pid; kill -STOP $!; sleep 1001")
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while "T" not in await machine.output(box, "cat /proc/$(cat /data/pid)/stat 2>/dev/null | cut -d' ' -f3; true"):
            await asyncio.sleep(0.01)
    await checkpoint(machine, box)
    states = await machine.output(box, "cut -d' ' -f3 /proc/$(cat /data/pid)/stat; cut -d' ' -f3 /proc/1/stat")
    assert states.split() in (["T", "S"], ["T", "R"])


async def test_nothing_is_deleted_while_it_is_in_use(isolated: Api) -> None:
    box = await isolated.running()
    await isolated.output(box, "head -c 30000000 /dev/urandom > /data/large")
    pending = (await isolated.call("POST", f"/sandbox/{box}/checkpoints")).json()["id"]
    assert (await isolated.call("DELETE", f"/sandbox/checkpoints/{pending}")).status_code == 409
    early = await isolated.call("POST", "/sandbox", json={"name": "copy", "checkpoint_id": pending})
    assert (early.status_code, "PENDING" in early.text or "FROZEN" in early.text) == (409, True)
    await durable(isolated, pending)
    await isolated.call("DELETE", f"/sandbox/{box}")
    copy = (await isolated.call("POST", "/sandbox", json={"name": "copy", "checkpoint_id": pending})).json()
    assert copy["checkpointId"] == pending
    assert (await isolated.call("DELETE", f"/sandbox/checkpoints/{pending}")).status_code == 409
    assert (await isolated.until(copy["id"], "RUNNING", "ERROR"))["status"] == "RUNNING"
    assert (await isolated.call("DELETE", f"/sandbox/checkpoints/{pending}")).status_code == 200


async def test_many_checkpoints_at_once(isolated: Api) -> None:
    boxes = [await isolated.running() for _ in range(3)]
    begun = [
        (await isolated.call("POST", f"/sandbox/{box}/checkpoints")).json()["id"] for box in boxes for _ in range(3)
    ]
    found = [await durable(isolated, one) for one in begun]
    assert {str(row["state"]) for row in found} == {"DURABLE"}
    for box in boxes:
        listed = (await isolated.call("GET", f"/sandbox/{box}/checkpoints")).json()["checkpoints"]
        assert [row["depth"] for row in listed] == [0, 1, 2]
    # All are deleted at once; two requests for the same one do not disturb each other.
    for box in boxes:
        await isolated.call("DELETE", f"/sandbox/{box}")
    await asyncio.gather(
        *(isolated.call("DELETE", f"/sandbox/checkpoints/{one}") for one in [*begun, *begun]),
    )
    assert not list((isolated.platform.settings.state_dir / "checkpoints").iterdir())


async def test_the_root_of_a_restored_sandbox_leads_no_mount_out_of_it(isolated: Api) -> None:
    box = await isolated.running()
    await isolated.output(box, "mv /opt/sandtui /opt/moved && ln -s /etc /opt/sandtui && rm -rf /srv && ln -s / /srv")
    before = sorted(path.name for path in Path("/etc").iterdir())
    copy = await restored(isolated, await checkpoint(isolated, box))
    assert sorted(path.name for path in Path("/etc").iterdir()) == before
    assert (await isolated.output(copy, "echo ok")) == "ok\n"


async def test_parents_depths_and_deletion(isolated: Api) -> None:
    box = await isolated.running()
    first, second = await checkpoint(isolated, box), await checkpoint(isolated, box)
    copy = await restored(isolated, second)
    third = await checkpoint(isolated, copy)
    rows = {key: await durable(isolated, key) for key in (first, second, third)}
    assert [rows[key]["parent_id"] for key in (first, second, third)] == [None, first, second]
    assert [rows[key]["depth"] for key in (first, second, third)] == [0, 1, 2]
    assert all(int(str(row["occupied_bytes"])) > 0 for row in rows.values())
    listed = (await isolated.call("GET", f"/sandbox/{box}/checkpoints")).json()["checkpoints"]
    assert [row["id"] for row in listed] == [first, second]
    only = await isolated.call("GET", f"/sandbox/{box}/checkpoints", params={"checkpoint_id": second})
    assert [row["id"] for row in only.json()["checkpoints"]] == [second]
    # The newest of a running sandbox stays; others go, whatever descends from them.
    assert (await isolated.call("DELETE", f"/sandbox/checkpoints/{second}")).status_code == 409
    assert (await isolated.call("DELETE", f"/sandbox/checkpoints/{first}")).status_code == 200
    assert (await isolated.call("GET", f"/sandbox/checkpoints/{first}")).status_code == 404
    reply = (await isolated.call("DELETE", f"/sandbox/{box}/checkpoints")).json()
    assert reply["deleted"] == []
    assert [row["code"] for row in reply["errors"]] == ["CONFLICT"]
    await isolated.call("DELETE", f"/sandbox/{box}")
    assert (await isolated.call("DELETE", f"/sandbox/{box}/checkpoints")).json() == {"deleted": [second], "errors": []}
    # A sandbox that was made from a deleted one is its own.
    assert await isolated.output(copy, "echo ok") == "ok\n"
    rest = await isolated.call("POST", "/sandbox/checkpoints:batchGet", json={"checkpoint_ids": [second, third]})
    assert [row["id"] for row in rest.json()["checkpoints"]] == [third]
    assert [(row["checkpoint_id"], row["code"]) for row in rest.json()["errors"]] == [(second, "NOT_FOUND")]
    directory = isolated.platform.settings.state_dir / "checkpoints"
    assert {path.name for path in directory.iterdir()} == {third}


async def test_a_checkpoint_outlives_its_sandbox_and_its_platform(start: Start, isolated: Api) -> None:
    box = await isolated.running(disk_size_gb=1.0)
    await isolated.output(box, "echo kept > /data/file")
    first = await checkpoint(isolated, box)
    await isolated.call("DELETE", f"/sandbox/{box}")
    await isolated.platform.__aexit__(None, None, None)
    later = await start("namespace")
    copy = await restored(later, first)
    assert await later.output(copy, "cat /data/file") == "kept\n"
    found = await later.sandbox(copy)
    assert (found["dockerImage"], found["diskSizeGB"]) == ("python:3.11-slim", 1.0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"checkpoint_id": "ckpt_unknown"}, 404),
        ({"checkpoint_id": ""}, 422),
        ({"checkpoint_id": "x" * 65}, 422),
        ({"checkpoint_id": "ckpt_unknown", "docker_image": "a"}, 422),
        ({"checkpoint_id": "ckpt_unknown", "disk_size_gb": 3}, 422),
    ],
)
async def test_a_restore_that_cannot_be(simulated: Api, body: dict[str, object], status: int) -> None:
    reply = await simulated.call("POST", "/sandbox", json={"name": "copy", **body})
    assert reply.status_code == status, reply.text


@pytest.mark.parametrize("ids", [[], ["a"] * 2, [""], ["x" * 65], [f"id{number}" for number in range(101)]])
async def test_batches_that_are_refused(simulated: Api, ids: list[str]) -> None:
    reply = await simulated.call("POST", "/sandbox/checkpoints:batchGet", json={"checkpoint_ids": ids})
    assert reply.status_code == 422


async def test_a_sandbox_that_does_not_run_has_no_new_checkpoint(simulated: Api) -> None:
    box = await simulated.started()
    await simulated.call("DELETE", f"/sandbox/{box}")
    assert (await simulated.call("POST", f"/sandbox/{box}/checkpoints")).status_code == 409
    assert (await simulated.call("POST", "/sandbox/unknown/checkpoints")).status_code == 404
    assert (await simulated.call("GET", "/sandbox/unknown/checkpoints")).status_code == 404


async def test_a_simulated_sandbox_takes_its_files_along(simulated: Api) -> None:
    box = await simulated.started()
    await simulated.upload(box, "/workspace/note", b"hello")
    first = await checkpoint(simulated, box)
    reply = await simulated.call("POST", "/sandbox", json={"name": "copy", "checkpoint_id": first})
    copy = reply.json()["id"]
    while (await simulated.sandbox(copy))["status"] != "RUNNING":
        simulated.platform.clock.advance(seconds=2)  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    assert (await simulated.download(copy, "/workspace/note")).content == b"hello"


async def test_a_driver_without_checkpoints_says_so(start: Start) -> None:
    api = await start("process")
    for method, path in [("POST", "/sandbox/x/checkpoints"), ("GET", "/sandbox/checkpoints/c")]:
        reply = await api.call(method, path)
        assert reply.status_code == 501
        assert "process driver" in reply.json()["detail"]
    reply = await api.call("POST", "/sandbox", json={"name": "copy", "checkpoint_id": "c"})
    assert reply.status_code == 501


async def test_a_deleted_sandbox_leaves_no_half_checkpoint(isolated: Api) -> None:
    box = await isolated.running()
    await isolated.output(box, "head -c 60000000 /dev/urandom > /data/large")
    reply = await isolated.call("POST", f"/sandbox/{box}/checkpoints")
    await isolated.call("DELETE", f"/sandbox/{box}")
    found = await durable(isolated, reply.json()["id"])
    directory = isolated.platform.settings.state_dir / "checkpoints"
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while found["state"] == "FAILED" and list(directory.iterdir()):
            await asyncio.sleep(0.01)
    assert found["state"] == "DURABLE" or found["error"]
