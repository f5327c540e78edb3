"""The channel to an agent: a response is read whenever the other end leaves."""

import os
import socket
from pathlib import Path

import pytest

from sandtui.local.agent.protocol import encode
from sandtui.local.drivers.base import SandboxGone
from sandtui.local.drivers.channel import Channel


async def test_who_answers_and_leaves_at_once_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    send_fds = socket.send_fds

    def sent_and_answered(*arguments: object) -> int:
        sent = send_fds(*arguments)  # type: ignore[arg-type]
        # The other process runs before this one goes on, as on a busy machine.
        _, (received,), _, _ = socket.recv_fds(theirs, 4096, 1)
        os.close(received)
        theirs.sendall(encode({"pid": 7}))
        theirs.close()
        return sent

    monkeypatch.setattr(socket, "send_fds", sent_and_answered)
    with Channel(ours) as channel, Path(os.devnull).open() as file:
        await channel.send({"directory": "/x"}, (file.fileno(),))
        assert (await channel.receive()).message == {"pid": 7}
        with pytest.raises(SandboxGone):
            await channel.receive()
