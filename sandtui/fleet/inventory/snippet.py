"""A sandbox as something to paste: a script for the SDK, or its description."""

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
    """Return what is known of the sandbox as JSON, without environment and secrets."""
    known = sandbox.model_dump(mode="json", exclude=set(_SECRET_FIELDS), exclude_none=True)
    return json.dumps(known, indent=2, ensure_ascii=False)
