"""Calls for SSH sessions, egress policies and images (WIRE.md 2.12, 2.15, 7)."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client.call import Call, Rate, Repeat
from sandtui.client.calls.sandboxes import sandbox_path
from sandtui.client.checks import json_body, segment
from sandtui.client.models.access import (
    DockerImageCheckResponse,
    EgressPolicyReply,
    RegistryCredentialsReply,
    SSHSession,
)
from sandtui.client.models.base import Nothing


def create_ssh_session(sandbox_id: str, public_key: str | None, ttl_seconds: int | None) -> Call[SSHSession]:
    """Open an SSH session; only the VM form sends a key."""
    body = {"public_key": public_key, "ttl_seconds": ttl_seconds}
    sent = json_body({key: value for key, value in body.items() if value is not None})
    path = f"{sandbox_path(sandbox_id)}/ssh-session"
    return Call("POST", path, SSHSession, body=sent, rate=Rate("ssh", 20, sandbox_id))


def close_ssh_session(sandbox_id: str, session_id: str) -> Call[Nothing]:
    """Close an SSH session."""
    path = f"{sandbox_path(sandbox_id)}/ssh-session/{segment(session_id)}"
    return Call("DELETE", path, Nothing, repeat=Repeat.SAFE)


def get_egress(sandbox_id: str) -> Call[EgressPolicyReply]:
    """Get the egress policy of a VM."""
    return Call("GET", f"{sandbox_path(sandbox_id)}/egress-policy", EgressPolicyReply, repeat=Repeat.SAFE)


def set_egress(sandbox_id: str, allow: Sequence[str] | None, deny: Sequence[str] | None) -> Call[EgressPolicyReply]:
    """Replace the egress policy of a VM; both keys are always sent, one of them null."""
    body = {"allowlist": None if allow is None else list(allow), "denylist": None if deny is None else list(deny)}
    path = f"{sandbox_path(sandbox_id)}/egress-policy"
    return Call("PUT", path, EgressPolicyReply, body=json_body(body), repeat=Repeat.SAFE)


def list_registry_credentials() -> Call[RegistryCredentialsReply]:
    """List registry credentials, without secrets."""
    return Call("GET", "/template/registry-credentials", RegistryCredentialsReply, repeat=Repeat.SAFE)


def check_docker_image(image: str, registry_credentials_id: str | None) -> Call[DockerImageCheckResponse]:
    """Check whether the platform can pull an image."""
    body = {"image": image}
    if registry_credentials_id is not None:
        body["registry_credentials_id"] = registry_credentials_id
    return Call(
        "POST",
        "/template/check-docker-image",
        DockerImageCheckResponse,
        body=json_body(body),
        repeat=Repeat.SAFE,
        timeout=60.0,
    )
