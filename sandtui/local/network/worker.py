"""The process that carries the packets of all sandboxes, apart from the platform so as not to slow it down."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from typing import Any

from sandtui.local.agent.protocol import Decoder, ProtocolError, encode
from sandtui.local.egress import Policy
from sandtui.local.network.budget import Descriptors, close_all, raise_descriptor_limit
from sandtui.local.network.framing import framing_of
from sandtui.local.network.lan import LanPort, LanSwitch, read_lan
from sandtui.local.network.reach import Reach
from sandtui.local.network.stack import Stack
from sandtui.local.readiness import readable


async def work(sock: socket.socket, reach: Reach, descriptors: Descriptors) -> None:
    """Receive devices and rules from the platform until it closes the socket; confirm the rules that are in force."""
    stacks: dict[str, Stack] = {}
    switch = LanSwitch()
    decoder = Decoder()
    waiting: list[int | None] = []
    sock.setblocking(False)
    while True:
        try:
            data, fds, flags, _ = socket.recv_fds(sock, 65536, 1)
        except BlockingIOError:
            await readable(sock.fileno())
            continue
        except OSError:
            return
        for fd in fds:
            os.set_inheritable(fd, False)
        waiting += fds
        if flags & socket.MSG_CTRUNC and not fds:
            # There was no descriptor left for it. The next one must not be used for this sandbox.
            waiting.append(None)
        if not data:
            return
        try:
            decoder.feed(data)
            while (message := decoder.next()) is not None:
                if (response := _take(message, waiting, stacks, switch, reach, descriptors)) is not None:
                    await asyncio.get_running_loop().sock_sendall(sock, encode(response))
        except (ProtocolError, KeyError, IndexError, ConnectionError):
            return


def _take(
    message: dict[str, Any],
    waiting: list[int | None],
    stacks: dict[str, Stack],
    switch: LanSwitch,
    reach: Reach,
    descriptors: Descriptors,
) -> dict[str, Any] | None:
    """Carry out a message and return the response; an error concerns only this sandbox."""
    name = str(message["id"])
    if message["op"] == "lan":
        switch.set_network(name, read_lan(message["members"], message["rules"]) if message["members"] else None)
        return {"id": name, "generation": message["generation"]}
    if message["op"] in ("remove", "add") and (old := stacks.pop(name, None)) is not None:
        old.close()
    if message["op"] == "remove":
        return None
    device = waiting.pop(0) if message["op"] == "add" else None
    try:
        policy = Policy.of(message["allow"], message["deny"])
        if message["op"] == "add":
            if device is None:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            address = message.get("address")
            lan = LanPort(switch, name, str(address)) if address else None
            stacks[name] = Stack(device, policy, framing_of(str(message["link"])), reach, descriptors, lan)
        elif name in stacks:
            stacks[name].set_policy(policy)
        else:
            return None
    except (OSError, ValueError) as error:
        close_all([device])
        return {"id": name, "generation": 0, "error": str(error)}
    return {"id": name, "generation": message["generation"]}


def main() -> None:
    """Run on the socket whose descriptor is the first argument; the other arguments are reachable private networks."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # ends with the platform, not before
    descriptors = Descriptors(raise_descriptor_limit())
    asyncio.run(work(socket.socket(fileno=int(sys.argv[1])), Reach(sys.argv[2:]), descriptors))


if __name__ == "__main__":
    main()
