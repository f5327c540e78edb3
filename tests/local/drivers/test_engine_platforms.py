"""Platforms over named engines, as a user starts them: each engine and runtime has one of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandtui.cli.connect import connect_to
from sandtui.config.contexts import choose
from sandtui.config.settings import read_settings
from sandtui.fleet.inventory.connection import ConnectError
from tests.local.drivers.fake_engine import FakeEngine, SshMachine, over_tcp
from tests.local.drivers.test_engine_connections import SOCKET, write_context

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def engine(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeEngine]:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    async with FakeEngine(state_dir.parent).listening() as engine:
        yield engine


async def sandtui(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandtui", *words]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=90)


async def test_several_engines_hold_a_platform_each(engine: FakeEngine, clean_home: Path) -> None:
    async with SshMachine(engine, (SOCKET,)).listening(clean_home) as machine, over_tcp(engine) as port:
        address = f"ssh://me@127.0.0.1:{machine.port}"
        write_context(clean_home, "build", f"tcp://127.0.0.1:{port}")
        choices = [["--engine", address], ["--engine", "build"], ["--engine", "build", "--engine-runtime", "runsc"]]
        try:
            urls = set()
            for choice in choices:
                started = await sandtui("local", "env", *choice)
                assert started.returncode == 0, started.stderr
                urls.add(started.stdout)
                # The same one again, and no other.
                assert (await sandtui("local", "env", *choice)).stdout == started.stdout
            assert len(urls) == 3
            status = await sandtui("local", "status")
            assert "The local platform is not running." in status.stdout
            for name in (address, "build", "build+runsc"):
                assert f"over the engine {name} is running" in status.stdout
            found = json.loads((await sandtui("local", "status", "--json")).stdout)
            assert {one["engine"] for one in found["engines"]} == {address, "build", "build+runsc"}
            one = json.loads((await sandtui("local", "status", "--json", *choices[2])).stdout)
            assert one["running"] and "run by runsc" in one["isolation"]
        finally:
            stopped = [await sandtui("local", "stop", *choice) for choice in choices]
        assert all("were stopped" in each.stdout for each in stopped), [each.stderr for each in stopped]
        assert json.loads((await sandtui("local", "status", "--json")).stdout) == {"running": False}


async def test_a_context_connects_to_the_platform_of_its_engine(engine: FakeEngine, clean_home: Path) -> None:
    write_context(clean_home, "here", f"unix://{engine.socket}")
    settings = read_settings("[profiles.safe]\nengine = 'here'\nengine_runtime = 'runsc'\n", "config.toml")
    try:
        places = []
        for name in ("docker:here", "safe"):
            connection = await connect_to(choose(settings, name, {}))
            places.append((connection.label, connection.config.base_url))
        assert [place for place, _ in places] == ["docker:here · engine", "safe · engine"]
        assert len({url for _, url in places}) == 2
    finally:
        await sandtui("local", "stop", "--engine", "here")
        await sandtui("local", "stop", "--engine", "here", "--engine-runtime", "runsc")


async def test_what_does_not_work_is_one_sentence(engine: FakeEngine, clean_home: Path) -> None:
    write_context(clean_home, "here", f"unix://{engine.socket}")
    for words, text in {
        ("local", "env", "--engine", "her"): "no container engine 'her' (--engine). Docker contexts: default, here",
        ("serve", "--engine", "unix:///no/such"): "No such file",
        ("local", "env", "--engine", "here", "--engine-runtime", "kata"): "It has: runc, runsc",
        ("serve", "--engine", "here", "--driver", "process"): "--engine needs --driver engine",
        ("serve", "--engine-runtime", "runsc", "--driver", "namespace"): "--engine-runtime needs --driver engine",
        ("serve", "--engine-runtime", "a b"): "expected the name of a runtime",
    }.items():
        failed = await sandtui(*words)
        assert failed.returncode in (1, 2) and failed.stdout == "", words
        assert text in failed.stderr and "Traceback" not in failed.stderr, (words, failed.stderr)
        assert "end of its log" not in failed.stderr
    settings = read_settings("[profiles.gone]\nengine = 'tcp://127.0.0.1:1'\n", "config.toml")
    with pytest.raises(ConnectError, match="the context 'gone'"):
        await connect_to(choose(settings, "gone", {}))
