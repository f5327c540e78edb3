"""One sandbox as the screens see it, with the values that filters and orders need, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sandtui.client.models import Sandbox, SandboxStatus
from sandtui.client.models.sandbox import CHANGING_STATUSES
from sandtui.fleet.inventory.cost import HOUR, price_of
from sandtui.fleet.inventory.facets import Facets
from sandtui.fleet.inventory.usage import GIGABYTE, Measured
from sandtui.leases import LeaseMark, mark_of

DELETING = "DELETING"
"""The status shown from the moment a deletion is sent until the platform confirms it. Local only."""

ORPHANED = "ORPHANED"
"""The status shown for a sandbox that lives although the owner of its lease is gone."""

NEVER = float("inf")

COSTING = frozenset({SandboxStatus.RUNNING, SandboxStatus.PROVISIONING, SandboxStatus.PAUSED})
"""States in which a sandbox holds cores and memory."""

STATUS_ORDER = ("ERROR", "PENDING", "PROVISIONING", DELETING, "RUNNING", "PAUSED", "TIMEOUT", "TERMINATED")
"""What needs attention comes first."""

_STATUS_KEYS = {status: f"{rank:02}{status}" for rank, status in enumerate(STATUS_ORDER)}
"""One text for each status: comparing a text with itself costs nothing, and most rows share theirs."""


@dataclass(slots=True, eq=False)
class Row:
    """A sandbox at one version. Rows are never changed: the store replaces them.

    ``version`` grows with each change. ``haystack`` is the lower-case text that plain words match. ``created`` and
    ``expires`` are seconds since 1970, 0 and infinite if unknown; ``recency`` is smaller for newer ones. ``facets``
    stands for the fields that it shares with others. ``missing`` counts consecutive complete listings without the
    sandbox; ``deleting_since`` is on the monotonic clock. ``measured`` is the usage that was measured last, if any.
    ``orphaned`` says why the owner of its ``lease`` is gone, and is empty while it may live.
    ``billed`` is what the platform has charged for it, in dollars.
    """

    id: str
    sandbox: Sandbox
    version: int
    status: str
    status_key: str
    haystack: str
    name: str
    name_key: str
    created: float
    recency: float
    expires: float
    facets: Facets
    missing: int = 0
    deleting_since: float | None = None
    measured: Measured | None = None
    lease: LeaseMark | None = None
    orphaned: str = ""
    billed: float | None = None

    @classmethod
    def of(
        cls,
        sandbox: Sandbox,
        version: int,
        missing: int = 0,
        deleting_since: float | None = None,
        measured: Measured | None = None,
        orphaned: str = "",
    ) -> Row:
        """Return the row of a sandbox."""
        expires = sandbox.expires_at
        created = 0.0 if sandbox.created_at is None else seconds(sandbox.created_at)
        status = DELETING if deleting_since is not None and not sandbox.is_finished else sandbox.status
        return cls(
            sandbox.id,
            sandbox,
            version,
            status,
            _STATUS_KEYS.get(status) or f"{len(STATUS_ORDER):02}{status}",
            "\n".join((sandbox.name, sandbox.docker_image, *sandbox.labels)).lower(),
            sandbox.name,
            sandbox.name.lower(),
            created,
            -created,
            NEVER if expires is None else seconds(expires),
            Facets.of(sandbox),
            missing,
            deleting_since,
            measured,
            mark_of(sandbox.labels),
            "" if sandbox.is_finished else orphaned,
        )

    def again(self, version: int, *, missing: int, deleting_since: float | None) -> Row:
        """Return the same sandbox with other local state."""
        return Row.of(self.sandbox, version, missing, deleting_since, self.measured, self.orphaned)

    @property
    def used(self) -> float | None:
        """The share of its cores used since its start, 1 for all of them; None if not measured."""
        cores = None if self.measured is None else self.measured.cores
        return None if cores is None or self.sandbox.cpu_cores <= 0 else cores / self.sandbox.cpu_cores

    @property
    def memory_used(self) -> float | None:
        """The share of its memory used when measured, 1 for all of it; None if not measured."""
        held = None if self.measured is None else self.measured.memory
        memory_gb = self.sandbox.memory_gb
        return None if held is None or memory_gb <= 0 else held / (memory_gb * GIGABYTE)

    @property
    def shown_status(self) -> str:
        """The status as it is shown: that it is orphaned says more than that it is running."""
        return ORPHANED if self.orphaned and self.status != DELETING else self.status

    @property
    def owner(self) -> str:
        """The owner of its lease; empty without one."""
        return "" if self.lease is None else self.lease.owner

    @property
    def per_hour(self) -> float | None:
        """The estimated dollars an hour that it costs now: 0 unless it holds anything, None if not known."""
        price = price_of(self.sandbox)
        return None if price is None else price if self.sandbox.status in COSTING else 0.0

    def estimate(self, now: float) -> float | None:
        """Return the estimated dollars since its start, until ``now`` in seconds since 1970; None if not known."""
        price = price_of(self.sandbox)
        if price is None or self.sandbox.started_at is None:
            return None if price is None else 0.0
        return price * max(0.0, (self.ended or now) - seconds(self.sandbox.started_at)) / HOUR

    def spent(self, now: float) -> float | None:
        """Return what was billed, or else the estimate."""
        return self.estimate(now) if self.billed is None else self.billed

    @property
    def reason(self) -> str:
        """Why it ended, if the platform says so."""
        sandbox = self.sandbox
        return sandbox.error_type or sandbox.error_message or sandbox.termination_reason or ""

    @property
    def ended(self) -> float:
        """The best known time of its end, in seconds since 1970; 0 while it has not ended."""
        sandbox = self.sandbox
        if not sandbox.is_finished:
            return 0.0
        moment = sandbox.terminated_at or sandbox.updated_at
        return self.created if moment is None else seconds(moment)

    @property
    def is_changing(self) -> bool:
        """Whether the status is expected to change soon."""
        return self.status in CHANGING_STATUSES or self.status == DELETING


def seconds(moment: datetime) -> float:
    """Return a moment as seconds since 1970; one without a zone is UTC."""
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
