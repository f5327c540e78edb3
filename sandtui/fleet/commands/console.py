"""A console on one sandbox: the commands that were run there and what they said."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.cancellation import run_to_end
from sandtui.client import AsyncSandboxClient, CommandTimeoutError, SandboxClientError
from sandtui.client.models.streams import CommandEnded, CommandEvent, CommandOutput
from sandtui.clock import Clock
from sandtui.fleet.commands.console_run import Run, RunState
from sandtui.fleet.commands.line import carry, completion
from sandtui.fleet.commands.line.carry import Carried, NotKept
from sandtui.fleet.commands.line.completion import Completion
from sandtui.fleet.commands.line.timeouts import TIMEOUTS
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.output_lines import Output, OutputLine, OutputStream

if TYPE_CHECKING:
    import asyncssh

__all__ = ["Console", "Run", "RunState"]


CARRY_SECONDS = 20
"""That it may take to read back what a command changed."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What goes to the sandbox for a command; ``timeout`` is in seconds."""

    text: str
    directory: str | None
    variables: Mapping[str, str]
    timeout: int


class Console:
    """Runs commands in one sandbox, one at a time, and keeps what they print.

    Directory and exported variables go from one command to the next (see ``commandline.carry``). Output is shown as
    it comes where there is a way: a VM's command session, or an SSH connection into a container that is kept while
    the console is open. Otherwise it comes when the command has ended. ``on_change`` is called after each change of
    the runs or the lines.
    """

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, clock: Clock, *, vm: bool = False) -> None:
        self.client = client
        self.sandbox_id = sandbox_id
        self.clock = clock
        self.on_change: Signal[[]] = Signal()
        self.on_end: Signal[[Run]] = Signal()
        self.runs: list[Run] = []
        self.carried = Carried()
        self.timeout = TIMEOUTS[1]
        """Seconds that a command may take."""
        self.folded: set[int] = set()
        """Numbers of the runs of which only the command is shown."""
        self.clearings = 0
        """How often the view was emptied."""
        self.past: list[str] = []
        """Commands of earlier sessions, oldest first."""
        self._vm = vm
        self.output = Output()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def lines(self) -> list[OutputLine]:
        """The lines that are kept."""
        return self.output.lines

    @property
    def settled(self) -> int:
        """How many of the lines, from the first, do not grow any more."""
        return self.output.settled

    @property
    def dropped(self) -> int:
        """How many lines before them are gone."""
        return self.output.dropped

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
        """The commands so far, oldest first, each once in a row; one that begins with a blank is not kept."""
        commands: list[str] = []
        for command in (*self.past, *(run.command for run in self.runs)):
            if command[:1] not in {" ", "\t"} and (not commands or commands[-1] != command):
                commands.append(command)
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
        self._idle.clear()
        try:
            return await self._run_to_its_end(command, timeout)
        finally:
            self._idle.set()

    async def until_idle(self) -> None:
        """Wait until no command runs, and what a stopped one has left in the sandbox is gone."""
        await self._idle.wait()

    async def _run_to_its_end(self, command: str, timeout: int) -> Run:
        run = Run(len(self.runs) + 1, command, self.clock.monotonic())
        self.runs.append(run)
        first, *others = command.split("\n")
        self._add(OutputStream.COMMAND, [first], run)
        self._add(OutputStream.CONTINUED, others, run)
        token = secrets.token_hex(16) if carry.may_change(command) else None
        try:
            run.exit_code = await self._run(run, timeout, token)
        except SandboxClientError as error:
            run.problem, run.timed_out = error.explanation, isinstance(error, CommandTimeoutError)
            self._end(run, RunState.FAILED, OutputStream.PROBLEM, run.problem)
            await self._forget(token)
        except asyncio.CancelledError:
            run.problem = "stopped"
            self._end(run, RunState.CANCELLED, OutputStream.PROBLEM, run.problem)
            # Nothing that we put there stays in the sandbox.
            await run_to_end(self._forget(token))
            raise
        else:
            self._end(run, RunState.DONE, OutputStream.RESULT, "")
        return run

    def output_of(self, number: int) -> list[OutputLine]:
        """Return the lines that a run printed, as far as they are kept; ``number`` counts from 1."""
        return [
            line
            for line in self.lines
            if line.run == number and line.stream in {OutputStream.STDOUT, OutputStream.STDERR}
        ]

    def size_of(self, number: int) -> int:
        """Return how many lines a run has printed."""
        return self.output.sizes.get(number, 0)

    async def complete(self, before: str) -> Completion:
        """Return how the path before the cursor may go on, by one small command.

        Raises:
            SandboxClientError: the sandbox could not be asked.
        """
        word = completion.word_before(before)
        reply = await self.client.execute_command(
            self.sandbox_id,
            carry.plain(completion.looking(word), self.carried),
            self.carried.directory,
            self.carried.exported,
            completion.SECONDS,
        )
        return completion.complete(word, reply.stdout)

    async def start_job(self, command: str) -> str:
        """Start a command in the background, where and with what it would run here; return the job's id.

        Raises:
            SandboxClientError: it was not started.
        """
        job = await self.client.start_background_job(
            self.sandbox_id,
            carry.plain(command, self.carried),
            self.carried.directory,
            self.carried.exported or None,
        )
        return job.job_id

    def clear(self) -> None:
        """Empty the view; the history of commands stays."""
        self.clearings += 1
        self.output.clear()
        self.on_change()

    async def _run(self, run: Run, timeout: int, token: str | None) -> int:
        """Run the command; with a token, read back what it changed before it counts as ended."""
        carried = self.carried
        if token is None:
            text, place = carry.plain(run.command, carried), carried.directory
        else:
            # The script goes to the directory by itself: one that is gone must not keep the user in it.
            text, place = carry.recording(run.command, carried, token), None
        sent = _Sent(text, place, carried.exported, timeout)
        exit_code = await (self._stream(run, sent) if self.live else self._execute(run, sent))
        run.ended = self.clock.monotonic()
        if token is not None:
            try:
                self.carried = carry.carry_on(carried, await self._ask(carry.reading(token)))
            except (NotKept, SandboxClientError) as error:
                self.output.end_run()
                self._add(OutputStream.PROBLEM, [f"what it changed in the shell is not kept: {error}"], run)
        return exit_code

    async def _ask(self, text: str) -> str:
        """Return what a small command prints, run the same way as the user's: SSH may have a user of its own."""
        sent = _Sent(text, None, {}, CARRY_SECONDS)
        if not self.live:
            return (await self.client.execute_command(self.sandbox_id, text, timeout=CARRY_SECONDS)).stdout
        printed = bytearray()
        async with aclosing(self._events(sent)) as stream:  # type: ignore[type-var] # both ways are generators
            async for event in stream:
                if isinstance(event, CommandOutput) and event.stream == "stdout":
                    printed += event.data
        return printed.decode("utf-8", "replace")

    async def _forget(self, token: str | None) -> None:
        if token is not None:
            with suppress(SandboxClientError, OSError):
                await self._ask(carry.forgetting(token))

    async def _execute(self, run: Run, sent: _Sent) -> int:
        try:
            reply = await self.client.execute_command(
                self.sandbox_id, sent.text, sent.directory, sent.variables, sent.timeout
            )
        except CommandTimeoutError as error:
            await self._show(run, error.stdout, error.stderr)
            raise
        await self._show(run, reply.stdout, reply.stderr)
        return reply.exit_code

    async def _show(self, run: Run, stdout: str, stderr: str) -> None:
        outputs = await asyncio.to_thread(lambda: (_split(stdout), _split(stderr)))
        for stream, lines in zip((OutputStream.STDOUT, OutputStream.STDERR), outputs, strict=True):
            self._add(stream, lines, run)

    async def _stream(self, run: Run, sent: _Sent) -> int:
        exit_code = -1
        events = self._events(sent)
        async with aclosing(events) as stream:  # type: ignore[type-var] # both ways are generators
            async for event in stream:
                if isinstance(event, CommandOutput):
                    self.output.feed(OutputStream(event.stream), event.data, run.number)
                    self.on_change()
                elif isinstance(event, CommandEnded):
                    exit_code = event.exit_code
        return exit_code

    def _events(self, sent: _Sent) -> AsyncIterator[CommandEvent]:
        if self._connection is None:
            return self.client.stream_command(
                self.sandbox_id, sent.text, sent.directory, sent.variables, timeout=sent.timeout
            )
        from sandtui.client.toolkit import SSHChannel

        channel = SSHChannel(self.sandbox_id, self._connection, AsyncExitStack())
        return channel.run(sent.text, sent.directory, sent.variables, sent.timeout)

    def _end(self, run: Run, state: RunState, stream: OutputStream, text: str) -> None:
        run.state = state
        if run.ended is None:
            run.ended = self.clock.monotonic()
        self.output.end_run()
        self._add(stream, [text], run)
        self.on_end(run)

    def _add(self, stream: OutputStream, texts: list[str], run: Run) -> None:
        self.output.add(stream, texts, run.number)
        self.on_change()


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines
