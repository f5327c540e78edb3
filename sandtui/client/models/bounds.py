"""The limits of a sandbox's fields, as the platform checks them (WIRE.md 8).

The models of the client and of the local platform use them, and so does every form that asks for a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and the largest value of a field; both are allowed."""

    low: float
    high: float

    @property
    def check(self) -> Any:
        """The metadata that makes pydantic check a number: ``Annotated[float, CPU_CORES.check]``."""
        return Field(ge=self.low, le=self.high)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


CPU_CORES = Bounds(0.1, 16)
MEMORY_GB = Bounds(0.1, 64)
DISK_GB = Bounds(0.1, 1000)
GPU_COUNT = Bounds(0, 8)
LIFETIME_MINUTES = Bounds(1, 1440)
"""Of a container, and of the idle limit of any sandbox; a VM may live longer, or without a limit."""

MAX_NAME_LENGTH = 100
"""Characters of a sandbox's name; it has at least one."""

MAX_IDEMPOTENCY_KEY_LENGTH = 128
