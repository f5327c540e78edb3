"""Maps error responses, and missing ones, to exceptions (WIRE.md 2.1)."""

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
from sandtui.client.port import TransportFault, WireResponse
from sandtui.printable import clean

_MAX_DETAIL = 500
"""Maximum length of a platform's message in an error."""

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
"""The error for a status of a file call: with a valid token it is about the file, not about key or platform."""


def error_from(
    response: WireResponse, method: str, path: str, sandbox_id: str | None = None, secrets: Iterable[str] = ()
) -> APIError:
    """Return the error for a response outside 2xx, with ``secrets`` redacted."""
    secrets = tuple(secrets)
    code = response.status_code
    body = _object(response.content)
    fields = {
        clean(redact(name, secrets)): clean(redact(words, secrets)) for name, words in _refused_fields(body).items()
    }
    detail = _detail(body, response, fields, secrets)
    message = f"HTTP {code}: {detail}" if detail else f"HTTP {code} for {method} {path}"
    details: dict[str, Any] = {
        "status_code": code,
        "method": method,
        "path": path,
        "sandbox_id": sandbox_id,
        "error_type": clean(redact(body["error"], secrets)) if isinstance(body.get("error"), str) else None,
        "retry_after": retry_after(response),
    }
    if code == 422:
        return RequestRejectedError(message, fields=fields, **details)
    kind = _CLASSES.get(code, ServerError if code >= 500 else APIError)
    if path.endswith(_FILE_CALLS):
        kind = _FILE_CLASSES.get(code, kind)
    return kind(message, **details)


def no_response(
    fault: TransportFault, call: Call[Any], base_url: str, sandbox_id: str | None, secrets: tuple[str, ...] = ()
) -> APIError:
    """Return the error for a call without a response."""
    where = f"{call.method} {call.path}"
    if fault.timeout and fault.sent:
        return APITimeoutError(
            f"no response to {where} within {call.timeout:g} s",
            method=call.method,
            path=call.path,
            sandbox_id=sandbox_id,
        )
    reason = "the connection broke while talking to" if fault.sent else "can't connect to"
    return ConnectionFailedError(
        f"{reason} {base_url} ({where}): {redact(str(fault), secrets)}",
        sent=fault.sent,
        method=call.method,
        path=call.path,
        sandbox_id=sandbox_id,
    )


def output_so_far(response: WireResponse) -> tuple[str, str]:
    """Return the output of a command that did not finish in time: stdout and stderr, empty if not returned."""
    body = _object(response.content)
    stdout, stderr = (value if isinstance(value := body.get(name), str) else "" for name in ("stdout", "stderr"))
    return stdout, stderr


def retry_after(response: WireResponse) -> float | None:
    """Return the seconds of ``Retry-After``: a number, or the time until a date."""
    value = response.headers.get("retry-after")
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
    # A hostile or faulty value (nan, a century) must not stop a client forever.
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return a text with secrets redacted. Very short ones are left: they would match anywhere."""
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


def _detail(body: dict[str, Any], response: WireResponse, fields: dict[str, str], secrets: tuple[str, ...]) -> str:
    if 300 <= response.status_code < 400:
        # Redirects are not followed: body and key would go to an address that the user did not choose.
        return f"the platform redirects{_location(response)}; set PRIME_API_BASE_URL to the final address"
    if fields:
        text = "; ".join(f"{name}: {words}" for name, words in fields.items())
    elif isinstance(body.get("detail"), str):
        text = body["detail"]
    elif isinstance(body.get("message"), str):
        text = body["message"]
    elif isinstance(body.get("error"), str):
        text = body["error"]
    else:
        text = response.content[: _MAX_DETAIL * 4].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            return ""  # the HTML error page of a proxy is of no use in a message
    text = " ".join(redact(text, secrets).split())
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"


def _location(response: WireResponse) -> str:
    try:
        parts = urlsplit(response.headers.get("location", ""))
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or not host.isprintable():
        return ""
    return f" ({parts.scheme}://{host[:100]}{f':{port}' if port else ''})"
