"""Measures what the isolation of a local sandbox costs when one is created: each part left out in turn.

``python -m tests.bench.isolation``

The agent is copied, and in the copy the step in question does nothing; that is for this measurement alone. All ways
take turns, so that what else the machine does hits them alike.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from unittest import mock

import httpx

from sandtui.local.drivers import launcher, namespace, selection
from sandtui.local.platform import LocalPlatform
from sandtui.local.settings import PlatformSettings
from tests.bench.local import BODY
from tests.bench.report import report

ROUNDS = 40
WARM_UP = 5
# No seccomp filter, no capabilities dropped, no keyring or quotas of its own, nothing of /proc masked.
OPEN = """

def _nothing(*_):
    pass


lock_down = _mask_proc = _nothing
"""


def open_agent(folder: Path) -> Path:
    """Return an agent without the lock-down."""
    package = folder / "sandtui" / "local" / "agent"
    shutil.copytree(launcher.AGENT.parent, package)
    with (package / "isolate.py").open("a") as file:
        file.write(OPEN)
    return package / "__main__.py"


async def create(platform: LocalPlatform) -> float:
    """Return the milliseconds until a sandbox runs; it is deleted afterwards."""
    key = {"authorization": f"Bearer {platform.api_key}"}
    transport = httpx.ASGITransport(platform.app)
    async with httpx.AsyncClient(transport=transport, base_url=f"{platform.base_url}/api/v1", headers=key) as http:
        start = time.perf_counter()
        box = (await http.post("/sandbox", json=BODY)).json()["id"]
        while (found := (await http.get(f"/sandbox/{box}")).json())["status"] != "RUNNING":
            assert found["status"] != "ERROR", found
            await asyncio.sleep(0.001)
        took = time.perf_counter() - start
        await http.delete(f"/sandbox/{box}")
    return took * 1000


async def measure(folder: Path) -> None:
    """Measure all ways in turn and print their medians."""
    usual, stripped = launcher.AGENT, open_agent(folder)

    async def no_limit(state_dir: Path, *, mapped: bool) -> tuple[None, str]:
        return None, "left out to measure it"

    async with AsyncExitStack() as stack:

        async def platform(name: str, agent: Path, finds: Callable[..., object]) -> LocalPlatform:
            with mock.patch.object(selection, "find_disk_limit", finds), mock.patch.object(launcher, "AGENT", agent):
                return await stack.enter_async_context(
                    LocalPlatform(PlatformSettings(folder / name, driver="namespace"))
                )

        limit = namespace.find_disk_limit
        ways = {
            "create to RUNNING": await platform("whole", usual, limit),
            "without the lock-down": await platform("open", stripped, limit),
            "without a limit of the disk": await platform("unlimited", usual, no_limit),
            "without both": await platform("neither", stripped, no_limit),
        }
        samples: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(WARM_UP + ROUNDS):
            for name, way in ways.items():
                took = await create(way)
                if turn >= WARM_UP:
                    samples[name].append(took)
    base = statistics.median(samples["create to RUNNING"])
    for name, values in samples.items():
        median = statistics.median(values)
        note = f"{median:.1f} ms ({min(values):.1f} to {max(values):.1f})"
        report(f"{name}, of the whole", median / base, "x", note=note)


def main() -> None:
    """Measure in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        asyncio.run(measure(Path(name)))


if __name__ == "__main__":
    main()
