"""The failures of simulated sandboxes, each with the reason that a platform would give.

A sandbox fails if its ``advanced_configs`` say so: ``{"simulate": "OOM_KILLED"}``, one of the names below, or
``{"simulate": "failure"}`` for any of them. ``"after": 30`` is the number of seconds until then; the default is a
plausible random time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final, Literal

from sandtui.local.store.records import SandboxRecord

KEY: Final = "simulate"
AFTER_KEY: Final = "after"
ANY: Final = "failure"
_FOR_EVER: Final = 1e9

Stage = Literal["queued", "starting", "running"]


@dataclass(frozen=True, slots=True)
class SimulatedFailure:
    """A kind of failure. ``seconds`` are the minimum and the maximum time in its stage."""

    name: str
    weight: int
    stage: Stage
    seconds: tuple[float, float]
    messages: tuple[str, ...]
    exit_code: int | None = None
    typed: bool = True
    """Whether the platform reports an error type; for a failed command, it only reports the exit code."""

    @property
    def error_type(self) -> str | None:
        """The platform's name for the cause."""
        return self.name if self.typed else None

    def message(self, record: SandboxRecord, random: Random) -> str:
        """Return the reason as text."""
        text = random.choice(self.messages)
        return text.format(image=record.docker_image, memory=record.memory_gb, disk=record.disk_size_gb)


FAILURES: Final = (
    SimulatedFailure(
        "IMAGE_PULL_FAILED", 4, "starting", (1.0, 8.0),
        (
            "The image {image} could not be pulled: manifest unknown.",
            "The image {image} could not be pulled: the registry requires a login.",
            "The image {image} could not be pulled: too many requests, try again later.",
        ),
    ),
    SimulatedFailure(
        "OOM_KILLED", 6, "running", (4.0, 90.0), ("The sandbox exceeded its {memory:g} GB of memory.",), 137
    ),
    SimulatedFailure(
        "QUOTA_EXCEEDED", 3, "queued", (0.5, 3.0),
        ("The team's quota of cores is exhausted.", "The team's quota of running sandboxes is used up."),
    ),
    SimulatedFailure(
        "NO_CAPACITY", 2, "queued", (20.0, 60.0),
        ("No machine with enough free cores and memory was found within a minute.",),
    ),
    SimulatedFailure(
        "START_TIMEOUT", 2, "starting", (180.0, 600.0),
        ("It never ran: the machine did not report it as ready within ten minutes.",),
    ),
    SimulatedFailure(
        "START_FAILED", 2, "starting", (1.0, 4.0),
        ("The start command could not be executed: exec format error.",),
    ),
    SimulatedFailure(
        "NETWORK_FAILED", 2, "running", (10.0, 120.0),
        ("The sandbox lost its network and did not get it back within 30 seconds.",),
    ),
    SimulatedFailure("DISK_FULL", 2, "running", (10.0, 120.0), ("The sandbox filled its disk of {disk:g} GB.",), 1),
    SimulatedFailure(
        "SANDBOX_LOST", 1, "running", (10.0, 120.0), ("The machine that ran the sandbox no longer responds.",)
    ),
    SimulatedFailure(
        "COMMAND_FAILED", 3, "running", (2.0, 60.0), ("The start command ended with exit code 1.",), 1, False
    ),
    SimulatedFailure(
        "COMMAND_NOT_FOUND", 2, "running", (0.2, 1.0), ("The start command ended with exit code 127.",), 127, False
    ),
    SimulatedFailure(
        "COMMAND_CRASHED", 1, "running", (5.0, 60.0), ("The start command ended with exit code 139.",), 139, False
    ),
)  # fmt: skip

_BY_NAME: Final = {failure.name: failure for failure in FAILURES}


@dataclass(frozen=True, slots=True)
class Fate:
    """How and when a sandbox will fail."""

    failure: SimulatedFailure
    message: str
    after: timedelta
    """Time from the start of the stage to the failure."""


def any_failure(random: Random) -> SimulatedFailure:
    """Return a random failure, by weight."""
    return random.choices(FAILURES, [failure.weight for failure in FAILURES])[0]


def fate_of(record: SandboxRecord, seed: int) -> Fate | None:
    """Return how a sandbox will fail, or None. The same name and seed give the same result."""
    if not record.advanced_configs:
        return None
    wanted = record.advanced_configs.get(KEY)
    random = Random(f"fate {seed} {record.name}")  # noqa: S311
    failure = any_failure(random) if wanted == ANY else _BY_NAME.get(wanted) if isinstance(wanted, str) else None
    if failure is None:
        return None
    message = failure.message(record, random)
    return Fate(failure, message, _after(record.advanced_configs, failure, random))


def _after(configs: Mapping[str, Any], failure: SimulatedFailure, random: Random) -> timedelta:
    delay = configs.get(AFTER_KEY)
    usual = random.uniform(*failure.seconds)
    if isinstance(delay, int | float) and 0 <= delay < _FOR_EVER:
        return timedelta(seconds=delay)
    return timedelta(seconds=usual)
