"""Shells and commands over SSH."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from typing import Any, Final

import asyncssh

from sandtui.local.drivers.base import Command, CommandFailed, DriverError, Instance, RunningCommand, Stream
from sandtui.local.gateway.draining import Flow, drain

_SHELL: Final = ["/bin/sh", "-c", "exec $(command -v bash || echo sh) -l"]
_SIGNALS: Final = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15}
_CHUNK: Final = 65536


async def run_process(process: asyncssh.SSHServerProcess[bytes], instance: Instance) -> None:
    """Run the requested command, or a shell if there is none, and report how it ended."""
    try:
        running = await instance.run(_command(process))
    except CommandFailed as error:
        process.stderr.write(f"sandbox: {error}\n".encode("utf-8", "replace"))
        process.exit(127 if error.code == errno.ENOENT else 126)
        return
    except DriverError as error:
        process.stderr.write(f"sandbox: {error}\n".encode("utf-8", "replace"))
        process.exit(255)
        return
    is_terminal = bool(process.term_type)
    streams: list[Stream] = ["stdout"] if is_terminal else ["stdout", "stderr"]
    flow = Flow()
    reading = asyncio.gather(*(_send_output(running, stream, process, flow) for stream in streams))
    writing = asyncio.ensure_future(_send_input(running, process))
    waiting = asyncio.ensure_future(running.wait())
    leaving = asyncio.ensure_future(process.wait_closed())
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            return
        # However slowly the client reads, it gets all the output; a disconnected client ends the wait.
        draining = asyncio.ensure_future(drain(reading, flow))
        await asyncio.wait({draining, leaving}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        # A background child may keep the streams open for long; the channel is closed, as in OpenSSH's server.
        process.exit(waiting.result())
    except DriverError:
        process.exit(255)
    finally:
        tasks: set[asyncio.Future[Any]] = {reading, writing, waiting, leaving}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                task.exception()  # retrieved: the channel is closed
        running.close()


def _command(process: asyncssh.SSHServerProcess[bytes]) -> Command:
    env = {key: value for key, value in process.env.items() if isinstance(key, str) and isinstance(value, str)}
    pty = None
    if process.term_type:
        env["TERM"] = process.term_type
        cols, rows = process.term_size[:2]
        pty = (cols or 80, rows or 24)
    line = process.command
    argv = _SHELL if line is None else ["/bin/sh", "-c", line]
    env = {key: value for key, value in env.items() if "\0" not in key + value and key and "=" not in key}
    return Command(argv, env, stdin=True, pty=pty)


async def _send_output(
    running: RunningCommand, stream: Stream, process: asyncssh.SSHServerProcess[bytes], flow: Flow
) -> None:
    writer = process.stdout if stream == "stdout" else process.stderr

    async def write(chunk: bytes) -> None:
        writer.write(chunk)
        await writer.drain()

    with contextlib.suppress(OSError, asyncssh.Error):
        async for chunk in running.output(stream):
            await flow.forward(chunk, write)


async def _send_input(running: RunningCommand, process: asyncssh.SSHServerProcess[bytes]) -> None:
    while True:
        try:
            data = await process.stdin.read(_CHUNK)
            if not data:
                running.close_input()
                return
            await running.write(data)
        except asyncssh.TerminalSizeChanged as change:
            running.resize(max(1, min(change.width, 1000)), max(1, min(change.height, 1000)))
        except asyncssh.BreakReceived:
            continue
        except asyncssh.SignalReceived as received:
            number = _SIGNALS.get(received.signal)
            if number is not None:
                with contextlib.suppress(DriverError):
                    await running.kill(number)
        except OSError:
            return  # it has closed its input
