"""Runs ``sandtui`` with some words, for tests that want its output: each in a process of its own that has imported all.

Most of what a short command takes is to import what it needs. Here a helper process imports that once and forks for
each command, which then begins as a new process would: with its own words, environment, directory and streams. Tests
of how a process begins, of signals and of terminals start a real one.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODULES = (
    "sandtui.cli.cp", "sandtui.cli.create", "sandtui.cli.run", "sandtui.cli.sync", "sandtui.client.async_port",
    "sandtui.client.http_library", "sandtui.config.contexts", "sandtui.config.settings",
    "sandtui.fleet.inventory.session", "sandtui.fleet.transfers.queue", "sandtui.local.commands",
)  # fmt: skip
GIVE_UP_SECONDS = 120.0


class Commands:
    """The helper process of this test process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.commands", str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd=ROOT,
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            )  # fmt: skip
        self._socket, self._lock = ours, threading.Lock()

    def close(self) -> None:
        """End the helper."""
        self._socket.close()
        self._process.wait()

    def run(self, words: list[str], env: dict[str, str], cwd: str, data: bytes | None) -> tuple[int, bytes, bytes]:
        """Run a command to its end, with nothing or some data to read; return its exit code and what it wrote."""
        out, err, told = (os.pipe() for _ in range(3))
        given = (os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)) if data is None else os.pipe()
        theirs = [given[0], out[1], err[1], told[1]]
        request = json.dumps([words, env, cwd]).encode("ascii")
        with self._lock:
            self._socket.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", theirs))])
        for fd in theirs:
            os.close(fd)
        wrote: dict[int, bytes] = {}

        def read(fd: int) -> None:
            with os.fdopen(fd, "rb") as stream:
                wrote[fd] = stream.read()

        readers = [threading.Thread(target=read, args=(pipe[0],)) for pipe in (out, err)]
        for reader in readers:
            reader.start()
        with os.fdopen(told[0], "rb") as report:
            pid = int(report.readline())
            late = threading.Timer(GIVE_UP_SECONDS, os.kill, (pid, signal.SIGKILL))
            late.start()
            with contextlib.suppress(BrokenPipeError), os.fdopen(given[1], "wb") as stream:
                stream.write(data or b"")
            status = int(report.readline())
        late.cancel()
        for reader in readers:
            reader.join()
        return os.waitstatus_to_exitcode(status), wrote[out[0]], wrote[err[0]]


@cache
def _commands() -> Commands:
    made = Commands()
    atexit.register(made.close)
    return made


def run(
    words: Any, *, env: dict[str, str], cwd: Path | None = None, data: bytes | None = None, text: bool = True
) -> subprocess.CompletedProcess[Any]:
    """Run ``sandtui`` with these words to its end, as :func:`subprocess.run` would with captured output."""
    assert not [name for name in env if name.startswith(("LANG", "LC_", "PYTHON"))], "too late: Python has begun"
    words = [str(word) for word in words]
    code, out, err = _commands().run(words, env, str(cwd or Path.cwd()), data)
    if not text:
        return subprocess.CompletedProcess(words, code, out, err)
    with io.TextIOWrapper(io.BytesIO(out)) as first, io.TextIOWrapper(io.BytesIO(err)) as second:
        return subprocess.CompletedProcess(words, code, first.read(), second.read())


def _serve(requests: socket.socket) -> tuple[list[str], dict[str, str], str, list[int]]:
    """Fork for each request; return it in the process that is to carry it out."""
    while True:
        data, ancillary, _, _ = requests.recvmsg(1 << 18, socket.CMSG_SPACE(4 * 4))
        if not data:
            os._exit(0)
        fds = array.array("i")
        for _, _, received in ancillary:
            fds.frombytes(received)
        *streams, report = fds
        if os.fork() == 0:
            if (pid := os.fork()) == 0:
                requests.close()
                os.close(report)
                words, env, cwd = json.loads(data)
                return words, env, cwd, streams
            for fd in streams:
                os.close(fd)
            os.write(report, b"%d\n" % pid)
            _, status = os.waitpid(pid, 0)
            os.write(report, b"%d\n" % status)
            os._exit(0)
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _begin(words: list[str], env: dict[str, str], cwd: str, streams: list[int]) -> None:
    """Become what a new process would be."""
    os.chdir(cwd)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        old = getattr(sys, name)
        stream = open(old.fileno(), mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=name == "stderr" or stream.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv = ["sandtui", *words]


def main() -> int:
    """Import what commands need, and carry out commands."""
    from importlib import import_module

    for module in MODULES:
        import_module(module)
    from sandtui.cli.program import main

    _begin(*_serve(socket.socket(fileno=int(sys.argv[1]))))
    return main()


if __name__ == "__main__":
    sys.exit(main())
