"""The catalogue of calls. Each call of the API stands here once (wire.md 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from pydantic_core import to_json

from sandtui.client.call import Call, Repeat
from sandtui.client.models import (
    BatchStatusReply,
    BulkDeleteReply,
    CommandResponse,
    CreateSandboxRequest,
    DeleteReply,
    ErrorContext,
    GatewayToken,
    LogsReply,
    Sandbox,
    SandboxPage,
)

ERROR_CONTEXT_TIMEOUT = 10.0
EXEC_GRACE = 5.0
"""Seconds that the reply may come after the command's own deadline (wire.md 3)."""


def create_sandbox(request: CreateSandboxRequest) -> Call[Sandbox]:
    """Make a sandbox; the idempotency key of the request makes a repetition harmless."""
    return Call(
        "POST",
        "/sandbox",
        Sandbox,
        body=request.model_dump_json(exclude_none=True).encode(),
        repeat=Repeat.SAFE if request.idempotency_key else Repeat.UNSENT,
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
    """One page of the list; ``labels`` must all be there."""
    query = {
        "page": page,
        "per_page": per_page,
        "team_id": team_id or None,
        "user_id": user_id or None,
        "status": status or None,
        "labels": list(labels) if labels else None,
        "is_active": is_active,
    }
    return Call("GET", "/sandbox", SandboxPage, query=query, repeat=Repeat.SAFE)


def get_sandbox(sandbox_id: str) -> Call[Sandbox]:
    """One sandbox."""
    return Call("GET", _sandbox(sandbox_id), Sandbox, repeat=Repeat.SAFE)


def delete_sandbox(sandbox_id: str) -> Call[DeleteReply]:
    """End one sandbox; deleting it again does nothing more."""
    return Call("DELETE", _sandbox(sandbox_id), DeleteReply, repeat=Repeat.SAFE)


def bulk_delete(
    *,
    sandbox_ids: Sequence[str] | None,
    labels: Sequence[str] | None,
    team_id: str | None,
    user_id: str | None,
    all_users: bool,
) -> Call[BulkDeleteReply]:
    """End many by ids, or all that carry every label."""
    body: dict[str, object] = {"all_users": all_users}
    lists = {"sandbox_ids": sandbox_ids, "labels": labels}
    body |= {key: list(value) for key, value in lists.items() if value is not None}
    body |= {key: text for key, text in {"team_id": team_id, "user_id": user_id}.items() if text}
    # By ids a repetition finds them gone; by labels it could reach sandboxes made in between.
    repeat = Repeat.SAFE if sandbox_ids is not None else Repeat.UNSENT
    return Call("DELETE", "/sandbox", BulkDeleteReply, body=to_json(body), repeat=repeat, timeout=120.0)


def get_logs(sandbox_id: str) -> Call[LogsReply]:
    """The sandbox's log."""
    return Call("GET", f"{_sandbox(sandbox_id)}/logs", LogsReply, repeat=Repeat.SAFE)


def authorize_gateway(sandbox_id: str) -> Call[GatewayToken]:
    """A short-lived token for the gateway of one sandbox."""
    return Call("POST", f"{_sandbox(sandbox_id)}/auth", GatewayToken, body=b"", repeat=Repeat.SAFE)


def get_error_context(sandbox_id: str) -> Call[ErrorContext]:
    """Why a sandbox is not running."""
    return Call("GET", f"{_sandbox(sandbox_id)}/error-context", ErrorContext, timeout=ERROR_CONTEXT_TIMEOUT)


def batch_status(sandbox_ids: Sequence[str]) -> Call[BatchStatusReply]:
    """The statuses of 1 to 100 sandboxes."""
    return Call(
        "POST",
        "/sandbox/status:batchGet",
        BatchStatusReply,
        body=to_json({"sandbox_ids": list(sandbox_ids)}),
        repeat=Repeat.SAFE,
    )


def execute(
    sandbox_id: str,
    command: str,
    *,
    working_dir: str | None,
    env: Mapping[str, str] | None,
    timeout: float,
    user: str | None,
) -> Call[CommandResponse]:
    """Run a command through the gateway. A request that may have arrived is never sent twice."""
    body: dict[str, object] = {
        "command": command,
        "working_dir": working_dir,
        "env": dict(env or {}),
        "sandbox_id": sandbox_id,
        "timeout": int(timeout),
    }
    if user is not None:
        body["user"] = user
    return Call("POST", "/exec", CommandResponse, body=to_json(body), timeout=timeout + EXEC_GRACE)


def _sandbox(sandbox_id: str) -> str:
    return f"/sandbox/{quote(sandbox_id, safe='')}"
