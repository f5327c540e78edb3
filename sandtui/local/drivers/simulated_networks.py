"""LAN networks of simulated sandboxes, which send nothing: only the records exist."""

from __future__ import annotations

from sandtui.local.store.networks import NetworkRecord
from sandtui.local.store.records import SandboxRecord


class SimulatedNetworks:
    """Every version of a network is in force at once."""

    @property
    def refusal(self) -> None:
        """None: there are networks."""
        return None

    def member_refusal(self, record: SandboxRecord) -> None:
        """Return None: every simulated sandbox can be a member."""
        return

    def apply(self, network: NetworkRecord) -> None:
        """Do nothing."""

    def withdraw(self, network_id: str) -> None:
        """Do nothing."""

    def applied(self, network: NetworkRecord) -> int:
        """Return the version."""
        return network.version

    async def wait_applied(self, network: NetworkRecord) -> None:
        """Return at once."""
