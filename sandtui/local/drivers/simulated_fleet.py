"""A simulated fleet that looks like a real one; the same seed and time give the same fleet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from zlib import crc32

from sandtui.client.models.sandbox import CHANGING_STATUSES, DEFAULT_START_COMMAND, SandboxStatus
from sandtui.local.drivers.failures import AFTER_KEY, FAILURES, KEY, any_failure
from sandtui.local.store.records import SandboxRecord

_OLDEST = timedelta(days=6)
_HOUR = timedelta(hours=1)

_RECENT = 0.2
"""The share of failures that happened in the last hour."""

_DOOMED = 0.012
"""The share of running sandboxes that fail within half an hour."""

_STUCK = 0.06
"""The share of pending sandboxes that have been pending for too long, and fail in the end."""


class _Kind(NamedTuple):
    """A kind of sandbox that people run."""

    weight: int
    name: str
    image: str
    labels: tuple[str, ...]
    cores: tuple[float, ...]
    minutes: tuple[int, ...]
    gpu: str | None = None
    command: str = DEFAULT_START_COMMAND


_KINDS = (
    _Kind(50, "rollout-{n:04}", "python:3.11-slim", ("rl", "run={run}"), (1, 2), (60, 120)),
    _Kind(14, "eval-{topic}-{n:03}", "python:3.12-slim", ("eval", "suite={topic}"), (2, 4), (120, 240)),
    _Kind(12, "agent-{topic}-{n:03}", "node:20-slim", ("agent",), (1, 2), (240, 480)),
    _Kind(8, "nb-{topic}", "jupyter/scipy-notebook:latest", ("notebook",), (4, 8), (480, 1440)),
    _Kind(8, "build-{n:04}", "rust:1.80-slim", ("ci", "run={run}"), (8,), (30, 60), None, "cargo test --release"),
    _Kind(
        5, "train-{topic}-{n:02}", "pytorch/pytorch:2.4.0-cuda12.4", ("gpu", "run={run}"), (8, 16), (1440,),
        "H100_80GB", "python train.py --resume",
    ),
    _Kind(3, "web-{topic}", "nginx:1.27", ("demo",), (0.5, 1), (720,), None, "nginx -g 'daemon off;'"),
)  # fmt: skip
_TOPICS = (
    "math", "code", "browse", "swe", "analysis", "docs", "proofs", "games", "vision", "search", "tools", "chess",
)  # fmt: skip
_STATUSES = {
    SandboxStatus.RUNNING: 58,
    SandboxStatus.TERMINATED: 22,
    SandboxStatus.TIMEOUT: 7,
    SandboxStatus.ERROR: 6,
    SandboxStatus.PENDING: 3,
    SandboxStatus.PROVISIONING: 3,
    SandboxStatus.PAUSED: 1,
}
# The first few have all statuses, so that even a small fleet does.
_FIRST = (
    SandboxStatus.RUNNING, SandboxStatus.PENDING, SandboxStatus.RUNNING, SandboxStatus.ERROR,
    SandboxStatus.PROVISIONING, SandboxStatus.TIMEOUT, SandboxStatus.TERMINATED, SandboxStatus.RUNNING,
    SandboxStatus.PAUSED,
)  # fmt: skip


def make_fleet(count: int, seed: int, now: datetime) -> list[SandboxRecord]:
    """Return ``count`` sandboxes, oldest first, with times relative to ``now``."""
    random = Random(f"fleet {seed}")  # noqa: S311
    # A separate source of randomness, so that failures do not change the rest.
    bad_luck = Random(f"bad luck {seed}")  # noqa: S311
    records = [_with_bad_luck(bad_luck, _make(random, number, now), now) for number in range(count)]
    records.sort(key=lambda record: (record.created_at, record.id))
    return records


def _make(random: Random, number: int, now: datetime) -> SandboxRecord:
    kind = random.choices(_KINDS, [kind.weight for kind in _KINDS])[0]
    status = _FIRST[number] if number < len(_FIRST) else _pick_status(random)
    topic, run = random.choice(_TOPICS), random.randint(38, 47)
    minutes = random.choice(kind.minutes)
    cores = random.choice(kind.cores)
    memory = float(max(1, cores * random.choice((1, 2, 4))))
    record = SandboxRecord(
        id=f"sbx_{random.getrandbits(80):020x}",
        name=kind.name.format(n=number + 1, topic=topic),
        docker_image=kind.image,
        created_at=now,
        updated_at=now,
        status=status,
        start_command=kind.command,
        cpu_cores=float(cores),
        memory_gb=memory,
        disk_size_gb=float(random.choice((5, 10, 20, 50))),
        gpu_count=0 if kind.gpu is None else random.choice((1, 2, 4, 8)),
        gpu_type=kind.gpu,
        vm=kind.gpu is not None,
        network_access=random.random() > 0.2,
        timeout_minutes=minutes,
        idle_timeout_minutes=30 if random.random() < 0.15 and minutes > 30 else None,
        environment_vars={"LOG_LEVEL": "debug"} if random.random() < 0.3 else None,
        secrets={"API_KEY": ""} if random.random() < 0.2 else None,
        labels=tuple(label.format(topic=topic, run=run) for label in kind.labels),
        user_id=random.choice(("usr_mara", "usr_jon", "usr_ines", "usr_tomo")),
        region=random.choice((None, "us", "eu")),
    )
    return _age(random, record, now)


def _pick_status(random: Random) -> SandboxStatus:
    return random.choices(list(_STATUSES), list(_STATUSES.values()))[0]


def _age(random: Random, record: SandboxRecord, now: datetime) -> SandboxRecord:
    """Give a record the times and the reason for its status."""
    values = {name: getattr(record, name) for name in record.__slots__}
    lifetime = timedelta(minutes=record.timeout_minutes)
    start = timedelta(milliseconds=random.randint(900, 14000))
    if record.status in (SandboxStatus.PENDING, SandboxStatus.PROVISIONING):
        created = now - timedelta(seconds=random.randint(1, 40))
        return SandboxRecord(**values | {"created_at": created})
    if not record.is_finished:
        created = now - start - lifetime * random.uniform(0.01, 0.97)
        started = created + start
        return SandboxRecord(**values | {"created_at": created, "updated_at": started, "started_at": started})
    created = now - lifetime - (_OLDEST - lifetime) * random.random()
    started = created + start
    ended = started + lifetime * (1 if record.status is SandboxStatus.TIMEOUT else random.uniform(0.02, 0.9))
    values |= {"created_at": created, "started_at": started, "terminated_at": ended, "updated_at": ended}
    if record.status is SandboxStatus.TIMEOUT:
        values["error_type"] = "TIMEOUT"
        values["error_message"] = f"The lifetime of {record.timeout_minutes} minutes is over."
    elif record.status is SandboxStatus.ERROR:
        # Drawn so that the fleet of a seed stays the same; the failure is chosen later.
        random.random()
    else:
        values["termination_reason"] = random.choice(("deleted", "deleted", "start command ended"))
        values["exit_code"] = 0
    return SandboxRecord(**values)


def _with_bad_luck(random: Random, record: SandboxRecord, now: datetime) -> SandboxRecord:
    """Let a record fail, long ago, in the last hour or soon."""
    if record.status is SandboxStatus.ERROR:
        return _failed(random, record, now)
    if record.status is SandboxStatus.TIMEOUT and random.random() < _RECENT:
        return _moved(record, _recently(random, now))
    if record.status is SandboxStatus.RUNNING and random.random() < _DOOMED and record.started_at is not None:
        failure = random.choice([failure for failure in FAILURES if failure.stage == "running"])
        after = (now - record.started_at).total_seconds() + random.uniform(10, 1800)
        return replace(record, advanced_configs={KEY: failure.name, AFTER_KEY: after})
    if record.status in CHANGING_STATUSES and random.random() < _STUCK:
        waiting = timedelta(minutes=random.uniform(11, 40))
        name = "NO_CAPACITY" if record.status is SandboxStatus.PENDING else "START_TIMEOUT"
        after = waiting.total_seconds() + random.uniform(120, 1800)
        since = now - waiting
        return replace(record, created_at=since, updated_at=since, advanced_configs={KEY: name, AFTER_KEY: after})
    return record


def _failed(random: Random, record: SandboxRecord, now: datetime) -> SandboxRecord:
    failure = any_failure(random)
    record = replace(
        record,
        error_type=failure.error_type,
        error_message=failure.message(record, random),
        exit_code=failure.exit_code,
    )
    if random.random() < _RECENT:
        record = _moved(record, _recently(random, now))
    if failure.stage != "running" and record.terminated_at is not None:
        created = record.terminated_at - timedelta(seconds=random.uniform(*failure.seconds))
        return replace(record, created_at=created, started_at=None)
    return record


def _moved(record: SandboxRecord, ended: datetime) -> SandboxRecord:
    """Return a record that ended at another time, with its earlier times moved as well."""
    assert record.terminated_at is not None
    assert record.started_at is not None
    later = ended - record.terminated_at
    started = record.started_at + later
    return replace(
        record, created_at=record.created_at + later, started_at=started, terminated_at=ended, updated_at=ended
    )


def _recently(random: Random, now: datetime) -> datetime:
    return now - _HOUR * random.uniform(0.01, 0.98)


def simulated_usage(record: SandboxRecord, now: datetime) -> str:
    """Return what a real sandbox would report as its usage; one in three is idle."""
    number = crc32(record.id.encode())
    share = number % 17 / 10_000 if number % 3 == 0 else 0.03 + number % 83 / 100
    age = max(1.0, (now - (record.started_at or record.created_at)).total_seconds())
    limit = int(record.memory_gb * 1024**3)
    return (
        f"cpu {int(share * record.cpu_cores * age * 1e6)}\nmemory {limit * (3 + number % 61) // 100}\nlimit {limit}\n"
        f"processes {number % 23 + 1}\nuptime {age:.2f}\nfirst 0\n"
    )
