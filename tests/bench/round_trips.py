"""A command in a sandbox and a create, beside the same without our part.

``python -m tests.bench.round_trips``
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from tests.bench.report import drifted, report
from tests.conftest import PlatformProcess, start_platform
from tests.probes import session_of

ROUNDS = 40
WARM_UP = 5
MOST_OF_POST = 1.3
REQUEST = CreateSandboxRequest(name="bench", docker_image="python:3.11-slim")


class Samples:
    """Milliseconds of one measurement."""

    def __init__(self, values: list[float]) -> None:
        self.values = sorted(values)

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)


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
) -> tuple[Samples, Samples, str]:
    """Measure both in halves that alternate; the last is why that is void, or empty."""
    first_peer, first_ours = await measure(peer), await measure(ours)
    second_ours, second_peer = await measure(ours), await measure(peer)
    void = drifted(first_peer.median, second_peer.median)
    return Samples(first_ours.values + second_ours.values), Samples(first_peer.values + second_peer.values), void


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
    print(f"driver: {platform.driver}")
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client, httpx.AsyncClient() as bare:
        sandbox = await client.create(REQUEST)
        await client.wait_for_creation(sandbox.id)
        token = await session_of(client).gateway_access(sandbox.id).token()

        async def execute() -> None:
            result = await client.execute_command(sandbox.id, "echo 1")
            assert result.stdout == "1\n"

        async def post() -> None:
            body: dict[str, object] = {
                "command": "echo 1",
                "working_dir": None,
                "env": {},
                "sandbox_id": sandbox.id,
                "timeout": 300,
            }
            reply = await bare.post(f"{token.base}/exec", json=body, headers={"Authorization": f"Bearer {token.token}"})
            assert reply.json()["stdout"] == "1\n"

        async def create() -> None:
            made = await client.create(REQUEST)
            while (await client.get(made.id)).status != "RUNNING":
                await asyncio.sleep(0.001)
            created.append(made.id)

        created: list[str] = []
        for name, ours, peer, peer_name, bar in (
            ("client exec", execute, post, "bare httpx POST", MOST_OF_POST),
            ("platform exec", post, subprocess_true, "bare subprocess", None),
        ):
            samples, peer_samples, void = await interleaved(ours, peer)
            note = f"{samples.median:.2f} ms; {peer_name} {peer_samples.median:.2f} ms"
            report(
                f"{name}, of a {peer_name}",
                samples.median / peer_samples.median,
                "x",
                at_most=bar,
                void=void,
                note=note,
            )
        created_in = await measure(create, 20)
        report(
            "create to RUNNING by the client, median",
            created_in.median,
            "ms",
            note=f"at most {created_in.values[-1]:.1f} ms",
        )
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
