"""A key typed into a shell over SSH until its echo is back: ours, and the OpenSSH client to the same server."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import shutil
import statistics
import tempfile
import time
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from sandtui.fleet.shells import LiveShell, ShellState
from tests.bench.report import drifted, report
from tests.conftest import PlatformProcess

ROUNDS, WARM_UP = 150, 20
LONGEST_SECONDS = 10

Echo = Callable[[], Awaitable[None]]


async def echo_over_ssh(platform: PlatformProcess) -> None:
    """Measure both in halves that alternate, and report."""
    config = Config(api_key=platform.api_key, base_url=platform.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        sandbox = await client.create(CreateSandboxRequest(name="echo", docker_image="python:3.11-slim"))
        await client.wait_for_creation(sandbox.id)
        first = await ours(client, sandbox.id)
        if shutil.which("ssh") is None:
            report("echo over SSH", statistics.median(first), "ms", note="OpenSSH is not installed, so no peer")
        else:
            peer = await openssh(client, sandbox.id)
            first += await ours(client, sandbox.id)
            second_peer = await openssh(client, sandbox.id)
            void = drifted(statistics.median(peer), statistics.median(second_peer))
            peer += second_peer
            ratio = statistics.median(first) / statistics.median(peer)
            note = f"{spread(first)} and {spread(peer)} ms"
            report("echo over SSH, of OpenSSH", ratio, "x", at_most=1, void=void, note=note)
        await client.delete(sandbox.id)


def spread(values: list[float]) -> str:
    """Return median, 95th percentile and maximum."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} {ordered[int(len(ordered) * 0.95)]:.2f} {ordered[-1]:.2f}"


async def ours(client: AsyncSandboxClient, sandbox_id: str) -> list[float]:
    """Type into our shell: its key is answered when the emulation has the echo."""
    shell = LiveShell(client, sandbox_id, "echo", vm=False)
    came = asyncio.Event()
    shell.on_output.subscribe(came.set)
    task = asyncio.ensure_future(shell.run())
    while shell.state is not ShellState.RUNNING:
        assert not task.done(), shell.problem
        await asyncio.sleep(0.01)
    shell.send(b"exec cat\r")
    await asyncio.sleep(0.7)

    async def echo() -> None:
        grid = shell.terminal.grid
        place = grid.x, grid.y
        shell.send(b"x")
        async with asyncio.timeout(LONGEST_SECONDS):
            while (grid.x, grid.y) == place or grid.rows[grid.y].chars[grid.x - 1] != "x":
                came.clear()
                await came.wait()

    times = await rounds(echo)
    await shell.close()
    return times


async def openssh(client: AsyncSandboxClient, sandbox_id: str) -> list[float]:
    """Type into OpenSSH's client in a pseudo-terminal."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    session = await client.create_ssh_session(sandbox_id, public_key=key.export_public_key().decode().strip())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        path.touch(0o600)
        path.write_bytes(key.export_private_key())
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        command = ["ssh", "-tt", "-F", "none", "-i", str(path), "-p", str(session.port)]
        command += [part for option in options for part in ("-o", option)]
        master, slave = pty.openpty()
        tty.setraw(slave)
        process = await asyncio.create_subprocess_exec(
            *command, f"{session.session_id}@{session.host}", stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        await asyncio.sleep(1.0)
        os.write(master, b"exec cat\r")
        await asyncio.sleep(0.7)
        assert select.select([master], [], [], LONGEST_SECONDS)[0], "OpenSSH did not get in"
        os.read(master, 65536)

        async def echo() -> None:
            os.write(master, b"x")
            while b"x" not in os.read(master, 1024):
                assert select.select([master], [], [], LONGEST_SECONDS)[0], "no echo came"

        try:
            return await rounds(echo)
        finally:
            process.kill()
            await process.wait()
            os.close(master)
            await client.close_ssh_session(sandbox_id, session.session_id)


async def rounds(echo: Echo) -> list[float]:
    """Time some echoes, with pauses as between keys."""
    times = []
    for turn in range(WARM_UP + ROUNDS):
        await asyncio.sleep(0.005)
        start = time.perf_counter()
        await echo()
        if turn >= WARM_UP:
            times.append((time.perf_counter() - start) * 1000)
    return times
