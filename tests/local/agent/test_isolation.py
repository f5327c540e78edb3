"""What a namespace keeps apart, as root and as an ordinary user."""

import contextlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.agent_instance import AgentInstance
from sandtui.local.drivers.base import FileFailed
from sandtui.local.drivers.launcher import INTERPRETER, Launcher, LaunchFailed
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.drivers.namespace import NamespaceDriver
from sandtui.local.drivers.selection import select_driver
from sandtui.local.platform import LocalPlatform
from sandtui.local.settings import LocalError, PlatformSettings
from sandtui.local.store.records import SandboxRecord
from tests.local.ordinary import NOBODY, run
from tests.local.support import Api, Start, namespaces_work, processes_of


async def test_processes_files_and_names_are_its_own(isolated: Api, tmp_path: Path) -> None:
    box = await isolated.running(name="My Box! 7")
    (tmp_path / "host-file").write_text("x")
    assert await isolated.output(box, "hostname") == "my-box-7\n"
    assert await isolated.output(box, "id -u") == "0\n"
    assert (await isolated.output(box, "ls /proc | grep -c '^[0-9]*$'")).strip() in ("3", "4", "5")
    assert (await isolated.run(box, f"ls {tmp_path}")).json()["exit_code"] != 0
    state = isolated.platform.settings.state_dir
    assert (await isolated.run(box, f"ls {state}")).json()["exit_code"] != 0
    for command in ("touch /usr/x", "touch /etc/x", "mount -t tmpfs t /mnt", "hostname other", "kill -9 1; false"):
        assert (await isolated.run(box, command)).json()["exit_code"] != 0, command
    assert (await isolated.run(box, "true")).status_code == 200
    for directory in ("/workspace", "/sandbox-workspace", "/tmp", "/root", "/app", "/var/tmp", "/dev/shm", "/run"):
        await isolated.output(box, f"echo x > {directory}/f && rm {directory}/f")
    await isolated.output(
        box, "echo x > /dev/null; echo x > /dev/stderr; head -c 4 /dev/urandom; test -r /dev/tty || :"
    )


async def test_the_agent_cannot_be_looked_into(isolated: Api) -> None:
    box = await isolated.running()
    for command in ("ls /proc/1/fd", "cat /proc/1/environ", "ls -l /proc/1/root/", "readlink /proc/1/cwd"):
        assert (await isolated.run(box, command)).json()["exit_code"] != 0, command
    status = await isolated.output(box, "cat /proc/self/status")
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    # No sys_admin (21), net_admin (12), sys_ptrace (19), mknod (27), net_raw (13).
    for name in ("CapEff", "CapBnd", "CapPrm"):
        mask = int(fields[name], 16)
        assert not mask & sum(1 << bit for bit in (12, 13, 19, 21, 27)), name


async def test_sandboxes_do_not_see_each_other(isolated: Api) -> None:
    one, two = await isolated.running(), await isolated.running()
    await isolated.output(one, "echo secret > /tmp/mine; sleep 300 > /dev/null 2>&1 & :")
    assert (await isolated.run(two, "cat /tmp/mine")).json()["exit_code"] != 0
    assert "sleep" not in await isolated.output(two, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")


async def test_no_network_means_loopback_alone(isolated: Api) -> None:
    closed = await isolated.running(network_access=False)
    assert "lo" in await isolated.output(closed, "cat /proc/net/dev")
    assert (await isolated.output(closed, "tail -n +3 /proc/net/dev | wc -l")).strip() == "1"
    script = (
        "import socket, threading; s = socket.create_server(('127.0.0.1', 8000)); "
        "socket.create_connection(('127.0.0.1', 8000)); print('own loopback works')"
    )
    assert "works" in await isolated.output(closed, f'python -c "{script}"')
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), 2)"
    assert "unreachable" in (await isolated.run(closed, f'python -c "{reach}"')).json()["stderr"]
    # A hundred sandboxes can each listen on the same port.
    other = await isolated.running(network_access=False)
    assert "works" in await isolated.output(other, f'python -c "{script}"')


async def test_commands_can_run_as_another_user(isolated: Api) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user has only one user to give")
    box = await isolated.running()
    assert (
        await isolated.output(box, "id -un; id -g; echo out > /dev/stdout", user="nobody:1000") == "nobody\n1000\nout\n"
    )
    assert await isolated.output(box, "id -u", user="1234") == "1234\n"
    reply = (await isolated.run(box, "true", user="no-such-user")).json()
    assert (reply["exit_code"], "no-such-user" in reply["stderr"]) == (127, True)


async def test_root_of_a_sandbox_is_nobody_here(isolated: Api) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give sandboxes users of their own")
    one, two = await isolated.running(), await isolated.running()
    owners = set()
    for box in (one, two):
        await isolated.output(box, "echo x > /workspace/f; mkdir -m 0 /workspace/closed")
    for agent in processes_of(isolated.platform.settings.state_dir):
        with contextlib.suppress(FileNotFoundError):
            owners.add(Path(f"/proc/{agent}/root/workspace/f").stat().st_uid)
    assert len(owners) == 2
    assert min(owners) >= 524288
    assert (await isolated.run(one, "cat /etc/shadow")).json()["exit_code"] != 0
    await isolated.call("DELETE", "/sandbox", json={"sandbox_ids": [one, two]})
    assert list((isolated.platform.settings.state_dir / "sandboxes").iterdir()) == []


async def test_nothing_is_mounted_on_the_host(isolated: Api) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    box = await isolated.running()
    await isolated.output(box, "true")
    assert Path("/proc/self/mountinfo").read_text() == before


async def test_the_mode_of_an_ordinary_user_when_root_uses_it(tmp_path: Path, state_dir: Path) -> None:
    await namespaces_work(tmp_path, mapped=False)
    state_dir.mkdir(mode=0o700)
    driver = NamespaceDriver(state_dir, Catalogue(("*",)), mapped=False)
    await driver.open()
    now = datetime.now(UTC)
    record = SandboxRecord("sbx_one", "n", "i", created_at=now, updated_at=now)
    instance = await driver.start(record)
    try:
        assert (await run(instance, "cat /proc/self/uid_map"))[0].split() == ["0", str(os.geteuid()), "1"]
        assert await driver.measure(record.id) == {"processes": 0, "resident": 0}
    finally:
        await driver.discard(record.id)
        await driver.close()
    assert await driver.remains() == []


async def test_an_ordinary_user_gets_the_same_isolation(ordinary: AgentInstance) -> None:
    assert await run(ordinary, "id -u; hostname; pwd") == ("0\nordinary\n/workspace\n", 0)
    assert await run(ordinary, "cat /proc/self/uid_map") == (f"{0:>10} {NOBODY:>10} {1:>10}\n", 0)
    devices = (await run(ordinary, "tail -n +3 /proc/net/dev | cut -d: -f1 | sort"))[0].split()
    if "eth0" in devices:
        os.close((await ordinary.network())[0])
        assert (await run(ordinary, "cat /etc/resolv.conf"))[0] == "nameserver 10.0.2.3\n"
    assert set(devices) in ({"lo"}, {"eth0", "lo"}, {"carrier0", "eth0", "lo"})
    assert (await run(ordinary, "touch /usr/x"))[1] != 0
    assert (await run(ordinary, "mount -t tmpfs t /mnt"))[1] != 0
    assert (await run(ordinary, "ls /proc/1/fd"))[1] != 0
    assert (await run(ordinary, "python -c 'print(1)'; echo x > /dev/stderr"))[0] == "1\n"


async def test_an_ordinary_users_sandbox_has_a_python_of_its_own(ordinary: AgentInstance) -> None:
    shell = "env -i /bin/sh -lc 'command -v python; command -v python3; touch /usr/local/bin/tool'"
    found, code = await run(ordinary, shell)
    assert (found, code) == ("/usr/local/bin/python\n/usr/local/bin/python3\n", 0)
    if machine_python(INTERPRETER)["pip"] is not None:
        assert (await run(ordinary, "python -m venv --without-pip v && v/bin/python -c 'print(1)'"))[0] == "1\n"


async def test_an_ordinary_user_moves_files(ordinary: AgentInstance) -> None:
    file = await ordinary.open_write("/workspace/a/b")
    await file.write(b"data")
    await file.commit()
    file.close()
    assert await run(ordinary, "cat a/b; stat -c %a a/b") == ("data644\n", 0)
    read = await ordinary.open_read("/workspace/a/b")
    assert await read.read(1, 2) == b"at"
    read.close()
    for path in ("/etc/new", "/usr/bin/sh"):
        with pytest.raises(FileFailed):
            await ordinary.open_write(path)


async def test_the_plain_driver_says_what_it_is_and_refuses(start: Start) -> None:
    api = await start("process")
    assert "NOT isolated" in api.platform.driver.isolation
    body = {"name": "n", "docker_image": "i", "network_access": False}
    reply = await api.call("POST", "/sandbox", json=body)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["param"] == "network_access"
    assert "plain processes" in reply.json()["errors"][0]["details"]


async def test_what_cannot_be_kept_to_is_refused(real: Api) -> None:
    lists = [
        ({"network_allowlist": ["example.com"]}, "network_allowlist"),
        ({"network_denylist": ["10.0.0.0/8"]}, "network_denylist"),
    ]
    is_carried = "platform carries its IPv4 connections" in real.platform.driver.isolation
    for fields, param in (
        *([] if is_carried else lists),
        ({"network_allowlist": ["http://example.com"]}, "network_allowlist"),
        ({"gpu_count": 1, "gpu_type": "H100_80GB"}, "gpu_count"),
    ):
        body = {"name": "n", "docker_image": "i", **fields}
        reply = await real.call("POST", "/sandbox", json=body)
        assert (reply.status_code, reply.json()["errors"][0]["param"]) == (422, param)
    body = {"name": "n", "docker_image": "i", "volumes": [{"name": "v", "mount_path": "/v"}]}
    assert (await real.call("POST", "/sandbox", json=body)).status_code in (404, 501)


async def test_without_a_carried_network_none_is_given_rather_than_the_machines(start: Start, tmp_path: Path) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start("namespace", links=())
    assert "Sandboxes have no network" in api.platform.driver.warning
    body = {"name": "n", "docker_image": "i"}
    for fields in ({}, {"network_access": True}, {"vm": True}, {"vm": True, "network_denylist": []}):
        reply = await api.call("POST", "/sandbox", json={**body, **fields})
        assert reply.status_code == 422, fields
        (error,) = reply.json()["errors"]
        assert (error["param"], "--share-network" in error["details"]) == ("network_access", True)
    for fields in ({"network_access": False}, {"vm": True, "network_allowlist": []}):
        box = await api.running(**fields)
        if "vm" not in fields:
            assert (await api.output(box, "tail -n +3 /proc/net/dev | wc -l")).strip() == "1"


async def test_the_machines_own_network_is_given_only_when_asked_for(start: Start, tmp_path: Path) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start("namespace", share_network=True)
    assert "share this machine's network" in api.platform.driver.warning
    devices = await api.output(await api.running(), "cut -d: -f1 /proc/net/dev")
    assert devices == "".join(f"{line.split(':')[0]}\n" for line in Path("/proc/net/dev").read_text().splitlines())


async def test_a_trial_that_fails_for_another_reason_selects_nothing(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    async def broken(self: Launcher, spec: dict[str, Any]) -> int:
        raise LaunchFailed("ModuleNotFoundError: No module named 'struct'", None)

    monkeypatch.setattr(Launcher, "launch", broken)
    clock = LocalPlatform(PlatformSettings(state_dir=state_dir)).clock
    for driver in ("auto", "namespace"):
        with pytest.raises(LocalError, match="No module named"):
            await select_driver(PlatformSettings(state_dir=state_dir, driver=driver), state_dir, clock)


async def test_without_namespaces_or_an_engine_auto_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    async def refused(state: Path, *, mapped: bool, network: str = "none") -> str:
        return "unshare: Operation not permitted"

    async def no_engine() -> None:
        return None

    monkeypatch.setattr("sandtui.local.drivers.selection.probe", refused)
    monkeypatch.setattr("sandtui.local.drivers.selection.find_engine", no_engine)
    clock = LocalPlatform(PlatformSettings(state_dir=state_dir)).clock
    for name in ("auto", "namespace"):
        with pytest.raises(LocalError, match="--driver process") as caught:
            await select_driver(PlatformSettings(state_dir=state_dir, driver=name), state_dir, clock)
        assert "Operation not permitted" in str(caught.value)
    plain = await select_driver(PlatformSettings(state_dir=state_dir, driver="process"), state_dir, clock)
    assert "NOT isolated" in plain.warning


async def test_the_state_must_lie_where_no_sandbox_sees_it(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    async def works(state: Path, *, mapped: bool, network: str = "none") -> None:
        return None

    monkeypatch.setattr("sandtui.local.drivers.selection.probe", works)
    settings = PlatformSettings(state_dir=state_dir, driver="namespace")
    clock = LocalPlatform(settings).clock
    assert isinstance(await select_driver(settings, state_dir, clock), NamespaceDriver)
    for place in ("/usr/share/state", "/etc/state", f"{sys.base_prefix}/state"):
        with pytest.raises(LocalError, match="all sandboxes can read"):
            await select_driver(settings, Path(place).resolve(), clock)


async def test_a_state_directory_too_deep_for_a_socket(start: Start, state_dir: Path) -> None:
    deep = state_dir / ("d" * 100) / ("e" * 100)
    api = await start("process", state=deep)
    assert await api.output(await api.running(), "echo deep") == "deep\n"
