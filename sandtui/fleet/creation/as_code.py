"""Requests as code: a Python script for the SDK, and curl commands. Both read secrets from the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sandtui.client.models import CreateSandboxRequest
from sandtui.client.shell_words import word

_LEFT_OUT = {"idempotency_key", "secrets"}


def sdk_snippet(requests: Sequence[CreateSandboxRequest]) -> str:
    """Return a Python script that creates the sandboxes with the SDK; common fields are written once."""
    each = [_fields(request) for request in requests]
    missing = object()
    common = {key: value for key, value in each[0].items() if all(row.get(key, missing) == value for row in each)}
    names = list(dict.fromkeys(name for request in requests for name in request.secrets or {}))
    secrets = ", ".join(f"{name!r}: os.environ[{name!r}]" for name in names)
    rows = [*(f"    {key}={value!r}," for key, value in common.items())]
    if names:
        rows.append(f"    secrets={{{secrets}}},")
    head = "import os\n\n" if names else ""
    if len(requests) == 1:
        body = "\n".join(rows)
        return (
            f"{head}from prime_sandboxes import APIClient, CreateSandboxRequest, SandboxClient\n\n"
            "client = SandboxClient(APIClient())\n"
            f"request = CreateSandboxRequest(\n{body}\n)\n"
            "sandbox = client.create(request)\n"
            "client.wait_for_creation(sandbox.id)\n"
        )
    different = [{key: value for key, value in row.items() if key not in common} for row in each]
    lines = "\n".join(f"    {row!r}," for row in different)
    body = "\n".join(rows)
    return (
        f"{head}from prime_sandboxes import APIClient, CreateSandboxRequest, SandboxClient\n\n"
        "client = SandboxClient(APIClient())\n"
        f"common = dict(\n{body}\n)\n"
        f"each = [\n{lines}\n]\n"
        "made = [client.create(CreateSandboxRequest(**common, **fields)).id for fields in each]\n"
        "client.bulk_wait_for_creation(made)\n"
    )


def curl_lines(requests: Sequence[CreateSandboxRequest], base_url: str) -> str:
    """Return curl commands that create the sandboxes; the API key and secrets come from the environment."""
    return "".join(_curl(request, base_url) for request in requests)


def _curl(request: CreateSandboxRequest, base_url: str) -> str:
    text = json.dumps(_fields(request))
    if request.secrets:
        # Double quotes, because the shell inserts the secrets; everything else is escaped.
        kept = "".join("\\" + letter if letter in '\\"$`' else letter for letter in text[:-1])
        names = ", ".join(f'\\"{name}\\": \\"${name}\\"' for name in request.secrets)
        quoted = f'"{kept}, \\"secrets\\": {{{names}}}}}"'
    else:
        quoted = word(text)
    return (
        f"curl -sS {word(base_url + '/api/v1/sandbox')} \\\n"
        '  -H "Authorization: Bearer $PRIME_API_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d {quoted}\n"
    )


def shell_line(values: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Return the ``sandtui create`` command of a form, without secrets that were typed."""
    changes = [
        f"--set {word(f'{key}={value}')}"
        for key, value in values.items()
        if value != defaults.get(key, "") and key not in {"count", "secrets"}
    ]
    if values.get("count", "1") != "1":
        changes.append(f"--count {word(values['count'])}")
    return " \\\n  ".join(["sandtui create python", *changes, "--wait"]) + "\n"


def _fields(request: CreateSandboxRequest) -> dict[str, object]:
    return request.model_dump(exclude_none=True, exclude_defaults=True, exclude=_LEFT_OUT, mode="python")
