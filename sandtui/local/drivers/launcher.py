"""The platform's end of the zygote, of which every agent is a fork."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sandtui.local.drivers.agent_instance import SOCKET_NAME
from sandtui.local.drivers.agent_processes import PATH
from sandtui.local.drivers.base import DriverError, SandboxGone
from sandtui.local.drivers.channel import Channel
from sandtui.local.readiness import readable, writable

AGENT: Final = Path(__file__).resolve().parent.parent / "agent" / "__main__.py"
INTERPRETER: Final = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()

_BEGIN_SECONDS: Final = 10.0
_LAUNCH_SECONDS: Final = 30.0
_LEAST_SECONDS: Final = 1.0
_ATTEMPTS: Final = 3
_LAST_WORDS: Final = 1000

_log = logging.getLogger(__name__)


class LaunchFailed(DriverError):
    """A sandbox could not be set up; ``code`` is the errno of the call that failed, if there is one."""

    def __init__(self, reason: str, code: int | None) -> None:
        super().__init__(f"The sandbox could not be set up: {reason}")
        self.reason = reason
        self.code = code


class LauncherDied(LaunchFailed):
    """A launcher died before it reported a result."""

    def __init__(self, how: str) -> None:
        super().__init__(f"its launcher died ({how})", None)

    @staticmethod
    def has_begun(spec: dict[str, Any]) -> bool:
        """Whether anything of the sandbox may remain, so that the launch cannot be repeated."""
        return Path(spec["directory"], SOCKET_NAME).exists()


class _NotTakenError(Exception):
    """The zygote died, or does not respond, before it began a launch."""


class Launcher:
    """Starts agents. The zygote is started when it is first needed, and again if it dies."""

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        user: int | None = None,
        begin_seconds: float = _BEGIN_SECONDS,
    ) -> None:
        self._command = command or (str(INTERPRETER), "-I", "-S", str(AGENT))
        self._begin_seconds = begin_seconds
        self._user = user
        self._zygote: _Zygote | None = None
        self._watching: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start the zygote, so that no launch waits for it."""
        self._prepared()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """The pid of the zygote, or None."""
        return None if self._zygote is None else self._zygote.pid

    async def launch(self, spec: dict[str, Any]) -> int:
        """Start an agent and return its pid; it accepts connections from then on.

        Raises:
            LaunchFailed: the sandbox could not be set up.
            DriverError: there was no response in time.
        """
        try:
            return await self._launch(spec)
        except LauncherDied as error:
            if error.has_begun(spec):
                raise
            _log.warning("a launch is tried again: %s", error)
            return await self._launch(spec)

    async def _launch(self, spec: dict[str, Any]) -> int:
        with contextlib.closing(await self.begin()) as launch:
            return await launch.carry_out(spec)

    async def begin(self) -> AgentLaunch:
        """Begin a launch, which the caller must complete or close.

        Raises:
            LaunchFailed: there is no zygote, and none can be started.
        """
        reason = ""
        for _ in range(_ATTEMPTS):
            zygote = self._prepared()
            try:
                return await self._begin(zygote)
            except _NotTakenError:
                self._forget(zygote)
                reason = await zygote.end()
        raise LaunchFailed(reason or "the prepared process died", None)

    async def _begin(self, zygote: _Zygote) -> AgentLaunch:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        launch = AgentLaunch(Channel(ours))
        try:
            await launch.begin(zygote, theirs, self._begin_seconds)
        except BaseException:
            launch.close()
            raise
        return launch

    async def close(self) -> None:
        """End the zygote; sandboxes continue to run."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None
        if self._zygote is not None:
            zygote, self._zygote = self._zygote, None
            await zygote.end()

    def _prepared(self) -> _Zygote:
        if self._zygote is None:
            try:
                self._zygote = _Zygote(self._command, self._user)
            except OSError as error:
                raise LaunchFailed(f"Python can't be started: {error}", error.errno) from error
            self._watching = asyncio.create_task(self._watch(self._zygote), name="zygote")
        return self._zygote

    def _forget(self, zygote: _Zygote) -> None:
        if self._zygote is zygote:
            self._zygote = None
            if self._watching is not None:
                self._watching.cancel()

    async def _watch(self, zygote: _Zygote) -> None:
        """Start another zygote if one dies that has worked, but not repeatedly."""
        earliest = time.monotonic() + _LEAST_SECONDS
        has_worked = await zygote.ended()
        if self._zygote is not zygote:
            return
        self._zygote = None
        _log.error("The process that sandboxes are started from died: %s", await zygote.end() or "no reason given")
        await asyncio.sleep(max(0.0, earliest - time.monotonic()))
        if has_worked and self._zygote is None:
            with contextlib.suppress(LaunchFailed):
                self._prepared()


class _Zygote:
    """One zygote process. It ends when this end of its socket is closed, even if this process dies."""

    def __init__(self, command: Sequence[str], user: int | None) -> None:
        ours, theirs = socket.socketpair()
        words, stderr = os.pipe()
        for fd in (words, stderr):
            os.set_blocking(fd, False)
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=stderr,
                env={"PATH": PATH, "LANG": "C.UTF-8"}, cwd="/", user=user, group=user,
                extra_groups=None if user is None else [],
            )  # fmt: skip
        except BaseException:
            ours.close()
            os.close(words)
            raise
        finally:
            theirs.close()
            os.close(stderr)
        ours.setblocking(False)
        self._sock = ours
        self._words = words
        self._ending: asyncio.Task[str] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def hand_over(self, connection: socket.socket) -> None:
        """Start a launcher for a connection.

        Raises:
            OSError: the zygote has ended.
        """
        while True:
            try:
                socket.send_fds(self._sock, [b"n"], [connection.fileno()])
            except BlockingIOError:
                await writable(self._sock.fileno())
            else:
                return

    async def ended(self) -> bool:
        """Wait for its end; return whether it had been ready."""
        fd, has_worked = os.dup(self._sock.fileno()), False
        try:
            while True:
                await readable(fd)
                try:
                    if not os.read(fd, 1):
                        return has_worked
                except BlockingIOError:
                    continue
                except OSError:
                    return has_worked
                has_worked = True
        finally:
            os.close(fd)

    async def end(self) -> str:
        """Make sure that it has ended, without ending launches in progress; return its error output."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="end of a zygote")
        return await asyncio.shield(self._ending)

    async def _end(self) -> str:
        self._sock.close()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        try:
            words = os.read(self._words, 65536)
        except BlockingIOError:
            words = b""  # a launcher that still runs has the other end too
        finally:
            os.close(self._words)
        return words.decode("utf-8", "replace").strip()[-_LAST_WORDS:]


class AgentLaunch:
    """A launch: the launcher, a fork of the zygote, communicates over its own channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._handle: int | None = None

    async def begin(self, zygote: _Zygote, connection: socket.socket, seconds: float) -> None:
        """Have the zygote fork the launcher.

        Raises:
            _NotTakenError: it did not.
        """
        try:
            async with asyncio.timeout(seconds):
                with connection:
                    await zygote.hand_over(connection)
                reply = await self._channel.receive()
        except (OSError, SandboxGone, TimeoutError) as error:
            raise _NotTakenError from error
        self._handle = reply.fds.pop() if reply.fds else None
        reply.close()
        _raise_failure(reply.message)

    @property
    def is_alive(self) -> bool:
        """Whether the launcher waits for its specification."""
        if self._handle is None:
            return True
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return not poll.poll(0)

    async def join(self, groups: Sequence[str]) -> None:
        """Have the launcher, and so all processes that it starts, join control groups."""
        try:
            reply = await self._channel.ask({"cgroups": list(groups)}, _LAUNCH_SECONDS)
        except SandboxGone as error:
            raise LauncherDied(str(error.__cause__ or error)) from error
        reply.close()
        _raise_failure(reply.message)

    async def carry_out(self, spec: dict[str, Any]) -> int:
        """Have a sandbox built and return its agent's pid."""
        try:
            async with asyncio.timeout(_LAUNCH_SECONDS):
                lock = (spec["isolation"] or {}).get("lock")
                await self._channel.send(spec, () if lock is None else (lock,))
                reply = await self._channel.receive()
                await self._ended()
        except SandboxGone as error:
            raise LauncherDied(str(error.__cause__ or error)) from error
        except TimeoutError as error:
            raise DriverError("The sandbox could not be set up in time.") from error
        reply.close()
        _raise_failure(reply.message)
        return int(reply.message["pid"])

    async def _ended(self) -> None:
        """Wait for the launcher's end; from then on, its agent is a child of this process."""
        if self._handle is not None:
            await readable(self._handle)
            _reap(self._handle)

    async def give_up(self) -> None:
        """Close the connection and wait until the launcher has ended."""
        self._channel.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAUNCH_SECONDS):
                await self._ended()
        self.close()

    def close(self) -> None:
        """Close the connection; an unfinished launcher kills what it has started."""
        self._channel.close()
        if self._handle is not None:
            _reap(self._handle)
            os.close(self._handle)
            self._handle = None


def _reap(handle: int) -> None:
    """Reap a launcher that has ended, unless the zygote did, which it does not if it is dead."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOHANG)


def _raise_failure(message: dict[str, Any]) -> None:
    if "error" in message:
        code = message.get("errno")
        raise LaunchFailed(str(message["error"]), code if isinstance(code, int) else None)
