"""Hostile ids, names, headers and bodies: an answer in words, never a failure, never another's sandbox."""

import asyncio
import base64
import binascii
import json
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.local.support import Api

QUIET = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(
    ["..", ".", "%2e%2e", "%2F", "%00", "%0d%0a", "/", "//", "\\", "sandbox", "expose", "all", "sbx_1",
     "sandboxes", "exec", "status:batchGet", "'",
     '"', ";", "?", "#", "%F0%9F", "command_session.CommandSession", "Start",
     "a" * 3000]
)  # fmt: skip
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "X"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "name", "docker_image", "start_command", "cpu_cores", "memory_gb", "disk_size_gb", "gpu_count", "gpu_type", "vm",
    "labels", "timeout_minutes", "idle_timeout_minutes", "environment_vars", "secrets", "network_allowlist",
    "network_denylist",
    "network_access", "idempotency_key", "volumes", "team_id", "advanced_configs",
]  # fmt: skip


async def raw(
    api: Api, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> tuple[int, bytes]:
    """Call the application as a server would, with bytes that no client library lets through."""
    parts: list[bytes] = []
    status = [0]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]
        else:
            parts.append(message.get("body", b""))

    target, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": target,
        "scheme": "http", "raw_path": target.encode("utf-8", "surrogateescape"),
        "query_string": query.encode("utf-8", "surrogateescape"),
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
    }  # fmt: skip
    async with asyncio.timeout(60):
        await api.platform.app(scope, receive, send)  # type: ignore[arg-type]
    return status[0], b"".join(parts)


@QUIET
@given(METHODS, st.lists(PIECES | st.text(max_size=8), max_size=6), st.binary(max_size=60), st.booleans())
async def test_any_path_is_answered(
    simulated: Api, method: str, pieces: list[str], body: bytes, is_known: bool
) -> None:
    headers = [
        (b"host", b"127.0.0.1"),
        (b"authorization", simulated.key["authorization"].encode() if is_known else b"Bearer x"),
    ]
    prefix = "/api/v1/" if is_known else "/"
    status, reply = await raw(simulated, method, prefix + "/".join(pieces), headers, body)
    assert 200 <= status < 500 or status == 501, (status, reply)
    if status >= 400 and reply and method != "HEAD":
        assert {"detail", "errors", "code"} & json.loads(reply).keys()
    if not is_known:
        assert status >= 400 or pieces[:1] in ([], ["healthz"]), "something was given to a stranger"


@QUIET
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
async def test_any_create_is_a_sandbox_or_names_its_field(simulated: Api, body: dict[str, Any]) -> None:
    data = json.dumps({"name": "n", "docker_image": "i", **body}).encode()
    key = simulated.key["authorization"].encode()
    status, reply = await raw(
        simulated, "POST", "/api/v1/sandbox", [(b"host", b"localhost"), (b"authorization", key)], data
    )
    assert status in (201, 422, 501), reply
    found = json.loads(reply)
    if status == 201:
        again = await simulated.sandbox(found["id"])
        assert again["name"] == found["name"]
    elif status == 422 and "errors" in found:
        assert all(row["param"] and row["details"] for row in found["errors"])


@QUIET
@given(HEADER, HEADER)
async def test_no_header_opens_anything(simulated: Api, authorization: str, host: str) -> None:
    for path in ("/api/v1/sandbox", "/sandboxes/sbx_1/exec", "/sandboxes/sbx_1/command_session.CommandSession/Start"):
        headers = [(b"host", b"127.0.0.1"), (b"authorization", authorization.encode("latin-1"))]
        status, _ = await raw(simulated, "POST", path, headers)
        assert status == 401
        headers = [(b"host", host.encode("latin-1")), (b"authorization", simulated.key["authorization"].encode())]
        status, _ = await raw(simulated, "GET", "/api/v1/sandbox", headers)
        name = host.partition(":")[0].lower()
        assert status == 403 or name in ("127.0.0.1", "localhost") or host.startswith("[::1]")


@QUIET
@given(st.text(string.printable, min_size=1, max_size=80), st.integers(0, 300), st.integers(1, 255))
async def test_a_changed_token_opens_nothing(simulated: Api, noise: str, place: int, change: int) -> None:
    box = (await simulated.create())["id"]
    token = await simulated.token(box)
    index = place % len(token)
    changed = token[:index] + chr((ord(token[index]) ^ change) % 128) + token[index + 1 :]
    for text in (changed, noise, token[:-1], token + "A", token * 2):
        if text == token:
            continue
        head = [(b"host", b"localhost"), (b"authorization", b"Bearer " + text.encode("latin-1", "replace"))]
        status, reply = await raw(simulated, "POST", f"/sandboxes/{box}/exec", head, b'{"command": "true"}')
        # The base64 of the last few bits may be written in several ways; that is the same token.
        assert status == 401 or same_bytes(text, token), reply


def same_bytes(one: str, other: str) -> bool:
    try:
        return base64.b64decode(one.strip() + "==", altchars=b"-_") == base64.b64decode(other + "==", altchars=b"-_")
    except (binascii.Error, ValueError):
        return False
