"""What the tests of the local platform share."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandtui.local.drivers.disk_limits import DiskLimit
from sandtui.local.drivers.namespace import probe
from sandtui.local.platform import LocalPlatform
from sandtui.local.server import Server, base_url, listen

GIVE_UP_SECONDS = 60.0


class Api:
    """A client of one platform."""

    def __init__(self, platform: LocalPlatform, http: httpx.AsyncClient | None = None) -> None:
        self.platform = platform
        transport = httpx.ASGITransport(platform.app)
        self.http = http or httpx.AsyncClient(transport=transport, base_url=platform.base_url)
        self.key = {"authorization": f"Bearer {platform.api_key}"}

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.http.request(method, f"/api/v1{path}", headers=self.key, **options)

    async def create(self, **fields: Any) -> dict[str, Any]:
        reply = await self.call("POST", "/sandbox", json={"name": "box", "docker_image": "python:3.11-slim", **fields})
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def sandbox(self, sandbox_id: str) -> dict[str, Any]:
        return (await self.call("GET", f"/sandbox/{sandbox_id}")).json()

    async def until(self, sandbox_id: str, *statuses: str) -> dict[str, Any]:
        """Return the sandbox once it has one of the states."""
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while (found := await self.sandbox(sandbox_id))["status"] not in statuses:
                await asyncio.sleep(0.005)
        return found

    async def running(self, **fields: Any) -> str:
        sandbox_id = (await self.create(**fields))["id"]
        found = await self.until(sandbox_id, "RUNNING", "ERROR")
        assert found["status"] == "RUNNING", found
        return sandbox_id

    async def started(self, **fields: Any) -> str:
        """Return a sandbox of the simulated driver once its clock has brought it up."""
        sandbox_id: str = (await self.create(**fields))["id"]
        while (await self.sandbox(sandbox_id))["status"] != "RUNNING":
            self.platform.clock.advance(seconds=2)  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        return sandbox_id

    async def token(self, sandbox_id: str) -> str:
        return (await self.call("POST", f"/sandbox/{sandbox_id}/auth")).json()["token"]

    async def gateway(
        self, method: str, sandbox_id: str, call: str, *, token: str | None = None, **options: Any
    ) -> httpx.Response:
        token = token or await self.token(sandbox_id)
        headers = {"authorization": f"Bearer {token}"}
        return await self.http.request(method, f"/sandboxes/{sandbox_id}/{call}", headers=headers, **options)

    async def run(self, sandbox_id: str, command: str, /, **fields: Any) -> httpx.Response:
        return await self.gateway("POST", sandbox_id, "exec", json={"command": command, **fields})

    async def output(self, sandbox_id: str, command: str, **fields: Any) -> str:
        """Run a command that has to succeed and return what it printed."""
        reply = await self.run(sandbox_id, command, **fields)
        assert reply.status_code == 200, reply.text
        assert reply.json()["exit_code"] == 0, reply.text
        return reply.json()["stdout"]

    async def upload(self, sandbox_id: str, path: str, data: bytes, **options: Any) -> httpx.Response:
        files = {"file": ("ignored-name", data, "application/octet-stream")}
        return await self.gateway("POST", sandbox_id, "upload", params={"path": path}, files=files, **options)

    async def download(self, sandbox_id: str, path: str) -> httpx.Response:
        return await self.gateway("GET", sandbox_id, "download", params={"path": path})


Start = Callable[..., Awaitable[Api]]


@asynccontextmanager
async def serving_in_process(platform: LocalPlatform) -> AsyncIterator[Api]:
    """Serve a platform on a loopback port."""
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        platform.base_url = base_url(listener)
        server = Server(platform)
        ready = asyncio.Event()
        server.when_ready = ready.set
        task = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await ready.wait()
        try:
            async with httpx.AsyncClient(base_url=platform.base_url, timeout=30) as http:
                yield Api(platform, http)
        finally:
            server.stop()
            await task


_FOUND: dict[tuple[bool, str], str | None] = {}


async def probe_once(
    state_dir: Path, *, mapped: bool, network: str = "none", disk: DiskLimit | None = None
) -> str | None:
    """Try each mode of this machine once for all tests. What depends on a disk is tried each time."""
    if disk is not None or not on_common_disk(state_dir):
        return await probe(state_dir, mapped=mapped, network=network, disk=disk)
    if (mapped, network) not in _FOUND:
        _FOUND[mapped, network] = await probe(state_dir, mapped=mapped, network=network)
    return _FOUND[mapped, network]


def on_common_disk(directory: Path) -> bool:
    """Whether a directory is on the disk that most tests use, and not on one that a test has made or filled."""
    return directory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev


async def namespaces_work(directory: Path, *, mapped: bool) -> None:
    """Skip the test, saying why, where this machine allows no namespaces."""
    if mapped and os.geteuid() != 0:
        pytest.skip("only root can give sandboxes users of their own")
    reason = await probe_once(directory, mapped=mapped)
    if reason is not None:
        pytest.skip(f"no namespaces here: {reason}")


async def cleared(state_dir: Path, *kept: str) -> None:
    """Wait until nothing of any other sandbox is left."""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while {path.name for path in (state_dir / "sandboxes").iterdir()} != set(kept):
            await asyncio.sleep(0.01)


def processes_of(state_dir: Path) -> list[int]:
    """Return every agent whose log lies in a state directory, and every process that carries its mark."""
    found = []
    if sys.platform != "linux":
        return found
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if any(str(fd.readlink()).startswith(f"{state_dir}/") for fd in (entry / "fd").iterdir()):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
