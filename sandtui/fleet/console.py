"""A console on one sandbox: the commands that were run there and what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from sandtui.client import AsyncSandboxClient, SandboxClientError
from sandtui.fleet.clock import Clock

MAX_LINES = 20_000
"""Lines of output that a console keeps; older ones are dropped, and the view says how many."""


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


class Stream(Enum):
    """Where a line came from."""

    COMMAND = "command"
    STDOUT = "stdout"
    STDERR = "stderr"
    RESULT = "result"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line as it came, not yet safe to draw."""

    stream: Stream
    text: str
    run: int


@dataclass(slots=True)
class Console:
    """Runs commands in one sandbox, one at a time, and keeps what they print.

    ``on_change`` is called after each change of the runs or the lines.
    """

    client: AsyncSandboxClient
    sandbox_id: str
    clock: Clock
    on_change: Callable[[], None] = lambda: None
    runs: list[Run] = field(default_factory=list)
    lines: list[OutputLine] = field(default_factory=list)
    dropped: int = 0

    @property
    def running(self) -> Run | None:
        """The command that is running now."""
        last = self.runs[-1] if self.runs else None
        return last if last is not None and last.state is RunState.RUNNING else None

    @property
    def history(self) -> list[str]:
        """The commands so far, oldest first, each once in a row."""
        commands: list[str] = []
        for run in self.runs:
            if not commands or commands[-1] != run.command:
                commands.append(run.command)
        return commands

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
            reply = await self.client.execute_command(self.sandbox_id, command, timeout=timeout)
        except SandboxClientError as error:
            self._end(run, RunState.FAILED)
            run.problem = str(error)
            self._add(Stream.PROBLEM, [run.problem], run)
        except asyncio.CancelledError:
            self._end(run, RunState.CANCELLED)
            run.problem = "cancelled; the platform stops a command when its request is dropped"
            self._add(Stream.PROBLEM, [run.problem], run)
            raise
        else:
            self._end(run, RunState.DONE)
            run.exit_code = reply.exit_code
            stdout, stderr = await asyncio.to_thread(lambda: (_split(reply.stdout), _split(reply.stderr)))
            self._add(Stream.STDOUT, stdout, run)
            self._add(Stream.STDERR, stderr, run)
            self._add(Stream.RESULT, [""], run)
        return run

    def clear(self) -> None:
        """Empty the view; the history of commands stays."""
        self.lines.clear()
        self.dropped = 0
        self.on_change()

    def _end(self, run: Run, state: RunState) -> None:
        run.state = state
        run.ended = self.clock.monotonic()

    def _add(self, stream: Stream, texts: list[str], run: Run) -> None:
        self.lines.extend(OutputLine(stream, text, run.number) for text in texts)
        surplus = len(self.lines) - MAX_LINES
        if surplus > 0:
            del self.lines[:surplus]
            self.dropped += surplus
        self.on_change()


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines[-MAX_LINES:]
