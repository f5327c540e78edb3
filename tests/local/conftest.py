"""Platforms for tests: in the same process, without sockets between client and server."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sandtui.clock import ManualClock
from sandtui.local.drivers.agent_instance import AgentInstance
from sandtui.local.platform import LocalPlatform
from sandtui.local.settings import PlatformSettings
from tests.local.ordinary import ordinary_sandbox, run
from tests.local.support import Api, Start, namespaces_work, probe_once, serving_in_process

Inside = Callable[[str], Awaitable[str]]


@pytest.fixture
def state_dir() -> Iterator[Path]:
    # Sockets live here: pytest's own directories are so deep that only long paths would ever be tested.
    path = Path(tempfile.mkdtemp(prefix="stl-"))
    yield path / "state"
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def start(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    monkeypatch.setattr("sandtui.local.drivers.selection.probe", probe_once)
    async with AsyncExitStack() as stack:

        async def begin(driver: str = "simulated", *, clock: Any = None, state: Path = state_dir, **more: Any) -> Api:
            settings = PlatformSettings(state_dir=state, driver=driver, **more)
            api = Api(await stack.enter_async_context(LocalPlatform(settings, clock=clock)))
            stack.push_async_callback(api.http.aclose)
            return api

        yield begin


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def simulated(start: Start, clock: ManualClock) -> Api:
    return await start("simulated", clock=clock)


@pytest.fixture(params=["namespace", "process"])
async def real(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Api:
    """A platform with real processes, once for each driver."""
    if request.param == "namespace":
        await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    return await start(request.param)


@pytest.fixture
async def isolated(start: Start, tmp_path: Path) -> Api:
    """A platform that isolates."""
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    return await start("namespace")


@pytest.fixture
async def served(isolated: Api) -> AsyncIterator[Api]:
    """The same behind a real socket, for what a stream needs: parts that arrive one by one, clients that go."""
    async with serving_in_process(isolated.platform) as api:
        yield api


@pytest.fixture(params=["none", "tun", "veth"])
async def ordinary(request: pytest.FixtureRequest) -> AsyncIterator[AgentInstance]:
    """A sandbox that an ordinary user started, when these tests run as root; with and without a carried network."""
    async with ordinary_sandbox(request.param) as instance:
        yield instance


@pytest.fixture(params=["this user", "ordinary"])
async def inside(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> AsyncIterator[Inside]:
    """Run a Python program in a sandbox of this user, and, as root, in one that an ordinary user started."""
    async with AsyncExitStack() as stack:
        if request.param == "ordinary":
            instance = await stack.enter_async_context(ordinary_sandbox("none"))

            async def output(code: str) -> str:
                text, status = await run(instance, f"cat > /tmp/code.py <<'END'\n{code}\nEND\npython /tmp/code.py")
                assert status == 0, text
                return text
        else:
            await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
            api = await start("namespace")
            box = await api.running()

            async def output(code: str) -> str:
                await api.upload(box, "/tmp/code.py", code.encode())
                return await api.output(box, "python /tmp/code.py")

        yield output
