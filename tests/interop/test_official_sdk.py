"""The official SDK, unmodified and in its own environment, against the real local platform."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GUIDE_VERSIONS = ("0.2.14", "0.2.32")
"""The guide's code runs as written on these."""
CONFORMANCE_VERSIONS = ("0.2.14", "0.2.32", "0.5.1")
"""The two oldest and the newest; `make interop` tries all."""


async def run_program(version: str, program: str, platform: Any, home: Path) -> tuple[list[dict[str, Any]], str, int]:
    """Run a program with the interpreter of a version's environment and return its rows."""
    python = ROOT / ".interop" / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"the official SDK {version} is not installed: run `make .interop/{version}/.done`")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "PRIME_API_KEY": platform.api_key,
        "PRIME_API_BASE_URL": platform.base_url,
    }
    process = await asyncio.create_subprocess_exec(
        python, ROOT / "tests" / "interop" / program, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await asyncio.wait_for(process.communicate(), 240)
    return [json.loads(line) for line in stdout.splitlines()], stderr.decode(), process.returncode or 0


@pytest.mark.parametrize("version", GUIDE_VERSIONS)
async def test_the_guides_flows_pass(version: str, platform_process: Any, tmp_path: Path) -> None:
    rows, errors, code = await run_program(version, "flows.py", platform_process, tmp_path)
    failures = [f"{row['flow']}: {row['error']}" for row in rows if not row["ok"]]
    assert not failures, "\n".join(failures)
    assert code == 0, errors
    assert len(rows) >= 7


@pytest.mark.parametrize("version", CONFORMANCE_VERSIONS)
async def test_every_method_works_or_says_why_not(version: str, platform_process: Any, tmp_path: Path) -> None:
    rows, errors, code = await run_program(version, "conformance.py", platform_process, tmp_path)
    failures = [f"{row['method']}: {row['reason']}" for row in rows if row["outcome"] == "no"]
    assert not failures, "\n".join(failures)
    assert code == 0, errors
    outcomes = {row["method"]: row["outcome"] for row in rows}
    offered = sum(outcome == "yes" for outcome in outcomes.values())
    assert offered >= {"0.2.14": 20, "0.2.32": 22, "0.5.1": 36}[version], outcomes
