"""Calls of a sandbox's gateway (WIRE.md 3); their paths are relative to the token's base."""

from __future__ import annotations

from collections.abc import Mapping

from sandtui.client.call import Body, Call, Repeat
from sandtui.client.checks import json_body
from sandtui.client.models import CommandResponse, FileUploadResponse, ReadFileResponse
from sandtui.client.models.base import Nothing

EXEC_GRACE = 5.0
"""Seconds that the response may arrive after the command's own deadline."""

TRANSFER_TIMEOUT = 300.0
READ_TIMEOUT = 30.0


def execute(
    sandbox_id: str,
    command: str,
    *,
    working_dir: str | None,
    env: Mapping[str, str] | None,
    timeout: float,
    user: str | None,
) -> Call[CommandResponse]:
    """Run a command. A request that may have arrived is never resent."""
    body: dict[str, object] = {
        "command": command,
        "working_dir": working_dir,
        "env": dict(env or {}),
        "sandbox_id": sandbox_id,
        "timeout": int(timeout),
    }
    if user is not None:
        body["user"] = user
    return Call("POST", "/exec", CommandResponse, body=json_body(body), timeout=timeout + EXEC_GRACE)


def upload(sandbox_id: str, path: str, body: Body, content_type: str, timeout: float) -> Call[FileUploadResponse]:
    """Write a file; writing the same bytes again is harmless."""
    return Call(
        "POST",
        "/upload",
        FileUploadResponse,
        query={"path": path, "sandbox_id": sandbox_id},
        body=body,
        content_type=content_type,
        repeat=Repeat.SAFE,
        timeout=timeout,
    )


def download(sandbox_id: str, path: str, timeout: float) -> Call[Nothing]:
    """Download a file into a sink."""
    query = {"path": path, "sandbox_id": sandbox_id}
    return Call("GET", "/download", Nothing, query=query, repeat=Repeat.SAFE, timeout=timeout)


def read_file(path: str, offset: int | None, length: int | None, timeout: float) -> Call[ReadFileResponse]:
    """Read a window of a text file; a negative offset counts from the end."""
    query = {"path": path, "offset": offset, "length": length}
    return Call("GET", "/read-file", ReadFileResponse, query=query, repeat=Repeat.SAFE, timeout=timeout)


def authorize_key(session_id: str, public_key: str, ttl_seconds: int) -> Call[Nothing]:
    """Authorise an SSH key for a session of the container form (WIRE.md 7)."""
    body = {"session_id": session_id, "public_key": public_key, "ttl_seconds": ttl_seconds}
    return Call("POST", "/authorize", Nothing, body=json_body(body), repeat=Repeat.SAFE, timeout=READ_TIMEOUT)
