"""Long replies are read past HTTP's parser: every byte arrives, and a break is a break."""

import asyncio
import contextlib
import os
import socket
import threading

import pytest

from sandtui.client.async_port import AsyncPort
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.exchange import DIRECT_READ_ABOVE
from sandtui.client.port import TransportFault, WireRequest, run_blocking

BODY = os.urandom(DIRECT_READ_ABOVE + 3_000_001)


class Sink:
    may_restart = True

    def __init__(self):
        self.data = bytearray()

    def begin(self, length):
        self.data.clear()

    def take(self, piece):
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
    with server(DIRECT_READ_ABOVE, stall=True) as url, pytest.raises(TransportFault) as caught:
        fetch(kind, WireRequest("GET", url, timeout=0.3), Sink())
    assert caught.value.timeout


def test_the_connection_of_a_long_reply_is_not_used_again():
    port = BlockingPort()
    with server(len(BODY)) as url:
        for _ in range(2):
            sink = Sink()
            run_blocking(port.send(WireRequest("GET", url), sink))
            assert bytes(sink.data) == BODY


async def readers_ended():
    """Wait for the threads that read downloads, when their port is closed."""
    for thread in threading.enumerate():
        if thread.name.startswith("sandtui-transfer"):
            await asyncio.to_thread(thread.join)


async def test_a_download_that_is_cancelled_is_cut_and_its_sink_left_alone():
    sink, arrived = Sink(), asyncio.Event()
    loop = asyncio.get_running_loop()
    take = sink.take

    def told(piece):
        take(piece)
        loop.call_soon_threadsafe(arrived.set)

    sink.take = told
    port = AsyncPort()
    with server(len(BODY) // 2, stall=True) as url:
        task = asyncio.ensure_future(port.send(WireRequest("GET", url, timeout=300), sink))
        async with asyncio.timeout(60):
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        taken = len(sink.data)
        await port.aclose()
        # The other side stalls for as long as it likes: the thread ends all the same.
        await readers_ended()
        assert len(sink.data) == taken


async def test_a_download_that_is_cancelled_before_its_reply_is_cut(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = AsyncPort()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        task = asyncio.ensure_future(port.send(WireRequest("GET", url, timeout=300), Sink()))
        async with asyncio.timeout(60):
            link, _ = await asyncio.to_thread(listener.accept)
            with link:
                await asyncio.to_thread(link.recv, 1000)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await port.aclose()
                await readers_ended()


async def test_more_downloads_than_threads_are_read_on_the_loop(monkeypatch):
    monkeypatch.setattr("sandtui.client.download_threads.MOST", 1)
    port, sinks = AsyncPort(), [Sink() for _ in range(3)]
    with server(len(BODY)) as url:
        await asyncio.gather(*[port.send(WireRequest("GET", url), sink) for sink in sinks])
    await port.aclose()
    assert [bytes(sink.data) == BODY for sink in sinks] == [True] * 3
