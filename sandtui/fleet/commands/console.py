"""The console of one sandbox: its runs and their output."""

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
from sandtui.fleet.commands.console_run import ConsoleRun, RunState
from sandtui.fleet.commands.line import completion, shell_state
from sandtui.fleet.commands.line.completion import Completion
from sandtui.fleet.commands.line.shell_state import Carried, StateLostError
from sandtui.fleet.commands.line.timeouts import TIMEOUTS
from sandtui.fleet.commands.line.users import as_user
from sandtui.fleet.signals import Signal
from sandtui.fleet.text.output_lines import Output, OutputLine, OutputStream
from sandtui.fleet.text.slices import slices

if TYPE_CHECKING:
    import asyncssh

__all__ = ["Console", "ConsoleRun", "RunState"]


CARRY_SECONDS = 20
"""Timeout for reading back the shell state after a command."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is sent to the sandbox for a command; ``timeout`` is in seconds."""

    text: str
    directory: str | None
    variables: Mapping[str, str]
    timeout: int
    user: str | None = None


class Console:
    """Runs commands in one sandbox, one at a time, and collects their output.

    Directory and exported variables carry over to the next command (see ``shell_state``). Output is live where the
    platform supports it: through a VM's command session, or an SSH connection to a container that stays open as long
    as the console. Otherwise it arrives when the command has ended. ``on_change`` is called after each change of the
    runs or the lines.
    """

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str, clock: Clock, *, vm: bool = False) -> None:
        self.client = client
        self.sandbox_id = sandbox_id
        self.clock = clock
        self.on_change: Signal[[]] = Signal()
        self.on_end: Signal[[ConsoleRun]] = Signal()
        self.runs: list[ConsoleRun] = []
        self.carried = Carried()
        self.timeout = TIMEOUTS[1]
        """The timeout of a command in seconds."""
        self.user: str | None = None
        """Who runs the commands in the sandbox, by name or uid; None for the platform's default."""
        self.folded: set[int] = set()
        """Numbers of the collapsed runs."""
        self.clearings = 0
        """How often the view was cleared."""
        self.past: list[str] = []
        """Commands of earlier sessions, oldest first."""
        self._vm = vm
        self.output = Output()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def lines(self) -> list[OutputLine]:
        """The lines in memory."""
        return self.output.lines

    @property
    def settled(self) -> int:
        """The number of leading lines that are complete."""
        return self.output.settled

    @property
    def dropped(self) -> int:
        """The number of lines that were dropped at the start."""
        return self.output.dropped

    @property
    def running(self) -> ConsoleRun | None:
        """The running command."""
        last = self.runs[-1] if self.runs else None
        return last if last is not None and last.state is RunState.RUNNING else None

    @property
    def live(self) -> bool:
        """Whether output is live."""
        # SSH logs in as one user, whoever is to run the command.
        return self._vm or (self._connection is not None and self.user is None)

    @property
    def history(self) -> list[str]:
        """The commands so far, oldest first, without adjacent duplicates or those that start with a space."""
        commands: list[str] = []
        for command in (*self.past, *(run.command for run in self.runs)):
            if command[:1] not in {" ", "\t"} and (not commands or commands[-1] != command):
                commands.append(command)
        return commands

    async def keep_open(self) -> None:
        """Hold an SSH connection to a container until cancelled, for live output.

        A platform or sandbox without SSH is no error: output then arrives at the end of a command.
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

    async def run(self, command: str, timeout: int) -> ConsoleRun:
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
        """Wait until no command runs and the temporary files of an interrupted one are removed."""
        await self._idle.wait()

    async def _run_to_its_end(self, command: str, timeout: int) -> ConsoleRun:
        run = ConsoleRun(len(self.runs) + 1, command, self.clock.monotonic(), user=self.user)
        self.runs.append(run)
        first, *others = command.split("\n")
        self._add(OutputStream.COMMAND, [first], run)
        self._add(OutputStream.CONTINUED, others, run)
        token = secrets.token_hex(16) if shell_state.may_change(command) else None
        try:
            run.exit_code = await self._run(run, timeout, token)
        except SandboxClientError as error:
            run.problem, run.timed_out = error.explanation, isinstance(error, CommandTimeoutError)
            self._end(run, RunState.FAILED, OutputStream.PROBLEM, run.problem)
            await self._forget(token, run.user)
        except asyncio.CancelledError:
            run.problem = "stopped"
            self._end(run, RunState.CANCELLED, OutputStream.PROBLEM, run.problem)
            # Leave no temporary files in the sandbox.
            await run_to_end(self._forget(token, run.user))
            raise
        else:
            self._end(run, RunState.DONE, OutputStream.RESULT, "")
        return run

    def output_of(self, number: int) -> list[OutputLine]:
        """Return the lines of a run that are still in memory; ``number`` counts from 1."""
        return [
            line
            for line in self.lines
            if line.run == number and line.stream in {OutputStream.STDOUT, OutputStream.STDERR}
        ]

    def size_of(self, number: int) -> int:
        """Return the number of lines of a run."""
        return self.output.sizes.get(number, 0)

    async def complete(self, before: str) -> Completion:
        """Complete the path before the cursor, with one short command.

        Raises:
            SandboxClientError: the command failed.
        """
        word = completion.word_before(before)
        response = await self.client.execute_command(
            self.sandbox_id,
            shell_state.plain(completion.listing_command(word), self.carried),
            self.carried.directory,
            self.carried.exported,
            completion.SECONDS,
            **as_user(self.user),
        )
        return completion.complete(word, response.stdout)

    async def start_job(self, command: str) -> str:
        """Start a command as a background job, with the console's directory and variables; return the job id.

        Raises:
            SandboxClientError: the job was not started.
        """
        job = await self.client.start_background_job(
            self.sandbox_id,
            shell_state.plain(command, self.carried),
            self.carried.directory,
            self.carried.exported or None,
            **as_user(self.user),
        )
        return job.job_id

    def clear(self) -> None:
        """Clear the view; the command history stays."""
        self.clearings += 1
        self.output.clear()
        self.on_change()

    async def _run(self, run: ConsoleRun, timeout: int, token: str | None) -> int:
        """Run the command; with a token, read back the shell state before the command counts as ended."""
        carried = self.carried
        if token is None:
            text, directory = shell_state.plain(run.command, carried), carried.directory
        else:
            # The script changes to the directory itself: a deleted one must not lock the user in.
            text, directory = shell_state.recording(run.command, carried, token), None
        sent = _Sent(text, directory, carried.exported, timeout, run.user)
        exit_code = await (self._stream(run, sent) if self._streams(sent) else self._execute(run, sent))
        run.ended = self.clock.monotonic()
        if token is not None:
            try:
                said = await self._ask(shell_state.reading(token), run.user)
                self.carried = shell_state.carry_on(carried, said)
            except (StateLostError, SandboxClientError) as error:
                self.output.end_run()
                self._add(
                    OutputStream.PROBLEM, [f"changes to the shell's directory and variables are lost: {error}"], run
                )
        return exit_code

    async def _ask(self, text: str, user: str | None) -> str:
        """Run a short command over the same connection as the user's: SSH may log in as another user."""
        sent = _Sent(text, None, {}, CARRY_SECONDS, user)
        if not self._streams(sent):
            return (
                await self.client.execute_command(self.sandbox_id, text, timeout=CARRY_SECONDS, **as_user(user))
            ).stdout
        printed = bytearray()
        async with aclosing(self._events(sent)) as stream:  # type: ignore[type-var] # both ways are generators
            async for event in stream:
                if isinstance(event, CommandOutput) and event.stream == "stdout":
                    printed += event.data
        return printed.decode("utf-8", "replace")

    async def _forget(self, token: str | None, user: str | None) -> None:
        if token is not None:
            with suppress(SandboxClientError, OSError):
                await self._ask(shell_state.forgetting(token), user)

    async def _execute(self, run: ConsoleRun, sent: _Sent) -> int:
        try:
            response = await self.client.execute_command(
                self.sandbox_id, sent.text, sent.directory, sent.variables, sent.timeout, **as_user(sent.user)
            )
        except CommandTimeoutError as error:
            await self._show(run, error.stdout, error.stderr)
            raise
        await self._show(run, response.stdout, response.stderr)
        return response.exit_code

    async def _show(self, run: ConsoleRun, stdout: str, stderr: str) -> None:
        outputs = await asyncio.to_thread(lambda: (_split(stdout), _split(stderr)))
        for stream, lines in zip((OutputStream.STDOUT, OutputStream.STDERR), outputs, strict=True):
            self._add(stream, lines, run)

    async def _stream(self, run: ConsoleRun, sent: _Sent) -> int:
        exit_code = -1
        events = self._events(sent)
        async with aclosing(events) as stream:  # type: ignore[type-var] # both ways are generators
            async for event in stream:
                if isinstance(event, CommandOutput):
                    async for piece in slices(event.data):
                        self.output.feed(OutputStream(event.stream), piece, run.number)
                        self.on_change()
                elif isinstance(event, CommandEnded):
                    exit_code = event.exit_code
        return exit_code

    def _streams(self, sent: _Sent) -> bool:
        return self._vm or (self._connection is not None and sent.user is None)

    def _events(self, sent: _Sent) -> AsyncIterator[CommandEvent]:
        if self._connection is None:
            return self.client.stream_command(
                self.sandbox_id, sent.text, sent.directory, sent.variables, timeout=sent.timeout, **as_user(sent.user)
            )
        from sandtui.client.toolkit import SSHChannel

        channel = SSHChannel(self.sandbox_id, self._connection, AsyncExitStack())
        return channel.run(sent.text, sent.directory, sent.variables, sent.timeout)

    def _end(self, run: ConsoleRun, state: RunState, stream: OutputStream, text: str) -> None:
        run.state = state
        if run.ended is None:
            run.ended = self.clock.monotonic()
        self.output.end_run()
        self._add(stream, [text], run)
        self.on_end(run)

    def _add(self, stream: OutputStream, texts: list[str], run: ConsoleRun) -> None:
        self.output.add(stream, texts, run.number)
        self.on_change()


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines
