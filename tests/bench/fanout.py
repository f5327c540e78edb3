"""``true`` over 200 sandboxes: our fan-out beside the official SDK's ``asyncio.gather``: ``make bench`` (issue "The
live console"; bar: not slower).

On the simulated driver, where only requests cost anything, and on the best real one of this machine. Both sides
alternate, each in a process and a home of its own; the SDK is version 0.2.32 in its own environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from tests.bench.client import ROOT, SDK
from tests.bench.report import drifted, report
from tests.conftest import PlatformProcess, start_platform

PEER = ROOT / "tests" / "bench" / "fanout_peer.py"
COUNT = 200
TURNS = 4


def run(side: str, platform: PlatformProcess, ids: Path, folder: Path, turn: int) -> dict[str, float]:
    """Measure one side once."""
    home = folder / f"home-{platform.driver}-{side}-{turn}"
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PRIME_API_KEY": platform.api_key,
        "PRIME_API_BASE_URL": platform.base_url,
    }
    interpreter = sys.executable if side == "fan_out" else str(SDK)
    result = subprocess.run(
        [interpreter, str(PEER), side, str(ids)],
        env={**environment, "PYTHONPATH": str(ROOT)} if side == "fan_out" else environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if result.returncode != 0:
        raise RuntimeError(f"{side} failed:\n{result.stderr[-2000:]}")
    reply: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return reply


async def containers(platform: PlatformProcess) -> list[str]:
    """Return the ids of running containers: those of the simulated fleet, or new ones."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        if platform.driver == "simulated":
            found: list[str] = []
            for page in range(1, 20):
                reply = await client.list(status="RUNNING", page=page, per_page=100)
                found += [sandbox.id for sandbox in reply.sandboxes if not sandbox.vm]
                if not reply.has_next:
                    break
            return found[:COUNT]
        request = CreateSandboxRequest(name="fan-out", docker_image="python:3.11-slim", timeout_minutes=60)
        made = [(await client.create(request)).id for _ in range(COUNT)]
        await client.bulk_wait_for_creation(made)
        return made


def measure(platform: PlatformProcess, folder: Path) -> None:
    """Print the lines of one driver."""
    ids = folder / f"ids-{platform.driver}"
    chosen = asyncio.run(containers(platform))
    assert len(chosen) == COUNT
    ids.write_text("\n".join(chosen))
    sides = ["fan_out", "gather"] if SDK.exists() else ["fan_out"]
    results: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for turn in range(TURNS):
        for side in sides if turn % 2 == 0 else reversed(sides):
            results[side].append(run(side, platform, ids, folder, turn))
    for key, words in (("first", "first time, with tokens"), ("again", "again"), ("worst", "again, the slowest")):
        values = {side: [reply[key] * 1000 for reply in replies] for side, replies in results.items()}
        ours = statistics.median(values["fan_out"])
        name = f"{platform.driver}: {COUNT} x true, {words}"
        if "gather" in values:
            peer = values["gather"]
            half = len(peer) // 2
            before, after = statistics.median(peer[:half]), statistics.median(peer[half:])
            void = drifted(before, after) if key == "again" else ""
            note = f"{ours:.0f} ms, the SDK's gather {statistics.median(peer):.0f} ms"
            report(f"{name}, of the SDK", ours / statistics.median(peer), "x", at_most=1, void=void, note=note)
        else:
            report(name, ours, "ms")


def main() -> None:
    """Measure on both drivers."""
    if not SDK.exists():
        print("the official SDK is not installed: run `make .interop/0.2.32/.done`")
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        folder = Path(name)
        for driver in (["--driver", "simulated", "--fleet", "500"], []):
            process, platform = start_platform(folder / f"state{len(driver)}", *driver)
            try:
                measure(platform, folder)
            finally:
                process.terminate()
                process.wait(timeout=60)


if __name__ == "__main__":
    main()
