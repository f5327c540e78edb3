"""Checks egress lists for drivers that can only allow everything or nothing."""

from __future__ import annotations

from sandtui.local.drivers.base import Refused
from sandtui.local.store.records import SandboxRecord


def refuse_egress_rules(record: SandboxRecord) -> None:
    """Refuse lists of addresses."""
    for param, rules in (
        ("network_allowlist", record.network_allowlist),
        ("network_denylist", record.network_denylist),
    ):
        if rules:
            raise Refused(param, "this local platform can only allow all addresses or none")


def refuse_other_access(record: SandboxRecord, old: SandboxRecord | None) -> None:
    """Refuse to add a network to a running sandbox, or to remove it."""
    if old is not None and record.network_access != old.network_access:
        has, other = ("a", "without one") if old.network_access else ("no", "with one")
        details = f"this sandbox was created with {has} network, which cannot be changed here; create another {other}"
        raise Refused("network_access", details)
