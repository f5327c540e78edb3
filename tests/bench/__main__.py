"""Runs every measurement against one real platform and prints the table."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from tests.conftest import PlatformProcess, start_platform
from tests.probes import session_of

ROUNDS = 40
WARM_UP = 5
REQUEST = CreateSandboxRequest(name="bench", docker_image="python:3.11-slim")


class Samples:
    """Milliseconds of one measurement."""

    def __init__(self, values: list[float]) -> None:
        self.values = sorted(values)

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        late = self.values[min(len(self.values) - 1, int(len(self.values) * 0.95))]
        return f"{self.median:8.2f} {late:8.2f} {self.values[-1]:8.2f}"


async def measure(work: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> Samples:
    """Time some rounds of a piece of work, after a few that do not count."""
    values = []
    for turn in range(WARM_UP + rounds):
        start = time.perf_counter()
        await work()
        if turn >= WARM_UP:
            values.append((time.perf_counter() - start) * 1000)
    return Samples(values)


async def interleaved(
    ours: Callable[[], Awaitable[object]], peer: Callable[[], Awaitable[object]]
) -> tuple[Samples, Samples, float]:
    """Measure both in halves that alternate; the last number is how far the peer drifted between them."""
    first_peer, first_ours = await measure(peer), await measure(ours)
    second_ours, second_peer = await measure(ours), await measure(peer)
    drift = abs(first_peer.median - second_peer.median) / min(first_peer.median, second_peer.median)
    return Samples(first_ours.values + second_ours.values), Samples(first_peer.values + second_peer.values), drift


async def subprocess_true() -> None:
    """Run the same shell command without any sandbox."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "echo 1", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    assert stdout == b"1\n"


async def run(platform: PlatformProcess) -> None:
    """Measure and print."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    print(f"driver: {platform.driver}; milliseconds: median, 95th percentile, maximum")
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client, httpx.AsyncClient() as bare:
        sandbox = await client.create(REQUEST)
        await client.wait_for_creation(sandbox.id)
        token = await session_of(client).token(sandbox.id)

        async def execute() -> None:
            result = await client.execute_command(sandbox.id, "echo 1")
            assert result.stdout == "1\n"

        async def post() -> None:
            body = {"command": "echo 1", "working_dir": None, "env": {}, "sandbox_id": sandbox.id, "timeout": 300}
            reply = await bare.post(f"{token.base}/exec", json=body, headers={"Authorization": f"Bearer {token.token}"})
            assert reply.json()["stdout"] == "1\n"

        async def create() -> None:
            made = await client.create(REQUEST)
            while (await client.get(made.id)).status != "RUNNING":
                await asyncio.sleep(0.001)
            created.append(made.id)

        created: list[str] = []
        for name, ours, peer, peer_name in (
            ("client exec", execute, post, "bare httpx POST"),
            ("platform exec", post, subprocess_true, "bare subprocess"),
        ):
            samples, peer_samples, drift = await interleaved(ours, peer)
            void = "  VOID: the peer drifted" if drift > 0.2 else ""
            print(f"{name:<22} {samples}")
            print(f"{peer_name:<22} {peer_samples}   ratio {samples.median / peer_samples.median:.2f}{void}")
        print(f"{'create to RUNNING':<22} {await measure(create, 20)}")
        await client.bulk_delete(sandbox_ids=[*created, sandbox.id])


def main() -> None:
    """Start a platform, measure, stop it."""
    with tempfile.TemporaryDirectory(prefix="sandtui-bench-") as folder:
        process, platform = start_platform(Path(folder, "state"))
        try:
            asyncio.run(run(platform))
        finally:
            process.terminate()
            process.wait(timeout=30)


if __name__ == "__main__":
    main()
