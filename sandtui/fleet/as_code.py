"""A request as code: the SDK's snippet, and the line for curl. Secrets are taken from the environment there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from sandtui.client.models import CreateSandboxRequest
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND

_DEFAULTS = {
    "start_command": DEFAULT_START_COMMAND,
    "cpu_cores": 1.0,
    "memory_gb": 2.0,
    "disk_size_gb": 5.0,
    "gpu_count": 0,
    "network_access": True,
    "labels": [],
}
_LEFT_OUT = frozenset({"idempotency_key", "secrets"})


def sdk_snippet(request: CreateSandboxRequest) -> str:
    """Return a Python script that creates the sandbox with the SDK, or with ``sandtui.client``."""
    rows = [f"    {key}={value!r}," for key, value in _fields(request).items()]
    imports = ""
    if request.secrets:
        imports = "import os\n\n"
        names = ", ".join(f"{key!r}: os.environ[{key!r}]" for key in request.secrets)
        rows.append(f"    secrets={{{names}}},")
    body = "\n".join(rows)
    return (
        f"{imports}from prime_sandboxes import APIClient, CreateSandboxRequest, SandboxClient\n\n"
        "client = SandboxClient(APIClient())\n"
        f"request = CreateSandboxRequest(\n{body}\n)\n"
        "sandbox = client.create(request)\n"
        "client.wait_for_creation(sandbox.id)\n"
    )


def curl_line(request: CreateSandboxRequest, base_url: str) -> str:
    """Return the command that creates the sandbox with curl; the key comes from the environment."""
    body: dict[str, object] = dict(_fields(request))
    if request.secrets:
        body["secrets"] = {key: f"${key}" for key in request.secrets}
    text = json.dumps(body)
    # In double quotes only where the shell has to put secrets in.
    quoted = shlex.quote(text) if not request.secrets else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        f"curl -sS {shlex.quote(base_url + '/api/v1/sandbox')} \\\n"
        '  -H "Authorization: Bearer $PRIME_API_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d {quoted}\n"
    )


def shell_line(values: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Return the ``sandtui create`` line that does what the form does; secrets as they were typed are left out."""
    changes = [
        f"--set {shlex.quote(f'{key}={value}')}"
        for key, value in values.items()
        if value != defaults.get(key, "") and key not in {"count", "secrets"}
    ]
    if values.get("count", "1") != "1":
        changes.append(f"--count {shlex.quote(values['count'])}")
    return " \\\n  ".join(["sandtui create python", *changes, "--wait"]) + "\n"


def _fields(request: CreateSandboxRequest) -> dict[str, object]:
    given = request.model_dump(exclude_none=True, mode="python")
    return {
        key: value
        for key, value in given.items()
        if key not in _LEFT_OUT and not (key in _DEFAULTS and value == _DEFAULTS[key])
    }
