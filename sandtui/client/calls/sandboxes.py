"""Calls for sandboxes (WIRE.md 2.3 to 2.9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic_core import PydanticSerializationError

from sandtui.client.call import Call, Rate, Repeat
from sandtui.client.checks import json_body, segment
from sandtui.client.errors import InvalidRequestError
from sandtui.client.models import (
    BatchStatusReply,
    BulkDeleteReply,
    CreatedSandbox,
    CreateSandboxRequest,
    DeleteReply,
    ErrorContext,
    GatewayToken,
    LogsReply,
    Sandbox,
    SandboxPage,
)

ERROR_CONTEXT_TIMEOUT = 10.0


def create_sandbox(request: CreateSandboxRequest) -> Call[CreatedSandbox]:
    """Create a sandbox; idempotent by the request's key."""
    return Call(
        "POST",
        "/sandbox",
        CreatedSandbox,
        body=_json_of(request),
        repeat=Repeat.SAFE if request.idempotency_key else Repeat.UNSENT,
        rate=Rate("create", 500),
        secrets=tuple(secret.get_secret_value() for secret in (request.secrets or {}).values()),
    )


def list_sandboxes(
    *,
    page: int,
    per_page: int,
    team_id: str | None = None,
    user_id: str | None = None,
    status: str | None = None,
    labels: Sequence[str] | None = None,
    is_active: bool | None = None,
) -> Call[SandboxPage]:
    """Get a page of the list; sandboxes must have all ``labels``."""
    query = {
        "page": page,
        "per_page": per_page,
        "team_id": team_id or None,
        "user_id": user_id or None,
        "status": status or None,
        "labels": list(labels) if labels else None,
        "is_active": is_active,
    }
    return Call("GET", "/sandbox", SandboxPage, query=query, repeat=Repeat.SAFE, rate=Rate("list", 1000))


def get_sandbox(sandbox_id: str) -> Call[Sandbox]:
    """Get a sandbox."""
    return Call("GET", sandbox_path(sandbox_id), Sandbox, repeat=Repeat.SAFE, rate=Rate("get", 300, sandbox_id))


def delete_sandbox(sandbox_id: str) -> Call[DeleteReply]:
    """Delete a sandbox; idempotent."""
    return Call("DELETE", sandbox_path(sandbox_id), DeleteReply, repeat=Repeat.SAFE, rate=Rate("delete", 500))


def bulk_delete(
    *,
    sandbox_ids: Sequence[str] | None,
    labels: Sequence[str] | None,
    team_id: str | None,
    user_id: str | None,
    all_users: bool,
) -> Call[BulkDeleteReply]:
    """Delete many by ids, or all that have every label."""
    body: dict[str, object] = {"all_users": all_users}
    lists = {"sandbox_ids": sandbox_ids, "labels": labels}
    body |= {key: list(value) for key, value in lists.items() if value is not None}
    body |= {key: text for key, text in {"team_id": team_id, "user_id": user_id}.items() if text}
    # By ids a retry is harmless; by labels it could hit sandboxes created in the meantime.
    repeat = Repeat.SAFE if sandbox_ids is not None else Repeat.UNSENT
    return Call(
        "DELETE",
        "/sandbox",
        BulkDeleteReply,
        body=json_body(body),
        repeat=repeat,
        timeout=120.0,
        rate=Rate("bulk delete", 50),
    )


def get_logs(sandbox_id: str) -> Call[LogsReply]:
    """Get the log of a sandbox."""
    return Call(
        "GET", f"{sandbox_path(sandbox_id)}/logs", LogsReply, repeat=Repeat.SAFE, rate=Rate("logs", 300, sandbox_id)
    )


def authorize_gateway(sandbox_id: str) -> Call[GatewayToken]:
    """Get a short-lived token for the gateway of a sandbox."""
    return Call(
        "POST",
        f"{sandbox_path(sandbox_id)}/auth",
        GatewayToken,
        body=b"",
        repeat=Repeat.SAFE,
        rate=Rate("auth", 120, sandbox_id),
    )


def get_error_context(sandbox_id: str) -> Call[ErrorContext]:
    """Get the reason why a sandbox is not running."""
    return Call(
        "GET",
        f"{sandbox_path(sandbox_id)}/error-context",
        ErrorContext,
        timeout=ERROR_CONTEXT_TIMEOUT,
        rate=Rate("error context", 600, sandbox_id),
    )


def batch_status(sandbox_ids: Sequence[str]) -> Call[BatchStatusReply]:
    """Get the statuses of 1 to 100 sandboxes."""
    return Call(
        "POST",
        "/sandbox/status:batchGet",
        BatchStatusReply,
        body=json_body({"sandbox_ids": list(sandbox_ids)}),
        repeat=Repeat.SAFE,
    )


_OURS: Final = {"lan_network_id", "lan_tags"}
"""What a create request does not have: the client adds the sandbox to the network once it runs (WIRE.md 2.12)."""


def _json_of(request: CreateSandboxRequest) -> bytes:
    try:
        return request.model_dump_json(exclude_none=True, exclude=_OURS).encode()
    except (PydanticSerializationError, UnicodeEncodeError):
        raise InvalidRequestError("the request contains characters that can't be encoded as UTF-8") from None


def sandbox_path(sandbox_id: str) -> str:
    """Return the path of a sandbox, with its id quoted."""
    return f"/sandbox/{segment(sandbox_id)}"
