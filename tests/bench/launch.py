"""A launch through the dashboard's own code beside the SDK's gather and bulk wait, on the simulated driver.

The SDK's bulk wait never ends for more than one page of its listing (see ``client.py``), so it is compared with 90; 500
are ours alone. While ours runs in the real dashboard, a heartbeat tells how late a frame could have been.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from sandtui.client import AsyncSandboxClient, Config
from sandtui.config.paths import Paths
from sandtui.fleet.creation.form import DEFAULTS
from sandtui.fleet.creation.launch import Step
from sandtui.fleet.creation.launch_plan import new_launch_id, plan_launch
from sandtui.fleet.inventory.connection import Connection
from sandtui.ui.app import SandtuiApp
from sandtui.ui.startup import StartupOptions
from tests.bench.client import PEERS_FLEET, SDK, run
from tests.bench.report import report
from tests.conftest import PlatformProcess, start_platform
from tests.probes import session_of

FLEET = 500
BEAT = 0.005
LATEST_FRAME_MS = 50


async def launch(platform: PlatformProcess, folder: Path, count: int) -> tuple[float, float, int]:
    """Return the seconds of a launch, the latest heartbeat in ms, and the requests."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    requests = 0

    def client(connection: Connection) -> AsyncSandboxClient:
        made = AsyncSandboxClient(config=connection.config, keep_tokens=False)
        send = session_of(made).port.send

        async def counted(*arguments: object, **more: object) -> object:
            nonlocal requests
            requests += 1
            return await send(*arguments, **more)  # type: ignore[arg-type]

        session_of(made).port.send = counted  # type: ignore[method-assign,assignment]
        return made

    async def connect() -> Connection:
        return Connection(config, "bench")

    app = SandtuiApp(
        StartupOptions(connect), make_client=client, paths=Paths(folder / "config", folder / f"state-{count}")
    )
    late = 0.0

    async def heartbeat() -> None:
        nonlocal late
        while True:
            start = time.perf_counter()
            await asyncio.sleep(BEAT)
            late = max(late, time.perf_counter() - start - BEAT)

    async with app.run_test(size=(120, 36)) as pilot:
        while app.services.platform.session is None:
            await pilot.pause(0.01)
        await pilot.pause(0.5)
        plan = plan_launch({**DEFAULTS, "count": str(count), "name": "bench-{i}"}, new_launch_id())
        requests = 0
        beat = asyncio.ensure_future(heartbeat())
        start = time.perf_counter()
        app.services.launches.begin(plan)
        running = app.services.launches.all[-1]
        while running.running:
            await asyncio.sleep(BEAT)
        seconds = time.perf_counter() - start
        beat.cancel()
        assert running.counts[Step.READY] == count, running.counts
        await running.delete_made()
    return seconds, late * 1000, requests


def main() -> None:
    """Start a platform, measure, stop it."""
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as name:
        folder = Path(name)
        process, platform = start_platform(folder / "state", "--driver", "simulated")
        try:
            for count in (PEERS_FLEET, FLEET):
                seconds, late, requests = asyncio.run(launch(platform, folder, count))
                report(f"launch of {count}", seconds, "s", note=f"{requests} requests")
                report(f"launch of {count}, latest frame", late, "ms", at_most=LATEST_FRAME_MS)
                if count == PEERS_FLEET and SDK.exists():
                    peer = run(SDK, "prime_sandboxes", platform, folder, "fleet", str(count))
                    told = f"{seconds:.2f} and {peer['seconds']:.2f} s"
                    report(f"launch of {count}, time of the SDK", seconds / peer["seconds"], "x", at_most=1, note=told)
                    told = f"{requests} and {peer['requests']:.0f}"
                    report(
                        f"launch of {count}, requests of the SDK",
                        requests / peer["requests"],
                        "x",
                        at_most=1,
                        note=told,
                    )
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
