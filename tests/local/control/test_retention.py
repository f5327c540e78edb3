"""What is left of ended sandboxes: bounded by age and amount, the oldest first, and never anything of the living."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sandtui.clock import ManualClock
from sandtui.local.control.retention import LOG_IS_GONE
from sandtui.local.drivers.logs import SandboxLogs
from sandtui.local.settings import RetentionLimits
from tests.local.support import GIVE_UP_SECONDS, Api, Start
from tests.local.test_serve import serving, until

DAY = 24 * 60


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def logs_in(state_dir: Path) -> set[str]:
    return {path.stem for path in (state_dir / "logs").glob("*.log")}


async def ended(api: Api, size: int | None = None, **fields: object) -> str:
    """Return a sandbox that has run and was deleted, with a log of a size in bytes."""
    box = await api.running(**fields)
    await api.call("DELETE", f"/sandbox/{box}")
    if size is not None:
        (api.platform.settings.state_dir / "logs" / f"{box}.log").write_bytes(b"x" * size)
    return box


async def test_old_logs_go_while_the_platform_runs(start: Start, clock: ManualClock, state_dir: Path) -> None:
    api = await start("process", clock=clock, retention=RetentionLimits(log_days=7, log_bytes=10**9))
    living = await api.running(vm=True, timeout_minutes=-1)
    old = await ended(api)
    clock.advance(days=4)
    newer = await ended(api)
    assert logs_in(state_dir) == {living, old, newer}
    clock.advance(days=3, minutes=1)
    await eventually(lambda: logs_in(state_dir) == {living, newer})
    assert (await api.call("GET", f"/sandbox/{old}/logs")).json() == {"logs": LOG_IS_GONE}
    assert "platform:" in (await api.call("GET", f"/sandbox/{newer}/logs")).json()["logs"]
    clock.advance(days=30)
    await eventually(lambda: logs_in(state_dir) == {living})


async def test_the_oldest_logs_go_when_all_are_too_large(start: Start, clock: ManualClock, state_dir: Path) -> None:
    api = await start("process", clock=clock, retention=RetentionLimits(log_bytes=2500))
    living = await api.running()
    (state_dir / "logs" / f"{living}.log").write_bytes(b"x" * 1_000_000)
    boxes = []
    for _ in range(4):
        boxes.append(await ended(api, 1000))
        clock.advance(seconds=1)
    clock.advance(minutes=1)
    await eventually(lambda: logs_in(state_dir) == {living, *boxes[2:]})
    assert (state_dir / "logs" / f"{living}.log").stat().st_size >= 1_000_000


@pytest.mark.parametrize(
    ("keep", "left"),
    [(RetentionLimits(log_days=2), {"sbx_2", "sbx_1", "sbx_0"}), (RetentionLimits(log_bytes=200), {"sbx_1", "sbx_0"})],
)
async def test_logs_of_which_no_record_is_left_are_bounded_at_the_start(
    start: Start, clock: ManualClock, state_dir: Path, keep: RetentionLimits, left: set[str]
) -> None:
    logs = state_dir / "logs"
    logs.mkdir(parents=True, mode=0o700)
    state_dir.chmod(0o700)
    for age in range(5):
        path = logs / f"sbx_{age}.log"
        path.write_bytes(b"x" * 100)
        when = (clock.now() - timedelta(days=age)).timestamp()
        os.utime(path, (when, when))
    (logs / "no log").write_text("of somebody else")
    await start("process", clock=clock, retention=keep)
    assert logs_in(state_dir) == left
    assert (logs / "no log").exists()


async def test_a_log_that_cannot_be_removed_keeps_no_other(
    start: Start, clock: ManualClock, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start("process", clock=clock)
    boxes = [await ended(api) for _ in range(3)]
    remove = SandboxLogs.remove

    def refuse(logs: SandboxLogs, sandbox_id: str) -> None:
        if sandbox_id == boxes[0]:
            raise PermissionError(1, "immutable")
        remove(logs, sandbox_id)

    monkeypatch.setattr(SandboxLogs, "remove", refuse)
    clock.advance(days=8)
    await eventually(lambda: logs_in(state_dir) == {boxes[0]})
    monkeypatch.setattr(SandboxLogs, "remove", remove)
    clock.advance(hours=2)
    await eventually(lambda: logs_in(state_dir) == set())


@pytest.mark.parametrize("keep", [RetentionLimits(records=2), RetentionLimits(record_days=2)])
async def test_records_are_bounded_too(
    start: Start, clock: ManualClock, state_dir: Path, keep: RetentionLimits
) -> None:
    api = await start("simulated", clock=clock, retention=keep)
    living = await api.started(vm=True, timeout_minutes=-1)
    boxes = []
    for number in range(4):
        box = await api.started(idempotency_key=f"key-{number}", secrets={"S": "hidden"})
        await api.call("PUT", f"/sandbox/{box}/egress-policy", json={"allowlist": ["10.0.0.0/8"]})
        await api.call("DELETE", f"/sandbox/{box}")
        boxes.append(box)
        clock.advance(hours=23)

    async def known() -> set[str]:
        return {row["id"] for row in (await api.call("GET", "/sandbox")).json()["sandboxes"]}

    async with asyncio.timeout(GIVE_UP_SECONDS):
        while await known() != {living, *boxes[2:]}:
            await asyncio.sleep(0.01)
    assert (await api.call("GET", f"/sandbox/{boxes[0]}")).status_code == 404
    assert (await api.create(idempotency_key="key-0"))["id"] not in boxes
    assert (await api.create(idempotency_key="key-3"))["id"] == boxes[3]
    await api.platform.__aexit__(None, None, None)
    again = await start("simulated", clock=clock, retention=keep)
    rows = {row["id"] for row in (await again.call("GET", "/sandbox")).json()["sandboxes"]}
    assert {living, *boxes[2:]} <= rows
    assert not rows & {*boxes[:2]}
    database = b"".join(path.read_bytes() for path in state_dir.glob("*.sqlite3"))
    assert boxes[3].encode() in database
    assert boxes[0].encode() not in database


async def test_a_made_up_fleet_stays_whole(start: Start, clock: ManualClock) -> None:
    api = await start("simulated", clock=clock, fleet=50, retention=RetentionLimits(records=3))
    assert (await api.call("GET", "/sandbox?per_page=1")).json()["total"] == 50


async def test_what_killed_platforms_left_half_made_goes(start: Start, clock: ManualClock, state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    old = [".write-0123abcd", ".api_key.0123abcd", ".endpoint.json.0123abcd", "probe-0123abcd"]
    for name in [*old, "probe-89abcdef", "notes.0123abcd", ".hidden"]:
        (state_dir / name).mkdir() if name.startswith("probe") else (state_dir / name).write_text("x")
        when = (clock.now() - timedelta(hours=0 if name == "probe-89abcdef" else 2)).timestamp()
        os.utime(state_dir / name, (when, when))
    (state_dir / "platform.lock").touch()
    await start("simulated", clock=clock)
    names = {path.name for path in state_dir.iterdir()}
    assert not names & set(old)
    assert {"probe-89abcdef", "notes.0123abcd", ".hidden"} <= names


def test_the_command_line_says_how_much_is_kept(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "process") as (_, client, _):
        box = client.post("/sandbox", json={"name": "n", "docker_image": "i"}).json()["id"]
        until(client, box, "RUNNING")
        client.delete(f"/sandbox/{box}")
    for options, kept in ([], True), (["--log-size", "1G", "--log-days", "1.5"], True), (["--log-size", "10"], False):
        with serving(state_dir, "--driver", "process", *options) as (_, client, _):
            assert (client.get(f"/sandbox/{box}/logs").json()["logs"] != LOG_IS_GONE) is kept
    with serving(state_dir, "--driver", "process", "--records", "0") as (_, client, _):
        assert client.get(f"/sandbox/{box}").status_code == 404
