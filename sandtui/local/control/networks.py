"""LAN networks (client/WIRE.md 2.12): their members reach each other by address and name, as the rules allow."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import Response

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row, refuse
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import Driver, NetworkDriver
from sandtui.local.gateway.published_ports import PublishedPorts, port_key
from sandtui.local.network.addresses import AddressPool
from sandtui.local.store.disk import Disk, DiskFull
from sandtui.local.store.networks import NetworkRecord, NetworkRegistry, StoredMember, StoredRule
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Registry

MAX_NETWORKS: Final = 1000
MAX_MEMBERS: Final = 1000
MAX_EACH: Final = 16
"""The most networks of a sandbox."""
MAX_PUBLISHED: Final = 50
"""The most ports that a network can publish."""


class Networks:
    """All LAN networks: their records, what is in force, and the published ports."""

    def __init__(
        self,
        records: NetworkRegistry,
        sandboxes: Registry,
        lifecycle: Lifecycle,
        driver: Driver,
        ports: PublishedPorts,
        clock: Clock,
        disk: Disk,
    ) -> None:
        self._records = records
        self._sandboxes = sandboxes
        self._lifecycle = lifecycle
        self._driver = driver
        self._ports = ports
        self._clock = clock
        self._disk = disk
        self._addresses = AddressPool()
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Put all networks in force, without the members that ended meanwhile."""
        for record in self._sandboxes:
            if record.lan_address is not None and not record.is_finished:
                self._addresses.adopt(record.lan_address)
        self._records.load()
        self._lifecycle.on_end.append(self._sandbox_ended)
        if self.refusal is not None:
            return
        for network in self._records:
            alive = tuple(each for each in network.members if self._lifecycle.instance(each.sandbox_id) is not None)
            if alive == network.members:
                await self._enforce(network)
            else:
                with suppress(DiskFull):
                    await self._change(replace(network, members=alive))

    async def close(self) -> None:
        """Stop publishing ports."""
        await self._ports.close()

    @property
    def refusal(self) -> str | None:
        """Why there are no networks here, as the beginning of a sentence; None if there are."""
        if self._driver.networks is None:
            return f"With the {self._driver.name} driver, LAN networks are"
        return self._driver.networks.refusal

    def take_address(self) -> str | None:
        """Return an address for a new sandbox; None if it can be in no network."""
        return self._addresses.take() if self.refusal is None else None

    def release_address(self, record: SandboxRecord) -> None:
        """Let the address of a sandbox be another's."""
        if record.lan_address is not None:
            self._addresses.release(record.lan_address)

    async def create(self, name: str, team_id: str | None, rules: tuple[StoredRule, ...]) -> NetworkRecord:
        """Create a network without members."""
        if len(self._records) >= MAX_NETWORKS:
            raise wire.problem(HTTPStatus.CONFLICT, f"There are {MAX_NETWORKS:,} networks, which is the limit.")
        await asyncio.to_thread(self._disk.check)
        if self._records.named(name, team_id) is not None:
            raise wire.problem(HTTPStatus.CONFLICT, f"A network named {name} already exists")
        record = NetworkRecord(f"net_{secrets.token_hex(12)}", name, self._clock.now(), team_id, rules=rules)
        await self._records.add(record)
        return record

    async def set_rules(self, network_id: str, rules: tuple[StoredRule, ...]) -> NetworkRecord:
        """Replace the rules of a network."""
        async with self._lock(network_id):
            return await self._change(replace(self.get(network_id), rules=rules))

    async def join(self, network_id: str, sandbox: SandboxRecord, tags: tuple[str, ...]) -> NetworkRecord:
        """Add a running sandbox to a network, or replace its tags."""
        async with self._lock(network_id):
            network = self.get(network_id)
            if sandbox.team_id != network.team_id:
                detail = "The sandbox and the network do not belong to the same team or user."
                raise wire.problem(HTTPStatus.FORBIDDEN, detail)
            if (refusal := self._carrier.member_refusal(sandbox)) is not None:
                raise wire.problem(HTTPStatus.CONFLICT, refusal)
            member = StoredMember(sandbox.id, sandbox.lan_address or "", tags)
            if network.member(sandbox.id) is None:
                self._check_room(network, sandbox)
                members = (*network.members, member)
            else:
                members = tuple(member if each.sandbox_id == sandbox.id else each for each in network.members)
            changed = replace(network, members=members)
            self._check_running(sandbox.id)
            network = await self._change(changed)
            if self._lifecycle.instance(sandbox.id) is None:
                # It has ended meanwhile, perhaps before it could be seen to be a member.
                await self._leave(network, sandbox.id)
                self._check_running(sandbox.id)
            return network

    async def leave(self, network_id: str, sandbox_id: str) -> None:
        """Remove a member of a network."""
        async with self._lock(network_id):
            network = self.get(network_id)
            if network.member(sandbox_id) is None:
                raise wire.problem(HTTPStatus.NOT_FOUND, "The sandbox is not a member of the network")
            await self._leave(network, sandbox_id)

    async def delete(self, network_id: str) -> NetworkRecord:
        """Delete a network; its members stop reaching each other through it."""
        async with self._lock(network_id):
            network = self.get(network_id)
            self._carrier.withdraw(network_id)
            await self._ports.apply(network_id, set(), {})
            await self._records.remove(network_id)
            return network

    def get(self, network_id: str) -> NetworkRecord:
        """Return a network, or raise a 404."""
        found = self._records.get(network_id)
        if found is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Network not found")
        return found

    def of(self, team_id: str | None) -> list[NetworkRecord]:
        """Return the networks of a team, or those of the user, newest first."""
        return [network for network in reversed(list(self._records)) if network.team_id == team_id]

    def response(self, network: NetworkRecord) -> dict[str, Any]:
        """Return a network as clients read it."""
        return wire.network_response(network, self._ports.of(network.id), is_synced=self.is_synced(network))

    def is_synced(self, network: NetworkRecord) -> bool:
        """Whether the members and rules of a network are in force."""
        return self._carrier.applied(network) == network.version

    @property
    def _carrier(self) -> NetworkDriver:
        assert self._driver.networks is not None
        return self._driver.networks

    def _lock(self, network_id: str) -> asyncio.Lock:
        """Return what keeps changes of a network apart."""
        return self._changing.setdefault(network_id, asyncio.Lock())

    def _check_room(self, network: NetworkRecord, sandbox: SandboxRecord) -> None:
        if len(network.members) >= MAX_MEMBERS:
            raise wire.problem(HTTPStatus.CONFLICT, f"A network can have at most {MAX_MEMBERS:,} members.")
        if sum(each.member(sandbox.id) is not None for each in self._records) >= MAX_EACH:
            raise wire.problem(HTTPStatus.CONFLICT, f"A sandbox can be in at most {MAX_EACH} networks.")

    def _check_running(self, sandbox_id: str) -> None:
        if self._lifecycle.instance(sandbox_id) is None:
            raise wire.problem(HTTPStatus.CONFLICT, "The sandbox has ended.")

    async def _change(self, network: NetworkRecord) -> NetworkRecord:
        """Store a network, then put it in force; wait a moment until it is."""
        if len(_published(network)) > MAX_PUBLISHED:
            detail = f"The rules from internet would publish more than {MAX_PUBLISHED} ports of members."
            raise wire.problem(HTTPStatus.CONFLICT, detail)
        network = replace(network, version=network.version + 1)
        await self._records.change(network)
        network = await self._enforce(network)
        await self._carrier.wait_applied(network)
        return network

    async def _leave(self, network: NetworkRecord, sandbox_id: str) -> None:
        members = tuple(each for each in network.members if each.sandbox_id != sandbox_id)
        await self._change(replace(network, members=members))

    async def _enforce(self, network: NetworkRecord) -> NetworkRecord:
        self._carrier.apply(network)
        published = await self._ports.apply(network.id, _published(network), network.published)
        if published != network.published:
            network = replace(network, published=published)
            self._records.replace(network)
            with suppress(DiskFull):  # Only the numbers of ports would be others after a restart.
                await self._records.change(network)
        return network

    async def _sandbox_ended(self, sandbox_id: str) -> None:
        record = self._sandboxes.get(sandbox_id)
        if record is not None:
            self.release_address(record)
        for known in self._records:
            if known.member(sandbox_id) is None:
                continue
            async with self._lock(known.id):
                network = self._records.get(known.id)
                if network is None or network.member(sandbox_id) is None:
                    continue
                members = tuple(each for each in network.members if each.sandbox_id != sandbox_id)
                network = replace(network, members=members, version=network.version + 1)
                # At once, and whether or not it can be stored: it is not alive after a restart either.
                self._records.replace(network)
                with suppress(DiskFull):
                    await self._records.change(await self._enforce(network))


def _published(network: NetworkRecord) -> set[str]:
    """Return the ports of members that rules publish."""
    found: set[str] = set()
    for rule in network.rules:
        if rule.source == wire.INTERNET:
            found |= {
                port_key(member.sandbox_id, port)
                for member in network.members
                if rule.leads_to(member.tags)
                for port in rule.ports or ()
            }
    return found


class NetworkRoutes:
    """The calls about LAN networks."""

    def __init__(self, access: ApiKeyGuard, networks: Networks) -> None:
        self._access = access
        self._networks = networks

    def rows(self) -> list[Row]:
        """Return the calls, which must come before those with the id of a sandbox."""
        if (refusal := self._networks.refusal) is not None:
            return [("*", "/sandbox/networks{rest:path}", refuse(refusal))]
        return [
            ("POST", "/sandbox/networks", self.create),
            ("GET", "/sandbox/networks", self.get_all),
            ("GET", "/sandbox/networks/{network}", self.get),
            ("DELETE", "/sandbox/networks/{network}", self.delete),
            ("PUT", "/sandbox/networks/{network}/rules", self.set_rules),
            ("PUT", "/sandbox/networks/{network}/members/{id}", self.join),
            ("DELETE", "/sandbox/networks/{network}/members/{id}", self.leave),
        ]

    async def create(self, request: Request) -> Response:
        """POST /sandbox/networks."""
        body = await wire.read_body(request, wire.NetworkBody)
        network = await self._networks.create(body.name, body.team_id or None, _stored(body.rules))
        return wire.AsciiJSONResponse(self._networks.response(network), HTTPStatus.CREATED)

    async def get_all(self, request: Request) -> Response:
        """GET /sandbox/networks."""
        found = self._networks.of(request.query_params.get("team_id") or None)
        return wire.AsciiJSONResponse({"networks": [self._networks.response(network) for network in found]})

    async def get(self, request: Request) -> Response:
        """GET /sandbox/networks/{network}."""
        return wire.AsciiJSONResponse(self._networks.response(self._networks.get(_id(request))))

    async def delete(self, request: Request) -> Response:
        """DELETE /sandbox/networks/{network}."""
        network = await self._networks.delete(_id(request))
        return wire.AsciiJSONResponse({"success": True, "message": f"Network {network.name} deleted"})

    async def set_rules(self, request: Request) -> Response:
        """PUT /sandbox/networks/{network}/rules."""
        self._networks.get(_id(request))
        body = await wire.read_body(request, wire.RulesBody)
        network = await self._networks.set_rules(_id(request), _stored(body.rules))
        return wire.AsciiJSONResponse(self._networks.response(network))

    async def join(self, request: Request) -> Response:
        """PUT /sandbox/networks/{network}/members/{id}."""
        self._networks.get(_id(request))
        self._access.sandbox(request)
        body = await wire.read_body(request, wire.MemberBody)
        sandbox = self._access.running(request)
        network = await self._networks.join(_id(request), sandbox, tuple(dict.fromkeys(body.tags)))
        member = network.member(sandbox.id)
        assert member is not None
        return wire.AsciiJSONResponse(wire.member_response(member, is_synced=self._networks.is_synced(network)))

    async def leave(self, request: Request) -> Response:
        """DELETE /sandbox/networks/{network}/members/{id}."""
        sandbox_id = request.path_params["id"]
        await self._networks.leave(_id(request), sandbox_id)
        return wire.AsciiJSONResponse({"success": True, "message": f"Sandbox {sandbox_id} has left the network"})


def _id(request: Request) -> str:
    return str(request.path_params["network"])


def _stored(rules: Iterable[wire.RuleBody]) -> tuple[StoredRule, ...]:
    return tuple(rule.stored() for rule in rules)
