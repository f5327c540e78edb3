"""Commands with streamed output."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from sandtui.client import rpc
from sandtui.client.errors import (
    APIError,
    CommandTimeoutError,
    ConnectionFailedError,
    SandboxClientError,
    command_timeout,
)
from sandtui.client.flows.base import Flows
from sandtui.client.flows.commands import (
    DEFAULT_TIMEOUT,
    Commands,
    broken_stream,
    check_command,
    raise_if_too_long,
    run_quietly,
    start_message,
)
from sandtui.client.flows.jobs import exit_code_of, launch, new_job, status_script
from sandtui.client.models.jobs import BackgroundJob
from sandtui.client.models.streams import CommandEnded, CommandEvent, CommandOutput, CommandStarted
from sandtui.client.port import CommandChannel, TransportFault
from sandtui.client.shell_words import word

TAIL_WINDOW = 256 * 1024
"""Bytes of output per stream and poll of a job."""

MAX_SSH_COMMAND = 64 * 1024
"""Maximum bytes of a command over SSH: servers drop the connection on much longer requests."""

_FIRST_PAUSE, _MAX_PAUSE = 0.1, 1.0


class Streams(Flows):
    """The operation that streams a command."""

    async def stream_command(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: int | None = None,
        user: str | None = None,
    ) -> AsyncIterator[CommandEvent]:
        """Run ``command`` and yield its output as it arrives.

        The first event, :class:`CommandStarted`, tells the transport: a VM's command session, an SSH channel into a
        container, or, without SSH, a background job whose output is polled. The last event is a
        :class:`CommandEnded`. Leaving early stops the command.

        Raises:
            InvalidRequestError: an argument is invalid; nothing was sent.
            CommandTimeoutError: the command did not finish in time; it has been stopped.
            CommandTooLongError: the platform does not accept such a long command; upload it as a file and run that.
            SandboxNotRunningError: the sandbox has ended; its subclasses say why.
            APIError: any other error.
        """
        seconds = DEFAULT_TIMEOUT if timeout is None else timeout
        check_command(command, env, seconds, working_dir, user)
        if await self._session.is_vm(sandbox_id):
            stream = self._over_session(sandbox_id, command, working_dir, env, seconds, user)
        elif fits_ssh(command, working_dir, env, user) and (channel := await self._channel(sandbox_id)) is not None:
            stream = channel.run(command, working_dir, env, seconds)
        else:
            stream = self._over_job(sandbox_id, command, working_dir, env, seconds, user)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    async def _channel(self, sandbox_id: str) -> CommandChannel | None:
        channels = self._session.channels
        return None if channels is None else await channels.open(sandbox_id)

    async def _over_session(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None,
        env: Mapping[str, str] | None,
        timeout: int,
        user: str | None,
    ) -> AsyncGenerator[CommandEvent, None]:
        def too_slow(_reason: str) -> CommandTimeoutError:
            return command_timeout(sandbox_id, command, timeout)

        message = start_message(command, working_dir, env, user)
        ended = False
        try:
            stream = rpc.events(self._session, sandbox_id, "Start", message, timeout)
            async with aclosing(stream) as events:
                async for event in events:
                    if event.HasField("start"):
                        yield CommandStarted("session")
                    if (output := rpc.output_of(event)) is not None:
                        yield CommandOutput(*output)
                    if event.HasField("end"):
                        ended = True
                        yield CommandEnded(event.end.exit_code)
        except rpc.RPCError as error:
            raise_if_too_long(error, sandbox_id, command, env)
            raise await rpc.exception_for(self._session, error, sandbox_id, too_slow) from None
        except TransportFault as fault:
            if not ended:
                raise await broken_stream(self._session, sandbox_id, fault, too_slow) from None
        if not ended:
            raise APIError("the command's stream ended without an exit code", sandbox_id=sandbox_id)

    async def _over_job(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None,
        env: Mapping[str, str] | None,
        timeout: int,
        user: str | None,
    ) -> AsyncGenerator[CommandEvent, None]:
        port = self._session.port
        deadline = port.monotonic() + timeout
        job = new_job(sandbox_id)
        seen = {"stdout": 0, "stderr": 0}
        pause = _FIRST_PAUSE
        finished = False
        try:
            await launch(self._session, job, command, working_dir, env, user)
            yield CommandStarted("job")
            while True:
                exit_code, pieces = await self._poll(sandbox_id, job, seen)
                for piece in pieces:
                    seen[piece.stream] += len(piece.data)
                    yield piece
                if exit_code is not None and not pieces:
                    finished = True
                    yield CommandEnded(exit_code)
                    return
                if port.monotonic() > deadline:
                    raise command_timeout(sandbox_id, command, timeout)
                pause = _FIRST_PAUSE if pieces else min(pause * 1.5, _MAX_PAUSE)
                if not pieces:
                    await port.sleep(pause)
        finally:
            if finished:
                await port.shielded(run_quietly(self._session, sandbox_id, f"rm -rf {_files_of(job)}"))
            else:
                await port.shielded(self._stop(sandbox_id, job))

    async def _poll(
        self, sandbox_id: str, job: BackgroundJob, seen: Mapping[str, int]
    ) -> tuple[int | None, list[CommandOutput]]:
        """Return the exit code, if there is one, and new output, by a single command."""
        files = {"stdout": job.stdout_log_file, "stderr": job.stderr_log_file}
        # The status comes first: output after it is seen by the next poll.
        script = [status_script([job])]
        script += [
            f"echo {name} $(tail -c +{seen[name] + 1} {word(path)} 2>/dev/null | head -c {TAIL_WINDOW} "
            "| base64 | tr -d '\\n')"
            for name, path in files.items()
        ]
        result = await Commands(self._session).execute_command(sandbox_id, "\n".join(script), timeout=30)
        exit_code: int | None = None
        pieces: list[CommandOutput] = []
        for line in result.stdout.splitlines():
            key, _, value = line.partition(" ")
            if key == job.job_id:
                if value == "lost":
                    raise APIError("the command was killed in the sandbox", sandbox_id=sandbox_id)
                exit_code = exit_code_of(value)
            elif key in files and value:
                try:
                    data = base64.b64decode(value, validate=True)
                except binascii.Error:
                    raise APIError("the command's output could not be read", sandbox_id=sandbox_id) from None
                pieces.append(CommandOutput(key, data))  # type: ignore[arg-type] # one of the two names
        return exit_code, pieces

    async def _stop(self, sandbox_id: str, job: BackgroundJob) -> None:
        # Creating the directory first prevents a later launch. An earlier launch may not have written its pid yet.
        # With `setsid` the job has its own process group. `-s` and `--` work with the kill of every shell.
        script = (
            f"mkdir {job.launch_dir} 2>/dev/null && exit 0; "
            f"for i in 1 2 3 4 5 6 7 8 9 10; do [ -s {job.launch_dir}/pid ] && break; sleep 0.1; done; "
            f"read p < {job.launch_dir}/pid || exit 0; trap {word(f'rm -rf {_files_of(job)}')} EXIT; "
            'k() { kill -s "$1" -- "-$p" 2>/dev/null || kill -s "$1" "$p" 2>/dev/null; }; k TERM; '
            "for i in 1 2 3 4 5 6 7 8 9 10; do k 0 || exit 0; sleep 0.1; done; k KILL"
        )
        try:
            await Commands(self._session).execute_command(sandbox_id, script, timeout=10)
        except (SandboxClientError, ConnectionFailedError):
            return


def fits_ssh(command: str, working_dir: str | None, env: Mapping[str, str] | None, user: str | None) -> bool:
    """Whether a command can run over SSH, which has no users, directories or variables except in the command."""
    texts = (command, working_dir or "", *(env or {}), *(env or {}).values())
    return user is None and sum(len(text.encode()) for text in texts) <= MAX_SSH_COMMAND


def _files_of(job: BackgroundJob) -> str:
    """Return the quoted paths of a job's files."""
    return " ".join(word(path) for path in (job.launch_dir, job.stdout_log_file, job.stderr_log_file, job.exit_file))
