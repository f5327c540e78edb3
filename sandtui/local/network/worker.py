"""The process that carries the packets of all sandboxes of a platform, so that its own answers are not slowed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from sandtui.local.agent.protocol import Decoder, ProtocolError, encode
from sandtui.local.egress import Policy
from sandtui.local.network.link import link_of
from sandtui.local.network.reach import Reach
from sandtui.local.network.stack import Stack
from sandtui.local.readiness import readable


async def work(sock: socket.socket, reach: Reach) -> None:
    """Take devices and rules from the platform until it is gone; tell it what is kept to from then on."""
    stacks: dict[str, Stack] = {}
    decoder = Decoder()
    waiting: list[int] = []
    sock.setblocking(False)
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(sock, 65536, 1)
        except BlockingIOError:
            await readable(sock.fileno())
            continue
        except OSError:
            return
        for fd in fds:
            os.set_inheritable(fd, False)
        waiting += fds
        if not data:
            return
        try:
            decoder.feed(data)
            while (message := decoder.next()) is not None:
                name = str(message["id"])
                if message["op"] in ("remove", "add") and (old := stacks.pop(name, None)) is not None:
                    old.close()
                if message["op"] != "remove":
                    policy = Policy.of(message["allow"], message["deny"])
                    if message["op"] == "add":
                        stacks[name] = Stack(waiting.pop(0), policy, link_of(str(message["link"])), reach)
                    elif name in stacks:
                        stacks[name].set_policy(policy)
                    else:
                        continue
                    done = encode({"id": name, "generation": message["generation"]})
                    await asyncio.get_running_loop().sock_sendall(sock, done)
        except (ProtocolError, KeyError, IndexError, ValueError, ConnectionError):
            return


def main() -> None:
    """Run on the socket whose descriptor is the first argument; private networks that may be reached follow."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the platform's end ends us, and not before
    asyncio.run(work(socket.socket(fileno=int(sys.argv[1])), Reach(sys.argv[2:])))


if __name__ == "__main__":
    main()
