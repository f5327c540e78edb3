"""What every test starts from: an empty home, a fixed environment, and a real platform on demand."""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests import environment

environment.reset()

# pytest parses these anew when they are imported, as they bring plugins of its own. It must not happen in two threads
# at once: in Python 3.11.7 that fails now and then ("AST constructor recursion depth mismatch").
import anyio._backends._asyncio  # noqa: E402
import anyio.from_thread  # noqa: E402, F401
import hypothesis  # noqa: E402
import platformdirs.unix  # noqa: E402, F401
import pytest  # noqa: E402

from tests.skips import pytest_addoption, pytest_sessionfinish, pytest_terminal_summary  # noqa: E402, F401

# How long an example takes says something about the machine only; each test has its time limit.
hypothesis.settings.register_profile("sandtui", deadline=None)
hypothesis.settings.load_profile("sandtui")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while tests are collected, and never look at them again: a million objects that all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return names for the homes of all tests. To find the next by what is there takes longer with each."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def clean_home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home of its own, so that nothing of the user's is read or written."""
    home = next(homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # A debugger or a shell that a test imported may have set it since.
    environment.forget_size()
    return home


@dataclass(frozen=True)
class PlatformProcess:
    """A real ``sandtui serve`` that is running."""

    base_url: str
    api_key: str
    pid: int
    driver: str
    state_dir: Path


def start_platform(state_dir: Path, *options: str) -> tuple[subprocess.Popen[str], PlatformProcess]:
    """Start ``sandtui serve`` and wait until it says that it accepts requests."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandtui", "serve", "--state-dir", str(state_dir), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(state_dir.parent)},
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    return process, PlatformProcess(ready["base_url"], ready["api_key"], ready["pid"], ready["driver"], state_dir)


@pytest.fixture(scope="session")
def platform_process() -> Iterator[PlatformProcess]:
    """Run a real platform with the best driver of this machine, one for each test process."""
    with tempfile.TemporaryDirectory(prefix="sandtui-test-") as folder:
        process, platform = start_platform(Path(folder, "state"))
        try:
            yield platform
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0


@pytest.fixture
def unused_tcp_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
