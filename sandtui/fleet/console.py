"""A console on one sandbox: the commands that were run there and what they said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.client.models.streams import CommandEnded, CommandEvent, CommandOutput
from sandtui.fleet.clock import Clock
from sandtui.fleet.output import Output, OutputLine, Stream

if TYPE_CHECKING:
    import asyncssh


class RunState(Enum):
    """How a command stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Run:
    """One command and what came of it. Times are in seconds on the monotonic clock."""

    number: int
    command: str
    started: float
    state: RunState = RunState.RUNNING
    ended: float | None = None
    exit_code: int | None = None
    problem: str = ""


class Console:
    """Runs commands in one sandbox, one at a time, and keeps what they print.

    Output is shown as it comes where there is a way: a VM's command session, or an SSH connection into a container
    that is kept while the console is open. Otherwise it comes when the command has ended. ``on_change`` is called
    after each change of the runs or the lines.
    """

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, clock: Clock, *, vm: bool = False) -> None:
        self.client = client
        self.sandbox_id = sandbox_id
        self.clock = clock
        self.on_change: Callable[[], None] = lambda: None
        self.runs: list[Run] = []
        self._vm = vm
        self._output = Output()
        self._connection: asyncssh.SSHClientConnection | None = None

    @property
    def lines(self) -> list[OutputLine]:
        """The lines that are kept."""
        return self._output.lines

    @property
    def dropped(self) -> int:
        """How many lines before them are gone."""
        return self._output.dropped

    @property
    def running(self) -> Run | None:
        """The command that is running now."""
        last = self.runs[-1] if self.runs else None
        return last if last is not None and last.state is RunState.RUNNING else None

    @property
    def live(self) -> bool:
        """Whether output is shown as it comes."""
        return self._vm or self._connection is not None

    @property
    def history(self) -> list[str]:
        """The commands so far, oldest first, each once in a row."""
        commands: list[str] = []
        for run in self.runs:
            if not commands or commands[-1] != run.command:
                commands.append(run.command)
        return commands

    async def keep_open(self) -> None:
        """Hold a connection into a container until cancelled, so that its output comes live.

        A platform or a sandbox without SSH is no error: commands then tell what they printed at their end.
        """
        if self._vm:
            return
        try:
            async with self.client.connect_ssh(self.sandbox_id) as connection:
                self._connection = connection
                self.on_change()
                await connection.wait_closed()
        except SandboxClientError:
            return
        finally:
            self._connection = None
            self.on_change()

    async def run(self, command: str, timeout: int) -> Run:
        """Run a command to its end and return it. ``timeout`` is in seconds.

        Raises:
            RuntimeError: another command is still running.
        """
        if self.running is not None:
            raise RuntimeError("a command is running in this console")
        run = Run(len(self.runs) + 1, command, self.clock.monotonic())
        self.runs.append(run)
        self._add(Stream.COMMAND, command.split("\n"), run)
        try:
            if self.live:
                run.exit_code = await self._stream(run, timeout)
            else:
                run.exit_code = await self._execute(run, timeout)
        except SandboxClientError as error:
            run.problem = str(error)
            self._end(run, RunState.FAILED, Stream.PROBLEM, run.problem)
        except asyncio.CancelledError:
            run.problem = "stopped"
            self._end(run, RunState.CANCELLED, Stream.PROBLEM, run.problem)
            raise
        else:
            self._end(run, RunState.DONE, Stream.RESULT, "")
        return run

    def clear(self) -> None:
        """Empty the view; the history of commands stays."""
        self._output.clear()
        self.on_change()

    async def _execute(self, run: Run, timeout: int) -> int:
        reply = await self.client.execute_command(self.sandbox_id, run.command, timeout=timeout)
        stdout, stderr = await asyncio.to_thread(lambda: (_split(reply.stdout), _split(reply.stderr)))
        self._add(Stream.STDOUT, stdout, run)
        self._add(Stream.STDERR, stderr, run)
        return reply.exit_code

    async def _stream(self, run: Run, timeout: int) -> int:
        exit_code = -1
        events = self._events(run.command, timeout)
        async with aclosing(events) as stream:  # type: ignore[type-var] # both ways are generators
            async for event in stream:
                if isinstance(event, CommandOutput):
                    self._output.feed(Stream(event.stream), event.data, run.number)
                    self.on_change()
                elif isinstance(event, CommandEnded):
                    exit_code = event.exit_code
        return exit_code

    def _events(self, command: str, timeout: int) -> AsyncIterator[CommandEvent]:
        if self._connection is None:
            return self.client.stream_command(self.sandbox_id, command, timeout=timeout)
        from sandtui.client.ssh import SSHChannel

        channel = SSHChannel(self.sandbox_id, self._connection, AsyncExitStack())
        return channel.run(command, None, None, timeout)

    def _end(self, run: Run, state: RunState, stream: Stream, text: str) -> None:
        run.state = state
        run.ended = self.clock.monotonic()
        self._output.end_run()
        self._add(stream, [text], run)

    def _add(self, stream: Stream, texts: list[str], run: Run) -> None:
        self._output.add(stream, texts, run.number)
        self.on_change()


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines
