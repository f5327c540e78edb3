"""Sandboxes that an ordinary user started, for tests that run as root."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandtui.local.drivers.agent_instance import SOCKET_NAME, AgentInstance
from sandtui.local.drivers.agent_processes import PATH
from sandtui.local.drivers.base import Command
from sandtui.local.drivers.channel import Channel
from sandtui.local.drivers.launcher import AGENT, INTERPRETER, Launcher, LaunchFailed
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.drivers.namespace import isolation_spec

NOBODY = 65534
ENV = {"PATH": PATH, "HOME": "/root"}


@asynccontextmanager
async def ordinary_sandbox(
    network: str, *, nested: bool = False, watched: tuple[int, int] | None = None
) -> AsyncIterator[AgentInstance]:
    """A sandbox that an ordinary user started, when these tests run as root."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can become an ordinary user; the other tests are one already")
    python = next((path for path in (str(INTERPRETER), "/usr/bin/python3") if _runs_for_nobody(path)), None)
    if python is None:
        pytest.skip("no Python here that an ordinary user can run")
    top = Path(tempfile.mkdtemp(prefix="stl-"))
    top.chmod(0o755)
    # The package itself may lie where that user can't read it.
    package = top / "code" / "sandtui" / "local"
    shutil.copytree(AGENT.parent, package / "agent")
    box = top / "box"
    (box / "root").mkdir(parents=True)
    for path in (box, box / "root"):
        os.chown(path, NOBODY, NOBODY)
    isolation = isolation_spec("ordinary", network, None, nested=nested, watched=watched)
    isolation |= {"python": machine_python(Path(python))}
    spec = {"directory": str(box), "root": str(box / "root"), "log": str(box / "log"), "isolation": isolation}
    command = [python, "-I", "-S", str(package / "agent" / "__main__.py")]
    try:
        async with Launcher(command, user=NOBODY) as launcher:
            try:
                pid = await launcher.launch(spec)
            except LaunchFailed as error:
                pytest.skip(f"an ordinary user may not use namespaces here: {error}")
        instance = AgentInstance(box, ENV, "/workspace", await Channel.connect(box, SOCKET_NAME))
        yield instance
        instance.close()
        os.kill(pid, signal.SIGKILL)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _runs_for_nobody(python: str) -> bool:
    try:
        done = subprocess.run([python, "-ISc", ""], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


async def run(instance: AgentInstance, text: str) -> tuple[str, int]:
    command = await instance.run(Command(["/bin/sh", "-c", text]))
    output = b"".join([chunk async for chunk in command.output("stdout")])
    code = await command.wait()
    command.close()
    return output.decode(), code
