"""SSH sessions, egress policies and image registries (WIRE.md 2.12, 2.15, 7)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from sandtui.client.models.base import (
    GatewayUrl,
    HeaderText,
    HostName,
    Moment,
    PathSegment,
    RowsModel,
    SessionId,
    WireModel,
    readable_rows,
)


class SSHSession(WireModel):
    """The address for SSH and its expiry. The user name is ``session_id``.

    The container form also has the exposure and a gateway token to authorise the key; the VM form has neither, and
    expects a first line on the connection (WIRE.md 7). ``host_key`` is the public key of the SSH server, if the
    platform returns it; the hosted one does not.
    """

    session_id: SessionId
    sandbox_id: str
    host: HostName
    port: int = Field(ge=1, le=65535)
    expires_at: Moment
    ttl_seconds: int
    exposure_id: str | None = None
    external_endpoint: str | None = None
    gateway_url: GatewayUrl | None = None
    user_ns: PathSegment | None = None
    job_id: PathSegment | None = None
    token: HeaderText | None = Field(default=None, repr=False)
    host_key: str | None = None


class EgressPolicy(WireModel):
    """The egress policy of a VM: an allow list, a deny list, or neither for full access."""

    allowlist: list[str] | None = None
    denylist: list[str] | None = None


class EgressPolicyReply(WireModel):
    """A policy and whether it is in force. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    policy: EgressPolicy
    generation: int = 0
    applied_generation: int = 0
    applied: bool = False


class RegistryCredential(WireModel):
    """Stored credentials of an image registry."""

    id: str
    name: str
    server: str
    created_at: Moment | None = None
    updated_at: Moment | None = None
    user_id: str | None = None
    team_id: str | None = None


class RegistryCredentialsReply(RowsModel):
    """All stored registry credentials."""

    credentials: Annotated[list[RegistryCredential], readable_rows(RegistryCredential)] = Field(default_factory=list)


class DockerImageCheckResponse(WireModel):
    """Whether an image can be pulled, and why not."""

    accessible: bool
    details: str = ""
