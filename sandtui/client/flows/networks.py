"""LAN networks: their rules and members, and the joining of new sandboxes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from sandtui.client.calls import networks
from sandtui.client.checks import check_ids, check_text
from sandtui.client.errors import APIError, APITimeoutError, SandboxClientError
from sandtui.client.flows.base import Flows
from sandtui.client.models.networks import LanNetwork, LanNetworkMember, LanRule
from sandtui.client.session import Session

SYNC_SECONDS = 120.0
"""Time limit for a membership to be in force, in seconds."""

_PAUSE = 2.0


class LanOperations(Flows):
    """Operations on LAN networks. Members reach each other as ``SANDBOX_ID.sandbox.internal``, as the rules allow."""

    async def create_lan_network(
        self, name: str, team_id: str | None = None, rules: Sequence[LanRule] | None = None
    ) -> LanNetwork:
        """Create a LAN network of the configured team, else of the user. Without rules, no member reaches another.

        Raises:
            ConflictError: the name is taken.
            RequestRejectedError: the platform rejected the name or a rule.
            NotOfferedError: the platform has no LAN networks.
            APIError: any other error, also if the platform ignored the rules: then the network is deleted again.
        """
        check_text("the name of a network", name)
        made = await self._session.control(networks.create_network(name, self._team(team_id), rules))
        if rules is not None and sorted(map(_key, made.rules)) != sorted(map(_key, rules)):
            deleted = "deleting it failed, so delete it yourself"
            with contextlib.suppress(SandboxClientError):
                await self.delete_lan_network(made.id)
                deleted = "it was deleted"
            raise APIError(f"the platform ignored the rules of the LAN network {made.id}; {deleted}")
        return made

    async def list_lan_networks(self, team_id: str | None = None) -> list[LanNetwork]:
        """Return the LAN networks of a team, by default of the configured one, else of the user."""
        return (await self._session.control(networks.list_networks(self._team(team_id)))).networks

    async def get_lan_network(self, network_id: str) -> LanNetwork:
        """Return a LAN network with its rules and members.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        return await self._session.control(networks.get_network(network_id))

    async def delete_lan_network(self, network_id: str) -> None:
        """Delete a LAN network; its members stop reaching each other through it.

        Raises:
            NotFoundError: the platform does not know the id.
        """
        await self._session.control(networks.delete_network(network_id))

    async def set_lan_rules(self, network_id: str, rules: Sequence[LanRule]) -> LanNetwork:
        """Replace the rules of a LAN network. Each lets members connect in one direction; nothing else passes.

        Raises:
            NotFoundError: the platform does not know the id.
            RequestRejectedError: the platform rejected a rule.
        """
        return await self._session.control(networks.set_rules(network_id, rules))

    async def add_lan_member(
        self, network_id: str, sandbox_id: str, tags: Sequence[str] | None = None
    ) -> LanNetworkMember:
        """Add a running sandbox to a LAN network, or replace its tags.

        Raises:
            NotFoundError: the platform does not know the network or the sandbox.
            ConflictError: the sandbox is not RUNNING, or cannot be in a network.
        """
        check_ids("tags", tags or ())
        return await self._session.control(networks.add_member(network_id, sandbox_id, tags or ()), sandbox_id)

    async def remove_lan_member(self, network_id: str, sandbox_id: str) -> None:
        """Remove a sandbox from a LAN network.

        Raises:
            NotFoundError: the platform does not know the network, or the sandbox is not a member.
        """
        await self._session.control(networks.remove_member(network_id, sandbox_id), sandbox_id)

    def _team(self, team_id: str | None) -> str | None:
        return team_id if team_id is not None else self._session.config.team_id


async def join_pending(session: Session, sandbox_id: str) -> None:
    """Add a new sandbox to the network of its create request; return once the membership and the rules are in force.

    Raises:
        APITimeoutError: they were not in 120 seconds.
        APIError: a request failed, or the sandbox left the network meanwhile.
    """
    pending = session.lan_joins.get(sandbox_id)
    if pending is None:
        return
    network_id, tags = pending
    flows = LanOperations(session)
    deadline = session.port.monotonic() + SYNC_SECONDS
    await flows.add_lan_member(network_id, sandbox_id, tags)
    while True:
        network = await flows.get_lan_network(network_id)
        member = next((each for each in network.members or () if each.sandbox_id == sandbox_id), None)
        if member is None:
            raise APIError(f"sandbox {sandbox_id} left the LAN network {network_id}", sandbox_id=sandbox_id)
        if member.synced and network.synced:
            session.lan_joins.pop(sandbox_id, None)
            return
        if session.port.monotonic() > deadline:
            raise APITimeoutError(
                f"sandbox {sandbox_id} joined the LAN network {network_id}, but that was not in force "
                f"in {SYNC_SECONDS:.0f} s",
                sandbox_id=sandbox_id,
            )
        await session.port.sleep(_PAUSE)


def _key(rule: LanRule) -> tuple[str, str, tuple[int, ...]]:
    """Return what counts when rules are compared: neither their order nor that of their ports."""
    return rule.from_, rule.to, tuple(sorted(set(rule.ports or ())))
