"""Why a sandbox ended, in words that those with the same cause share."""

from __future__ import annotations

from sandtui.client.models import Sandbox, SandboxStatus
from sandtui.fleet.text.units import duration, number

UNKNOWN = "no reason given"
MOST_OF_A_REASON = 80

_CAUSES = {
    "IMAGE_PULL_FAILED": "image pull failed",
    "DISK_FULL": "disk full",
    "SANDBOX_LOST": "lost by the platform",
}


def has_died(sandbox: Sandbox) -> bool:
    """Whether a sandbox ended, and not because somebody deleted it."""
    if sandbox.status == SandboxStatus.TERMINATED:
        return bool(sandbox.error_type or sandbox.termination_reason or sandbox.exit_code)
    return sandbox.is_finished


def cause_of(sandbox: Sandbox) -> str:
    """Return why a sandbox ended, in words that those with the same cause share."""
    kind = sandbox.error_type or ""
    if kind == "OOM_KILLED":
        return f"out of memory at {number(sandbox.memory_gb)} GB"
    if kind in _CAUSES:
        return _CAUSES[kind]
    if kind == "TIMEOUT" or sandbox.status == SandboxStatus.TIMEOUT:
        lifetime = sandbox.timeout_minutes
        return f"lifetime of {duration(lifetime * 60)} over" if lifetime > 0 else "lifetime over"
    if kind:
        return kind.lower().replace("_", " ")
    reason = sandbox.error_message or sandbox.termination_reason or ""
    first = next(iter(reason.strip().splitlines()), "")
    for own in filter(None, (sandbox.id, sandbox.name)):
        first = first.replace(own, "…")
    if first:
        return first[:MOST_OF_A_REASON].strip()
    return f"exit code {sandbox.exit_code}" if sandbox.exit_code else UNKNOWN
