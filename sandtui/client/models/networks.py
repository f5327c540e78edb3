"""LAN networks (WIRE.md 2.12)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from sandtui.client.models.base import Moment, RowsModel, WireModel, readable_rows


class LanRule(WireModel):
    """Members that ``from_`` selects may connect to those that ``to`` selects: ``*`` or ``tag:NAME``.

    ``ports`` are all ports if omitted. A rule from ``internet`` publishes its ports over HTTP instead.
    """

    from_: str
    to: str
    ports: list[int] | None = None


class LanNetworkMember(WireModel):
    """A sandbox in a LAN network, reachable as ``SANDBOX_ID.sandbox.internal``. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    sandbox_id: str
    tags: list[str] = Field(default_factory=list)
    synced: bool = False
    """Whether the membership is in force."""
    address: str | None = None
    """Its address in the network; only the local platform tells."""


class LanPublishedPort(WireModel):
    """A port of a member that a rule from ``internet`` publishes; only the local platform tells."""

    sandbox_id: str
    port: int
    url: str


class LanNetwork(WireModel):
    """A private network between sandboxes of one user or team. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str
    team_id: str | None = None
    rules: Annotated[list[LanRule], readable_rows(LanRule)] = Field(default_factory=list)
    version: int = 0
    synced: bool = False
    """Whether the rules are in force."""
    created_at: Moment | None = None
    members: Annotated[list[LanNetworkMember] | None, readable_rows(LanNetworkMember)] = None
    published: Annotated[list[LanPublishedPort], readable_rows(LanPublishedPort)] = Field(default_factory=list)


class LanNetworkList(RowsModel):
    """The LAN networks of the user, or of a team."""

    networks: Annotated[list[LanNetwork], readable_rows(LanNetwork)] = Field(default_factory=list)
