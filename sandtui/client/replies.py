"""From a reply that is not a success, or none, to the error that says so (WIRE.md 2.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from sandtui.client.call import Call
from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    NotOfferedError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RequestRejectedError,
    SandboxDiskFullError,
    SandboxFileDeniedError,
    SandboxFileTooLargeError,
    ServerError,
    StorageFullError,
    UnauthorizedError,
)
from sandtui.client.port import TransportFault, WireReply
from sandtui.printable import clean

_MAX_DETAIL = 500
"""Characters of a platform's words that an error shows."""

_MIN_SECRET = 4

_CLASSES: dict[int, type[APIError]] = {
    401: UnauthorizedError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: SandboxFileTooLargeError,
    429: RateLimitedError,
    507: StorageFullError,
    501: NotOfferedError,
}

_FILE_CALLS = ("/upload", "/download", "/read-file")
_FILE_CLASSES: dict[int, type[APIError]] = {403: SandboxFileDeniedError, 507: SandboxDiskFullError}
"""What a status says of a sandbox's file: the token was good, so it is not about the key or the platform."""


def error_from(
    reply: WireReply, method: str, path: str, sandbox_id: str | None = None, secrets: Iterable[str] = ()
) -> APIError:
    """Return the error for a reply outside 2xx; ``secrets`` that it echoes are taken out."""
    secrets = tuple(secrets)
    code = reply.status_code
    body = _object(reply.content)
    fields = {clean(hide(name, secrets)): clean(hide(words, secrets)) for name, words in _refused_fields(body).items()}
    detail = _detail(body, reply, fields, secrets)
    message = f"HTTP {code}: {detail}" if detail else f"HTTP {code} for {method} {path}"
    details: dict[str, Any] = {
        "status_code": code,
        "method": method,
        "path": path,
        "sandbox_id": sandbox_id,
        "error_type": clean(hide(body["error"], secrets)) if isinstance(body.get("error"), str) else None,
        "retry_after": retry_after(reply),
    }
    if code == 422:
        return RequestRejectedError(message, fields=fields, **details)
    kind = _CLASSES.get(code, ServerError if code >= 500 else APIError)
    if path.endswith(_FILE_CALLS):
        kind = _FILE_CLASSES.get(code, kind)
    return kind(message, **details)


def no_reply(
    fault: TransportFault, call: Call[Any], base_url: str, sandbox_id: str | None, secrets: tuple[str, ...] = ()
) -> APIError:
    """Return the error for a call that got no reply."""
    where = f"{call.method} {call.path}"
    if fault.timeout and fault.sent:
        return APITimeoutError(
            f"no reply to {where} within {call.timeout:g} s",
            method=call.method,
            path=call.path,
            sandbox_id=sandbox_id,
        )
    reason = "the connection broke while talking to" if fault.sent else "can't connect to"
    return ConnectionFailedError(
        f"{reason} {base_url} ({where}): {hide(str(fault), secrets)}",
        sent=fault.sent,
        method=call.method,
        path=call.path,
        sandbox_id=sandbox_id,
    )


def output_so_far(reply: WireReply) -> tuple[str, str]:
    """Return what a command had written that did not end in time: standard output and error, empty if not told."""
    body = _object(reply.content)
    stdout, stderr = (value if isinstance(value := body.get(name), str) else "" for name in ("stdout", "stderr"))
    return stdout, stderr


def retry_after(reply: WireReply) -> float | None:
    """Return the seconds that ``Retry-After`` asks for: a number, or the time until a date."""
    value = reply.headers.get("retry-after")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    # A hostile or mistaken value (nan, a century) must not stop a client for ever.
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which no secret stands. Short ones are left: they would be found in any text."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET:
            text = text.replace(secret, "***")
    return text


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _refused_fields(body: dict[str, Any]) -> dict[str, str]:
    """Read both shapes of a 422: ``errors`` rows, and FastAPI's ``detail`` list."""
    rows = body.get("errors") if isinstance(body.get("errors"), list) else body.get("detail")
    fields: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        place = row.get("param") or row.get("loc") or "request"
        if isinstance(place, list):
            place = ".".join(str(part) for part in place if part != "body") or "request"
        fields[str(place)] = str(row.get("details") or row.get("msg") or "refused")
    return fields


def _detail(body: dict[str, Any], reply: WireReply, fields: dict[str, str], secrets: tuple[str, ...]) -> str:
    if 300 <= reply.status_code < 400:
        # Not followed: the body and the key would go to an address that nobody chose.
        return f"the platform sends elsewhere{_place(reply)}; set PRIME_API_BASE_URL to the address that answers itself"
    if fields:
        text = "; ".join(f"{name}: {words}" for name, words in fields.items())
    elif isinstance(body.get("detail"), str):
        text = body["detail"]
    elif isinstance(body.get("message"), str):
        text = body["message"]
    elif isinstance(body.get("error"), str):
        text = body["error"]
    else:
        text = reply.content[: _MAX_DETAIL * 4].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            return ""  # an HTML error page of some proxy says nothing to a person
    text = " ".join(hide(text, secrets).split())
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"


def _place(reply: WireReply) -> str:
    try:
        parts = urlsplit(reply.headers.get("location", ""))
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or not host.isprintable():
        return ""
    return f" ({parts.scheme}://{host[:100]}{f':{port}' if port else ''})"
