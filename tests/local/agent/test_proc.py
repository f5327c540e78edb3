"""What /proc shows in a sandbox, and what can be changed through it."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.engine import EngineDriver
from sandtui.local.drivers.engine_address import EngineAddress
from sandtui.local.drivers.engine_api import EngineApi
from sandtui.local.drivers.engine_links import SocketLink
from sandtui.local.drivers.namespace import NamespaceDriver
from sandtui.local.store.records import SandboxRecord
from tests.local.conftest import Inside
from tests.local.ordinary import run
from tests.local.support import namespaces_work

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces exist on Linux only")

MACHINE = (
    "acpi", "asound", "config.gz", "interrupts", "iomem", "ioports", "kallsyms", "kcore", "key-users", "keys", "kmsg",
    "kpagecount", "kpageflags", "latency_stats", "sched_debug", "scsi", "slabinfo", "timer_list", "vmallocinfo",
)  # fmt: skip

LOOK = f"""
import json, os
seen, changed = [], []
for name in {MACHINE!r}:
    path = "/proc/" + name
    if os.path.isdir(path):
        seen += [name] if os.listdir(path) else []
    elif os.path.exists(path):
        with open(path, "rb") as file:
            seen += [name] if file.read(100) else []
# Opened alone: to write would be to change the machine, if it could be done.
places = [os.path.join(top, name) for part in ("sys", "irq", "bus", "fs", "driver", "tty", "sys/user", "sys/net")
          for top, _, names in os.walk("/proc/" + part) for name in names]
for path in [*places, "/proc/sysrq-trigger"]:
    try:
        os.close(os.open(path, os.O_WRONLY))
        changed.append(path)
    except OSError:
        pass
print(json.dumps([seen, changed, len(places) > 100]))
"""


async def test_nothing_of_the_machine_is_seen_or_changed(inside: Inside) -> None:
    assert json.loads(await inside(LOOK)) == [[], [], True]


async def test_what_programs_read_is_there(inside: Inside) -> None:
    names = (
        "cpuinfo",
        "meminfo",
        "stat",
        "loadavg",
        "uptime",
        "version",
        "filesystems",
        "mounts",
        "net/tcp",
        "net/dev",
    )
    code = f"print([name for name in {names!r} if not open('/proc/' + name).read()])"
    assert await inside(code) == "[]\n"
    for name in ("kernel/random/boot_id", "kernel/osrelease", "vm/overcommit_memory", "net/core/somaxconn"):
        assert await inside(f"print(bool(open('/proc/sys/{name}').read()))") == "True\n", name


@pytest.fixture
async def unmapped(tmp_path: Path, state_dir: Path) -> AsyncIterator[Inside]:
    """A sandbox whose root is the one who started it; when that is root, the kernel would let it change the machine."""
    await namespaces_work(tmp_path, mapped=False)
    state_dir.mkdir(mode=0o700)
    driver = NamespaceDriver(state_dir, Catalogue(("*",)), mapped=False)
    now = datetime.now(UTC)
    record = SandboxRecord("sbx_one", "n", "i", created_at=now, updated_at=now)
    async with AsyncExitStack() as stack:
        await driver.open()
        stack.push_async_callback(driver.close)
        instance = await driver.start(record)
        stack.push_async_callback(driver.discard, record.id)

        async def output(code: str) -> str:
            text, status = await run(instance, f"cat > /tmp/code.py <<'END'\n{code}\nEND\npython /tmp/code.py")
            assert status == 0, text
            return text

        yield output


async def test_root_that_stays_root_changes_nothing_either(unmapped: Inside) -> None:
    assert (await unmapped("print(open('/proc/self/uid_map').read())")).split()[1] == str(os.geteuid())
    assert json.loads(await unmapped(LOOK)) == [[], [], True]
    assert await unmapped("print(open('/proc/sys/user/max_user_namespaces').read())") == "0\n\n"


async def test_a_container_has_few_rights_and_gets_no_more(tmp_path: Path) -> None:
    driver = EngineDriver(EngineApi(SocketLink(EngineAddress("unix", path=str(tmp_path / "engine.sock")))), tmp_path)
    now = datetime.now(UTC)
    config = driver.description(SandboxRecord("sbx_one", "n", "i", created_at=now, updated_at=now))["HostConfig"]
    await driver.close()
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["CapDrop"] == ["ALL"]
    assert {"CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE", "FOWNER", "NET_BIND_SERVICE"} < set(config["CapAdd"])
    assert not {"NET_RAW", "MKNOD", "AUDIT_WRITE", "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"} & set(config["CapAdd"])
    assert not config.get("Privileged")


def test_it_is_reported_that_root_stays_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for user, mapped, is_said in ((0, False, True), (0, True, False), (1000, False, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        driver = NamespaceDriver(tmp_path, Catalogue(("*",)), mapped=mapped, link="veth")
        assert ("root of a sandbox is root of this machine" in driver.warning) is is_said
