"""Validates the responses of agents, which run beside the programs of a sandbox and are not trusted."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

from sandtui.local.drivers.base import Command, CommandFailed, FileFailed, SandboxGone
from sandtui.local.drivers.channel import AgentResponse


def raise_error(response: AgentResponse, kind: type[CommandFailed] | type[FileFailed]) -> None:
    """Raise the error in an agent's response as a driver error."""
    if "error" in response.message:
        response.close()
        code = response.message.get("errno")
        raise kind(code if isinstance(code, int) else 0, str(response.message["error"])[:4000])


def streams(response: AgentResponse, command: Command) -> dict[str, int]:
    """Return the descriptors of a command's streams, which must match the request."""
    if command.pty is not None:
        names, is_kind = ["pty"], stat.S_ISCHR
    else:
        names, is_kind = ["stdout", "stderr", "stdin"][: 3 if command.stdin else 2], stat.S_ISFIFO
    if len(response.fds) != len(names) or not all(is_kind(os.fstat(fd).st_mode) for fd in response.fds):
        response.close()
        raise SandboxGone("The sandbox's agent did not send the streams of the command.")
    return dict(zip(names, response.fds, strict=True))


def regular_file(response: AgentResponse) -> int:
    """Return the descriptor of a file, which must be a regular one: reading others can block."""
    if len(response.fds) != 1 or not stat.S_ISREG(os.fstat(response.fds[0]).st_mode):
        response.close()
        raise SandboxGone("The sandbox's agent did not send a regular file.")
    return response.fds[0]


def network_device(response: AgentResponse) -> tuple[int, str]:
    """Return the descriptor of a sandbox's network device and its kind, which must match."""
    link = response.message.get("link")
    if len(response.fds) == 1:
        mode = os.fstat(response.fds[0]).st_mode
        if link == "tun" and stat.S_ISCHR(mode):
            return response.fds.pop(), "tun"
        if link == "veth" and stat.S_ISSOCK(mode) and _family(response.fds[0]) == socket.AF_PACKET:
            return response.fds.pop(), "veth"
    response.close()
    raise SandboxGone("The sandbox's agent did not send its network device.")


def _family(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        return sock.family


def connection(response: AgentResponse) -> socket.socket:
    """Return a TCP socket that the agent opened."""
    if len(response.fds) != 1 or not stat.S_ISSOCK(os.fstat(response.fds[0]).st_mode):
        response.close()
        raise SandboxGone("The sandbox's agent did not send a connection.")
    sock = socket.socket(fileno=response.fds.pop())
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        sock.close()
        raise SandboxGone("The sandbox's agent did not send a connection.")
    sock.setblocking(False)
    return sock


def exit_code(result: dict[str, Any]) -> int:
    """Return the exit code as a shell reports it, which is 128 plus the signal for a killed process."""
    signal, code = result.get("signal"), result.get("exit")
    if isinstance(signal, int):
        return 128 + signal
    if isinstance(code, int):
        return code
    raise SandboxGone("The sandbox's agent did not report how the command ended.")
