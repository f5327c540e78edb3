"""What an agent answers is checked here: it runs beside what the sandbox runs, and is not trusted."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

from sandtui.local.drivers.base import Command, CommandFailed, FileTrouble, SandboxGone
from sandtui.local.drivers.channel import AgentResponse


def raise_error(reply: AgentResponse, kind: type[CommandFailed] | type[FileTrouble]) -> None:
    """Raise the error that the agent tells, as one of the driver's."""
    if "error" in reply.message:
        reply.close()
        code = reply.message.get("errno")
        raise kind(code if isinstance(code, int) else 0, str(reply.message["error"])[:4000])


def streams(reply: AgentResponse, command: Command) -> dict[str, int]:
    """Return the descriptors of a command's streams, which must be what was asked for."""
    if command.pty is not None:
        names, is_kind = ["pty"], stat.S_ISCHR
    else:
        names, is_kind = ["stdout", "stderr", "stdin"][: 3 if command.stdin else 2], stat.S_ISFIFO
    if len(reply.fds) != len(names) or not all(is_kind(os.fstat(fd).st_mode) for fd in reply.fds):
        reply.close()
        raise SandboxGone("The sandbox's agent didn't send the streams of the command.")
    return dict(zip(names, reply.fds, strict=True))


def regular_file(reply: AgentResponse) -> int:
    """Return the descriptor of a file, which must be a regular one: others can hold us up."""
    if len(reply.fds) != 1 or not stat.S_ISREG(os.fstat(reply.fds[0]).st_mode):
        reply.close()
        raise SandboxGone("The sandbox's agent didn't send a regular file.")
    return reply.fds[0]


def network_device(reply: AgentResponse) -> tuple[int, str]:
    """Return the descriptor of a sandbox' network device and its kind of link, which must fit each other."""
    link = reply.message.get("link")
    if len(reply.fds) == 1:
        mode = os.fstat(reply.fds[0]).st_mode
        if link == "tun" and stat.S_ISCHR(mode):
            return reply.fds.pop(), "tun"
        if link == "veth" and stat.S_ISSOCK(mode) and _family(reply.fds[0]) == socket.AF_PACKET:
            return reply.fds.pop(), "veth"
    reply.close()
    raise SandboxGone("The sandbox's agent didn't send its network device.")


def _family(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        return sock.family


def connection(reply: AgentResponse) -> socket.socket:
    """Return a TCP socket that the agent opened."""
    if len(reply.fds) != 1 or not stat.S_ISSOCK(os.fstat(reply.fds[0]).st_mode):
        reply.close()
        raise SandboxGone("The sandbox's agent didn't send a connection.")
    sock = socket.socket(fileno=reply.fds.pop())
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        sock.close()
        raise SandboxGone("The sandbox's agent didn't send a connection.")
    sock.setblocking(False)
    return sock


def exit_code(result: dict[str, Any]) -> int:
    """Return the exit code as a shell tells it: 128 and the signal for who was killed."""
    signal, code = result.get("signal"), result.get("exit")
    if isinstance(signal, int):
        return 128 + signal
    if isinstance(code, int):
        return code
    raise SandboxGone("The sandbox's agent didn't say how the command ended.")
