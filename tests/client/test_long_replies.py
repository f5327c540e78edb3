"""Long replies are read past HTTP's parser: every byte arrives, and a break is a break."""

import asyncio
import contextlib
import os
import socket
import threading

import pytest

from sandtui.client.async_port import AsyncPort
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.exchange import PASS_BY_ABOVE
from sandtui.client.port import TransportFault, WireRequest, run_blocking

BODY = os.urandom(PASS_BY_ABOVE + 3_000_001)


class Sink:
    may_restart = True

    def __init__(self):
        self.data = bytearray()

    async def begin(self, length):
        self.data.clear()

    async def take(self, piece):
        self.data += piece


@contextlib.contextmanager
def server(sent, stall=False):
    """Answer every connection with the head of a whole reply and ``sent`` of its bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    link, _ = listener.accept()
                    with link:
                        while b"\r\n\r\n" not in link.recv(65536):
                            pass
                        link.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode())
                        link.sendall(BODY[:sent])
                        if stall:
                            done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def fetch(kind, request, sink):
    if kind == "sync":
        return run_blocking(BlockingPort().send(request, sink))

    async def go():
        port = AsyncPort()
        try:
            return await port.send(request, sink)
        finally:
            await port.aclose()

    return asyncio.run(go())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_every_byte_arrives(kind):
    sink = Sink()
    with server(len(BODY)) as url:
        assert fetch(kind, WireRequest("GET", url), sink).status_code == 200
    assert bytes(sink.data) == BODY


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_reply_that_ends_early_is_a_fault(kind):
    sink = Sink()
    with server(len(BODY) - 1) as url, pytest.raises(TransportFault) as caught:
        fetch(kind, WireRequest("GET", url), sink)
    assert caught.value.sent
    assert not caught.value.timeout
    assert bytes(sink.data) == BODY[:-1]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_reply_that_stalls_is_a_timeout(kind):
    with server(PASS_BY_ABOVE, stall=True) as url, pytest.raises(TransportFault) as caught:
        fetch(kind, WireRequest("GET", url, timeout=0.3), Sink())
    assert caught.value.timeout


def test_the_connection_of_a_long_reply_is_not_used_again():
    port = BlockingPort()
    with server(len(BODY)) as url:
        for _ in range(2):
            sink = Sink()
            run_blocking(port.send(WireRequest("GET", url), sink))
            assert bytes(sink.data) == BODY
