"""What sandboxes cost: estimates by the rates of the settings, and what the platform has billed.

The two are never added up: an estimate is shown with a tilde, and what was billed without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandtui.client.models import CreateSandboxRequest, Sandbox

if TYPE_CHECKING:
    from sandtui.fleet.inventory.row import Row

HOUR = 3600.0


Sized = Sandbox | CreateSandboxRequest


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in dollars an hour: of a core, a GB of memory, a GB of disk, and a GPU of each type.

    A price of None is not known and counts as nothing, as one of 0 does; without any price there is no estimate.
    """

    core_hour: float | None = None
    memory_gb_hour: float | None = None
    disk_gb_hour: float | None = None
    gpu_hour: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        known = (self.core_hour, self.memory_gb_hour, self.disk_gb_hour)
        return any(price is not None for price in known) or bool(self.gpu_hour)

    def per_hour(self, sized: Sized) -> float | None:
        """Return the dollars an hour of a sandbox; None if nothing is known, or nothing about its GPUs."""
        if not self:
            return None
        gpus = 0.0
        if sized.gpu_count:
            price = self.gpu_hour.get(sized.gpu_type or "")
            if price is None:
                return None
            gpus = sized.gpu_count * price
        return (
            sized.cpu_cores * (self.core_hour or 0)
            + sized.memory_gb * (self.memory_gb_hour or 0)
            + sized.disk_size_gb * (self.disk_gb_hour or 0)
            + gpus
        )


class _Current:
    """The rates in use; like the table of fields, they are the same for the whole program."""

    rates = Rates()


def use_rates(rates: Rates) -> None:
    """Estimate by these rates from now on; called once, with those of the settings."""
    _Current.rates = rates


def current_rates() -> Rates:
    """Return the rates in use."""
    return _Current.rates


def price_of(sandbox: Sandbox) -> float | None:
    """Return the estimated dollars an hour of a sandbox while it runs."""
    return _Current.rates.per_hour(sandbox) if _Current.rates else None


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of some sandboxes in dollars: estimated, estimated per hour from now on, and billed by the platform.

    ``unpriced`` counts those without an estimate, ``unbilled`` those of which the platform has no row.
    """

    count: int = 0
    estimate: float = 0.0
    per_hour: float = 0.0
    billed: float = 0.0
    unpriced: int = 0
    unbilled: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row], now: float) -> Cost:
        """Return the cost of some sandboxes until now, in seconds since 1970."""
        count = unpriced = unbilled = 0
        estimate = per_hour = billed = 0.0
        for row in rows:
            count += 1
            spent = row.estimate(now)
            if spent is None:
                unpriced += 1
            else:
                estimate += spent
                per_hour += row.per_hour or 0.0
            if row.billed is None:
                unbilled += 1
            else:
                billed += row.billed
        return cls(count, estimate, per_hour, billed, unpriced, unbilled)

    @property
    def is_known(self) -> bool:
        """Whether anything is known."""
        return self.unpriced < self.count or self.unbilled < self.count

    def text(self) -> str:
        """Return both sums, each with what it is: ``~$3.20 so far``, ``$2.90 billed, ~$3.20 by your rates``."""
        parts = []
        if self.unbilled < self.count:
            rest = f" for {self.count - self.unbilled:,} of {self.count:,}" if self.unbilled else ""
            parts.append(f"{money(self.billed)} billed{rest}")
        if self.unpriced < self.count:
            rest = f" for {self.count - self.unpriced:,} of {self.count:,}" if self.unpriced else ""
            parts.append(f"~{money(self.estimate)} {'by your rates' if parts else 'so far'}{rest}")
        return ", ".join(parts)


def money(dollars: float) -> str:
    """Return an amount: ``$0.00``, ``$0.012``, ``$3.20``, ``$1,234``."""
    if 0 < dollars < 0.0005:
        return "<$0.001"
    if 0 < dollars < 0.0995:
        return f"${dollars:.3f}"
    return f"${dollars:,.2f}" if dollars < 999.995 else f"${dollars:,.0f}"


def cost_text(row: Row, now: float) -> str | None:
    """Return what a sandbox has cost so far: what was billed, or an estimate with a tilde; None if unknown."""
    if row.billed is not None:
        return money(row.billed)
    spent = row.estimate(now)
    return None if spent is None else f"~{money(spent)}"
