"""Sandboxes made of a folder and this machine's shell: jobs in them are real processes."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import httpx

from sandtui.client import AsyncSandboxClient, Config
from sandtui.clock import SystemClock
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.jobs.board import JobBoard
from tests.client.fakes import token_reply
from tests.fleet.factory import sandbox
from tests.probes import session_of


class Shells:
    """Answers a client: each sandbox's ``/tmp`` is a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.ended: set[str] = set()
        self.refuse = ""
        self.shell = "sh"

    def tmp(self, sandbox_id: str = "sbx_0001") -> Path:
        place = self.folder / sandbox_id
        place.mkdir(exist_ok=True)
        return place

    def run(self, command: str, sandbox_id: str = "sbx_0001") -> subprocess.CompletedProcess[bytes]:
        place = str(self.tmp(sandbox_id))
        done = subprocess.run(
            [self.shell, "-c", command.replace("/tmp/", f"{place}/").replace("cd /tmp ", f"cd {place} ")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
        )
        done.stdout = done.stdout.replace(place.encode(), b"/tmp")
        return done

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        kind = parts[-1]
        self.requests.append(kind)
        sandbox_id = parts[2] if parts[1] == "ns" else parts[4]
        if kind == "auth":
            return httpx.Response(200, json={**token_reply(), "job_id": sandbox_id})
        if sandbox_id in self.ended:
            return httpx.Response(502, json={"error": "sandbox_not_found"})
        if self.refuse:
            return httpx.Response(422, json={"detail": self.refuse})
        if kind == "exec":
            done = await asyncio.to_thread(self.run, json.loads(request.content)["command"], sandbox_id)
            out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
            return httpx.Response(200, json={"stdout": out, "stderr": err, "exit_code": done.returncode})
        if kind in {"read-file", "download"}:
            query = request.url.params
            path = self.tmp(sandbox_id) / query["path"].removeprefix("/tmp/")
            if not path.is_file():
                return httpx.Response(404, json={"detail": "no such file"})
            data = path.read_bytes()
            return httpx.Response(200, content=data) if kind == "download" else window(data, query)
        if request.method == "DELETE":
            self.ended.add(sandbox_id)
            return httpx.Response(200, json={"success": True, "message": "gone"})
        body = {"id": sandbox_id, "name": "x", "status": "RUNNING", "dockerImage": "i"}
        return httpx.Response(200, json=body)


def window(data: bytes, query) -> httpx.Response:
    """Answer a windowed read as the guide says (wire.md 3)."""
    offset, length = int(query["offset"]), int(query["length"])
    start = max(0, len(data) + offset) if offset < 0 else offset
    part = data[start : start + length]
    reply = {
        "content": part.decode("utf-8", "replace"),
        "size": len(part),
        "total_size": len(data),
        "offset": start,
        "truncated": len(part) < len(data),
    }
    return httpx.Response(200, json=reply)


def client_of(shells: Shells) -> AsyncSandboxClient:
    config = Config(api_key="k", base_url="http://platform.test")
    client = AsyncSandboxClient(config=config, transport=httpx.MockTransport(shells), keep_tokens=False)
    session_of(client).retry.attempts = 1
    return client


def board_of(client: AsyncSandboxClient, storage=None, sandboxes: int = 1, clock=None) -> JobBoard:
    clock = clock or SystemClock()
    store = FleetStore(clock)
    store.apply([sandbox(number, timeout_minutes=600) for number in range(1, sandboxes + 1)])
    return JobBoard(client, store, History(store, clock), clock, storage, "test")


def kill_all(place: Path) -> None:
    """End what a test has left running below a folder."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            found = str(place).encode() in (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if found and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                group = os.getpgid(int(entry.name))
                if group != os.getpgrp():
                    os.killpg(group, signal.SIGKILL)
