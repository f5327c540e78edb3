"""Whoever has the port of a platform that is gone must not get its key, however it answers."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from sandtui.local import service
from sandtui.local.platform import LocalPlatform, take_lock
from sandtui.local.service import Endpoint, endpoint_path
from sandtui.local.settings import PlatformSettings
from tests.local.test_serve import execute, running, serving

KEY = "local_" + "5e" * 24


@contextmanager
def stranger(answer: dict[str, object] | str, relayed: str = "") -> Iterator[tuple[str, list[str]]]:
    """Listen where a platform was; yield the address and all that was sent there."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {dict(self.headers)}")
            if answer == "redirect":
                self.send_response(302)
                self.send_header("location", f"{relayed}{self.path}")
                self.end_headers()
                return
            body = httpx.get(f"{relayed}{self.path}").text if relayed else json.dumps(answer)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "answer",
    [{"service": "sandtui", "pid": 4242, "driver": "namespace"}, {"pid": 4242, "proof": ""}, {"proof": KEY},
     {"proof": None}, {"proof": "\ud800"}, {"proof": "ä"}, [], "text", {"pid": 4242, "proof": "00" * 32}],
)  # fmt: skip
def test_a_stranger_on_the_port_is_not_taken_for_the_platform(state_dir: Path, answer: dict[str, object]) -> None:
    settings = PlatformSettings(state_dir=state_dir)
    state_dir.mkdir(mode=0o700)
    with stranger(answer) as (url, heard):
        Endpoint(url, KEY, 4242, "namespace").save(endpoint_path(settings))
        # At worst the lock is held: a platform that is just starting.
        lock = take_lock(state_dir / "platform.lock")
        try:
            assert service.find(settings) is None
        finally:
            os.close(lock)
    assert heard
    assert KEY not in "".join(heard)


@pytest.mark.parametrize("kind", ["relay", "redirect"])
def test_the_answer_of_the_platform_cannot_be_passed_on(state_dir: Path, kind: str) -> None:
    with serving(state_dir, "--driver", "simulated") as (_, _, info):
        settings = PlatformSettings(state_dir=state_dir)
        found = service.find(settings)
        assert found is not None
        assert found.api_key == info["api_key"]
        answer: dict[str, object] | str = "redirect" if kind == "redirect" else {}
        with stranger(answer, info["base_url"]) as (url, heard):
            Endpoint(url, info["api_key"], info["pid"], "simulated").save(endpoint_path(settings))
            assert service.find(settings) is None
        assert info["api_key"] not in "".join(heard)
        found.save(endpoint_path(settings))


def test_a_killed_platform_has_another_key_when_it_comes_back_with_its_sandboxes(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "process") as (process, client, info):
        box = running(client, start_command="echo one > marker; exec sleep 300")
        process.kill()
        process.wait()
    assert service.find(PlatformSettings(state_dir=state_dir)) is None
    with serving(state_dir, "--driver", "process") as (_, client, again):
        assert again["api_key"] != info["api_key"]
        assert execute(client, box, "cat marker")["stdout"] == "one\n"
        assert not (state_dir / "api_key").exists()
        token = client.post(f"/sandbox/{box}/auth").json()
        url = f"{token['gateway_url']}/{token['user_ns']}/{token['job_id']}/exec"
        for stale in (info["api_key"], "x"):
            headers = {"authorization": f"Bearer {stale}"}
            assert httpx.post(url, json={"command": "id"}, headers=headers).status_code == 401
            assert client.get("/sandbox", headers=headers).status_code == 401


async def test_the_proof_is_given_for_sound_challenges_only(tmp_path: Path) -> None:
    async with LocalPlatform(PlatformSettings(state_dir=tmp_path / "state", driver="simulated")) as platform:
        transport = httpx.ASGITransport(platform.app)
        async with httpx.AsyncClient(transport=transport, base_url=platform.base_url) as http:
            for challenge in ("", "a", "A" * 32, "a" * 31, "a" * 129, "g" * 32, "a" * 32 + "\n"):
                assert "proof" not in (await http.get("/healthz", params={"challenge": challenge})).json()
            first, second = [(await http.get("/healthz", params={"challenge": c * 32})).json() for c in "ab"]
            assert first["proof"] != second["proof"]
            assert platform.api_key not in str(first)
