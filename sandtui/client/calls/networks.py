"""Calls for LAN networks (WIRE.md 2.12)."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client.call import Call, Repeat
from sandtui.client.checks import json_body, segment
from sandtui.client.models.base import Nothing
from sandtui.client.models.networks import LanNetwork, LanNetworkList, LanNetworkMember, LanRule


def create_network(name: str, team_id: str | None, rules: Sequence[LanRule] | None) -> Call[LanNetwork]:
    """Create a network."""
    body: dict[str, object] = {"name": name}
    if team_id:
        body["team_id"] = team_id
    if rules is not None:
        body["rules"] = _sent(rules)
    return Call("POST", "/sandbox/networks", LanNetwork, body=json_body(body))


def list_networks(team_id: str | None) -> Call[LanNetworkList]:
    """Get the networks of the user, or of a team."""
    query = {"team_id": team_id or None}
    return Call("GET", "/sandbox/networks", LanNetworkList, query=query, repeat=Repeat.SAFE)


def get_network(network_id: str) -> Call[LanNetwork]:
    """Get a network with its members."""
    return Call("GET", _path(network_id), LanNetwork, repeat=Repeat.SAFE)


def delete_network(network_id: str) -> Call[Nothing]:
    """Delete a network; idempotent."""
    return Call("DELETE", _path(network_id), Nothing, repeat=Repeat.SAFE)


def set_rules(network_id: str, rules: Sequence[LanRule]) -> Call[LanNetwork]:
    """Replace the rules of a network."""
    body = json_body({"rules": _sent(rules)})
    return Call("PUT", f"{_path(network_id)}/rules", LanNetwork, body=body, repeat=Repeat.SAFE)


def add_member(network_id: str, sandbox_id: str, tags: Sequence[str]) -> Call[LanNetworkMember]:
    """Add a running sandbox to a network, or replace its tags."""
    body = json_body({"tags": list(tags)})
    return Call("PUT", _member(network_id, sandbox_id), LanNetworkMember, body=body, repeat=Repeat.SAFE)


def remove_member(network_id: str, sandbox_id: str) -> Call[Nothing]:
    """Remove a sandbox from a network; idempotent."""
    return Call("DELETE", _member(network_id, sandbox_id), Nothing, repeat=Repeat.SAFE)


def _sent(rules: Sequence[LanRule]) -> list[dict[str, object]]:
    return [rule.model_dump(by_alias=True, exclude_none=True) for rule in rules]


def _path(network_id: str) -> str:
    return f"/sandbox/networks/{segment(network_id)}"


def _member(network_id: str, sandbox_id: str) -> str:
    return f"{_path(network_id)}/members/{segment(sandbox_id)}"
