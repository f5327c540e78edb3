"""Ends that come by themselves, on real processes with a clock that only the test moves."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sandtui.clock import ManualClock
from sandtui.local.control.deadlines import Deadlines
from sandtui.local.settings import LocalError
from sandtui.local.store.database import Store
from sandtui.local.store.disk import Disk
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry
from sandtui.local.store.vault import Vault
from tests.local.support import Api, Start, cleared, processes_of

VAULT = Vault(Fernet.generate_key())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
async def plain(start: Start, clock: ManualClock) -> Api:
    return await start("process", clock=clock)


async def test_a_lifetime_ends_as_timeout(plain: Api, clock: ManualClock) -> None:
    short, long = await plain.running(timeout_minutes=1), await plain.running(timeout_minutes=60)
    clock.advance(seconds=59)
    assert (await plain.run(short, "true")).status_code == 200
    clock.advance(seconds=1)
    ended = await plain.until(short, "TIMEOUT")
    assert (ended["errorType"], ended["terminatedAt"] is not None) == ("TIMEOUT", True)
    assert "1 minutes" in ended["errorMessage"]
    assert (await plain.run(long, "true")).status_code == 200
    assert (await plain.run(short, "true")).status_code == 409


async def test_idleness_ends_a_sandbox_and_use_keeps_it(plain: Api, clock: ManualClock) -> None:
    idle, used = await plain.running(idle_timeout_minutes=5), await plain.running(idle_timeout_minutes=5)
    for _ in range(3):
        clock.advance(minutes=3)
        await asyncio.sleep(0)
        await plain.output(used, "true")
    ended = await plain.until(idle, "TERMINATED")
    assert "5 minutes" in ended["terminationReason"]
    assert (await plain.sandbox(used))["status"] == "RUNNING"
    clock.advance(minutes=5)
    await plain.until(used, "TERMINATED")


async def test_a_running_command_is_not_idleness(plain: Api, clock: ManualClock) -> None:
    box = await plain.running(idle_timeout_minutes=5)
    working = asyncio.create_task(plain.run(box, "while ! test -e go; do sleep 0.02; done"))
    async with asyncio.timeout(60):
        while not plain.platform.lifecycle.is_busy(box):
            await asyncio.sleep(0.001)
    clock.advance(minutes=6)
    await asyncio.sleep(0.05)
    assert (await plain.sandbox(box))["status"] == "RUNNING"
    await plain.output(box, "touch go")
    assert (await working).status_code == 200


def mark_of(process: Path) -> str | None:
    """Return which sandbox a process belongs to."""
    try:
        entries = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    marks = [entry for entry in entries if entry.startswith(b"SANDTUI_SANDBOX_ID=")]
    return marks[0].partition(b"=")[2].decode() if marks else None


async def test_a_killed_agent_is_an_error_with_its_reason(real: Api) -> None:
    box = await real.running()
    agents = [pid for pid in processes_of(real.platform.settings.state_dir) if pid != os.getpid()]
    if real.platform.driver.name == "process":
        # What an agent leaves behind is found by its mark, not by its parent.
        await real.output(box, "(setsid sleep 300 &) > /dev/null 2>&1")
        assert sum(mark_of(entry) == box for entry in Path("/proc").iterdir()) == 1
    for pid in agents:
        os.kill(pid, signal.SIGKILL)
    ended = await real.until(box, "ERROR")
    assert "first process died" in ended["errorMessage"]
    await cleared(real.platform.settings.state_dir)
    async with asyncio.timeout(60):
        while any(mark_of(entry) == box for entry in Path("/proc").iterdir()):
            await asyncio.sleep(0.01)
    for pid in agents:
        assert not Path(f"/proc/{pid}").exists(), "an unreaped process is left"


async def test_an_agent_whose_state_was_removed_ends_itself(real: Api) -> None:
    state = real.platform.settings.state_dir
    box = await real.running()
    agents = [pid for pid in processes_of(state) if pid != os.getpid()]
    assert agents
    (state / "logs" / f"{box}.log").unlink()
    # It looks at every request and, without any, once a minute.
    await real.run(box, "true")
    await real.until(box, "ERROR")
    await cleared(state)
    assert not any(Path(f"/proc/{pid}").exists() for pid in agents)


async def test_delete_while_it_comes_up_leaves_nothing(real: Api) -> None:
    state = real.platform.settings.state_dir
    for pause in (0, 0.005, 0.02, 0.03, 0.04):
        box = (await real.create())["id"]
        await asyncio.sleep(pause)
        await real.call("DELETE", f"/sandbox/{box}")
        assert (await real.sandbox(box))["status"] == "TERMINATED"
    async with asyncio.timeout(60):
        while [pid for pid in processes_of(state) if pid != os.getpid()]:
            await asyncio.sleep(0.01)
    assert list((state / "sandboxes").iterdir()) == []


async def test_many_deletes_at_once_all_wait_for_the_end(real: Api) -> None:
    box = await real.running()
    replies = await asyncio.gather(*(real.call("DELETE", f"/sandbox/{box}") for _ in range(5)))
    assert {reply.status_code for reply in replies} == {200}
    assert list((real.platform.settings.state_dir / "sandboxes").iterdir()) == []


async def test_a_burst_of_sandboxes(real: Api) -> None:
    boxes = await asyncio.gather(*(real.running(name=f"burst {number}") for number in range(12)))
    outputs = await asyncio.gather(*(real.output(box, "echo $SANDTUI_SANDBOX_ID") for box in boxes))
    assert [text.strip() for text in outputs] == list(boxes)
    reply = await real.call("DELETE", "/sandbox", json={"sandbox_ids": list(boxes)})
    assert sorted(reply.json()["succeeded"]) == sorted(boxes)


async def test_a_closed_platform_ends_its_sandboxes_and_says_so(start: Start, state_dir: Path) -> None:
    first = await start("process")
    box = await first.running()
    await first.platform.__aexit__(None, None, None)
    assert [pid for pid in processes_of(first.platform.settings.state_dir) if pid != os.getpid()] == []
    second = await start("process")
    found = await second.sandbox(box)
    assert (found["status"], found["terminationReason"]) == ("TERMINATED", "The platform was stopped.")


async def test_deadlines_come_in_order_and_earlier_ones_overtake(clock: ManualClock) -> None:
    due: list[str] = []
    seen = asyncio.Event()

    async def note(name: str) -> None:
        due.append(name)
        seen.set()

    start = clock.now()
    deadlines = Deadlines(clock, note)
    deadlines.open()
    deadlines.add("late", start.replace(year=start.year + 1))
    await asyncio.sleep(0)
    deadlines.add("early", start)
    await seen.wait()
    assert due == ["early"]
    seen.clear()
    clock.advance(days=400)
    await seen.wait()
    assert due == ["early", "late"]
    await deadlines.close()


def record(number: int, clock: ManualClock, **fields: object) -> SandboxRecord:
    now = clock.now()
    return SandboxRecord(f"sbx_{number}", "n", "i", created_at=now, updated_at=now, **fields)  # type: ignore[arg-type]


async def test_what_was_saved_is_there_without_closing(state_dir: Path, clock: ManualClock) -> None:
    state_dir.mkdir()
    path = state_dir / "r.sqlite3"
    store = Store(path, VAULT, Disk(path.parent))
    assert store.open() == []
    full = record(1, clock, labels=("a", "b"), secrets={"K": "v"}, start_command={"executable": "x", "args": []})
    await asyncio.gather(*(store.save(record(number, clock)) for number in range(2, 200)), store.save(full))
    # A second reader while the first has not closed: as after a SIGKILL.
    other = Store(path, VAULT, Disk(path.parent))
    found = {entry.id: entry for entry in other.open()}
    assert len(found) == 199
    assert found["sbx_1"] == full
    assert path.stat().st_mode & 0o077 == 0
    other.close()
    store.close()


def contents(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


async def test_secrets_of_an_ended_sandbox_are_not_kept(state_dir: Path, clock: ManualClock) -> None:
    state_dir.mkdir()
    path = state_dir / "r.sqlite3"
    store = Store(path, VAULT, Disk(path.parent))
    store.open()
    registry = Registry(store, clock)
    await registry.add(record(1, clock, secrets={"K": "very-secret-value"}))
    assert b"very-secret-value" not in contents(path)
    await registry.change("sbx_1", status="TERMINATED")
    store.close()
    reopened = Store(path, VAULT, Disk(path.parent))
    assert reopened.open()[0].secrets == {"K": ""}
    reopened.close()


async def test_secrets_are_lost_without_their_key_and_nothing_else(state_dir: Path, clock: ManualClock) -> None:
    state_dir.mkdir()
    key, path = state_dir / "secrets.key", state_dir / "r.sqlite3"
    store = Store(path, Vault.load(key), Disk(state_dir))
    store.open()
    await store.save(record(1, clock, secrets={"K": "very-secret-value"}, labels=("a",)))
    store.close()
    assert key.stat().st_mode & 0o077 == 0
    again = Store(path, Vault.load(key), Disk(state_dir))
    assert again.open()[0].secrets == {"K": "very-secret-value"}
    again.close()
    key.unlink()
    other = Store(path, Vault.load(key), Disk(state_dir))
    (found,) = other.open()
    assert (found.secrets, found.labels) == ({}, ("a",))
    other.close()
    key.write_text("no key")
    with pytest.raises(LocalError, match="not a key"):
        Vault.load(key)


async def test_a_reader_sees_a_change_only_once_it_is_durable(state_dir: Path, clock: ManualClock) -> None:
    class Slow:
        def __init__(self) -> None:
            self.gate = asyncio.Event()

        async def save(self, *records: SandboxRecord) -> None:
            await self.gate.wait()

    slow = Slow()
    registry = Registry(slow, clock)  # type: ignore[arg-type]
    registry.load([record(1, clock)])
    first = asyncio.create_task(registry.change("sbx_1", exit_code=1))
    second = asyncio.create_task(registry.change("sbx_1", error_type="X"))
    await asyncio.sleep(0)
    assert registry.get("sbx_1").exit_code is None  # type: ignore[union-attr]
    slow.gate.set()
    await asyncio.gather(first, second)
    found = registry.get("sbx_1")
    assert found is not None
    assert (found.exit_code, found.error_type) == (1, "X")
