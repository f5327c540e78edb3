"""A sandbox as text to paste: a Python script for the SDK, or a description."""

from __future__ import annotations

import json

from sandtui.client.models import Sandbox

_SECRET_FIELDS = frozenset({"environment_vars", "secrets", "advanced_configs"})


def attach_script(sandbox: Sandbox) -> str:
    """Return a script that runs a command in the sandbox, for the official SDK."""
    return (
        "from prime_sandboxes import APIClient, SandboxClient\n\n"
        "sandboxes = SandboxClient(APIClient())\n"
        f"result = sandboxes.execute_command({sandbox.id!r}, 'echo hello')\n"
        "print(result.stdout)\n"
    )


def description(sandbox: Sandbox) -> str:
    """Return the sandbox as JSON, without environment and secrets."""
    known = sandbox.model_dump(mode="json", exclude=set(_SECRET_FIELDS), exclude_none=True)
    return json.dumps(known, indent=2, ensure_ascii=False)
