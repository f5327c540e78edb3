"""The official SDK, unmodified and in its own environment, against the real local platform."""

import asyncio
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSIONS = ("0.2.14", "0.2.32")


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_guides_flows_pass(version, platform_process, tmp_path):
    python = ROOT / ".interop" / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"the official SDK {version} is not installed: run `make .interop/{version}/.done`")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PRIME_API_KEY": platform_process.api_key,
        "PRIME_API_BASE_URL": platform_process.base_url,
    }
    process = await asyncio.create_subprocess_exec(
        python,
        ROOT / "tests" / "interop" / "flows.py",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    rows = [json.loads(line) for line in stdout.splitlines()]
    failures = [f"{row['flow']}: {row['error']}" for row in rows if not row["ok"]]
    assert not failures, "\n".join(failures)
    assert process.returncode == 0, stderr.decode()
    assert len(rows) >= 7
