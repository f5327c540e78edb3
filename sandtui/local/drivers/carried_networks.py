"""LAN networks between sandboxes whose packets the platform carries."""

from __future__ import annotations

from collections.abc import Callable

from sandtui.local.network.worker_process import PacketWorker
from sandtui.local.store.networks import NetworkRecord
from sandtui.local.store.records import SandboxRecord


class CarriedNetworks:
    """Tells the worker who is in which network. ``refusal`` says why there is no worker, as in NetworkDriver."""

    def __init__(self, worker: PacketWorker | None, refusal: str | None, is_carried: Callable[[str], bool]) -> None:
        self.refusal = refusal
        self._worker = worker
        self._is_carried = is_carried
        self._networks: dict[str, NetworkRecord] = {}

    def member_refusal(self, record: SandboxRecord) -> str | None:
        """Return why a running sandbox cannot be a member, or None if it can."""
        if not self._is_carried(record.id):
            return "The sandbox was created without a network; create one with network access or with egress lists."
        if record.lan_address is None:
            return "The sandbox has no address for LAN networks, since an earlier version created it; create another."
        return None

    def apply(self, network: NetworkRecord) -> None:
        """Send a network to the worker, which needs none without members."""
        if not network.members:
            self.withdraw(network.id)
        elif self._worker is not None:
            self._networks[network.id] = network
            self._worker.set_network(network)

    def withdraw(self, network_id: str) -> None:
        """Have the worker forget a network."""
        if self._networks.pop(network_id, None) is not None and self._worker is not None:
            self._worker.remove_network(network_id)

    def apply_all(self) -> None:
        """Send all networks to a new worker."""
        for network in self._networks.values():
            self.apply(network)

    def applied(self, network: NetworkRecord) -> int:
        """Return the version of a network that the worker has confirmed."""
        if network.id not in self._networks or self._worker is None:
            return network.version
        return self._worker.last_applied(network.id)

    async def wait_applied(self, network: NetworkRecord) -> None:
        """Wait a moment for the worker to confirm a version."""
        if network.id in self._networks and self._worker is not None:
            await self._worker.applied(network.id, network.version)
