"""The egress lists of a sandbox whose network lets everything or nothing through."""

from __future__ import annotations

from sandtui.local.drivers.base import Refused
from sandtui.local.store.records import SandboxRecord


def refuse_egress_rules(record: SandboxRecord) -> None:
    """Refuse lists of addresses: only 'everything' and 'nothing' can be kept to."""
    for param, rules in (
        ("network_allowlist", record.network_allowlist),
        ("network_denylist", record.network_denylist),
    ):
        if rules:
            raise Refused(param, "this local platform can allow all addresses or none, but not a list of them")


def refuse_other_access(record: SandboxRecord, old: SandboxRecord | None) -> None:
    """Refuse to give a sandbox that runs a network, or to take it away."""
    if old is not None and record.network_access != old.network_access:
        has, other = ("a", "without one") if old.network_access else ("no", "with one")
        details = f"this sandbox was made with {has} network, which can't change here; create another {other}"
        raise Refused("network_access", details)
