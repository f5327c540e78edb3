"""What import-linter proves about the text, proved at run time (design.md 1)."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "sandtui.client.sync_client",
        "sandtui.client.ssh",
        "sandtui.fleet.session",
        "sandtui.fleet.create_form",
        "sandtui.cli.program",
    ],
)
def test_textual_and_rich_load_with_the_screens_only(module):
    code = f"import {module}, sys; print([name for name in ('textual', 'rich') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_command_line_starts_light():
    heavy = ("httpx", "pydantic", "asyncssh", "starlette")
    code = f"import sandtui.cli.program, sys; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
