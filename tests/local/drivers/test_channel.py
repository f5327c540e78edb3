"""The channel to an agent: a response is read whenever the other end leaves."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from sandtui.local.agent.protocol import encode
from sandtui.local.drivers import channel as channels
from sandtui.local.drivers.base import SandboxBusy, SandboxGone
from sandtui.local.drivers.channel import Channel
from tests.local.support import Api


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


async def test_an_agent_without_a_core_is_waited_for(tmp_path: Path) -> None:
    """The queue of its socket is full, until it runs again."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "agent.sock"))
        listener.listen(0)
        waiting = [await Channel.connect(tmp_path, "agent.sock")]
        late = asyncio.create_task(Channel.connect(tmp_path, "agent.sock"))
        done, _ = await asyncio.wait({late}, timeout=0.1)
        assert not done
        listener.accept()[0].close()
        (await late).close()
        waiting[0].close()


async def test_who_does_not_answer_in_time_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "CONNECT_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "agent.sock"))
        listener.listen(0)
        with await Channel.connect(tmp_path, "agent.sock") as first:
            with pytest.raises(SandboxBusy):
                await Channel.connect(tmp_path, "agent.sock")
            with pytest.raises(SandboxBusy):
                await first.ask({"op": "ping"}, 0.05)
    with pytest.raises(SandboxGone) as gone:
        await Channel.connect(tmp_path, "agent.sock")
    assert not isinstance(gone.value, SandboxBusy)


@pytest.mark.parametrize("vm", [False, True])
async def test_a_busy_sandbox_is_never_reported_as_gone(
    isolated: Api, monkeypatch: pytest.MonkeyPatch, vm: bool
) -> None:
    box = await isolated.running(vm=vm)

    async def busy(*_: object, **__: object) -> Channel:
        raise SandboxBusy("The sandbox does not respond in time.")

    monkeypatch.setattr(Channel, "connect", busy)
    reply = await isolated.run(box, "true")
    assert (reply.status_code, reply.json()["error"]) == (503, "sandbox_busy")
    monkeypatch.undo()
    assert await isolated.output(box, "echo here") == "here\n"
