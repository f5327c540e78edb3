"""Ports of members that rules of LAN networks publish, on loopback ports of this machine (client/WIRE.md 2.12)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Any, Final

from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import SandboxGone
from sandtui.local.gateway.forward import LOOPBACK, Forwarder
from sandtui.local.gateway.web_policy import label_of

_log = logging.getLogger(__name__)

_SEPARATOR: Final = ":"


def port_key(sandbox_id: str, port: int) -> str:
    """Return what a port of a sandbox is stored under."""
    return f"{sandbox_id}{_SEPARATOR}{port}"


class PublishedPorts:
    """Forwards loopback ports to the members of each network."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._open: dict[str, dict[str, tuple[Forwarder, int]]] = {}
        self._is_closed = False

    async def apply(self, network_id: str, wanted: set[str], known: Mapping[str, int]) -> dict[str, int]:
        """Publish these ports of a network and no others; return the loopback port of each.

        ``known`` are loopback ports to use again. Connections to a port that is no longer published are cut.
        """
        forwarders = self._open.setdefault(network_id, {})
        if self._is_closed:
            wanted = set()
        for key in forwarders.keys() - wanted:
            await forwarders.pop(key)[0].close()
        for key in sorted(wanted - forwarders.keys()):
            try:
                forwarders[key] = await self._listen(key, known.get(key, 0))
            except OSError as error:
                _log.warning("%s of the network %s is not published: %s", key, network_id, error)
        if not forwarders:
            del self._open[network_id]
        return {key: number for key, (_, number) in forwarders.items()}

    def of(self, network_id: str) -> list[dict[str, Any]]:
        """Return the published ports of a network."""
        found = []
        for key, (_, number) in sorted(self._open.get(network_id, {}).items()):
            sandbox_id, _, port = key.partition(_SEPARATOR)
            found.append({"sandbox_id": sandbox_id, "port": int(port), "url": f"http://{LOOPBACK}:{number}"})
        return found

    async def close(self) -> None:
        """Stop listening for good."""
        self._is_closed = True
        for network_id in list(self._open):
            await self.apply(network_id, set(), {})

    async def _listen(self, key: str, number: int) -> tuple[Forwarder, int]:
        sandbox_id, _, port = key.partition(_SEPARATOR)

        async def dial() -> socket.socket:
            instance = self._lifecycle.instance(sandbox_id)
            if instance is None:
                raise SandboxGone("The sandbox is not running.")
            return await instance.dial(int(port))

        forwarder = Forwarder(dial, is_http=True, label=label_of(f"{port}-{sandbox_id}"))
        return forwarder, await forwarder.open(number)
