"""Transfers over a connection that breaks at some byte, and with a token that has run out."""

import asyncio
import os
from collections.abc import AsyncIterator

import httpx
import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from sandtui.config.transfers import TransferJournal
from sandtui.fleet.transfers.model import Location, TransferState
from tests.fleet.transfers.test_transfers import Bench
from tests.probes import session_of

SIZE = 300_000


class Cut(httpx.AsyncByteStream):
    """A stream that breaks after some bytes."""

    def __init__(self, stream, left: int, error: Exception) -> None:
        self._stream, self._left, self._error = stream, left, error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            if len(piece) > self._left:
                if self._left:
                    yield piece[: self._left]
                raise self._error
            self._left -= len(piece)
            yield piece

    async def aclose(self) -> None:
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()


class Trouble(httpx.AsyncBaseTransport):
    """The network: breaks the next calls of a route where it is told to, or says that the token has run out."""

    def __init__(self) -> None:
        self._network = httpx.AsyncHTTPTransport()
        self.route, self.times, self.at, self.refuse = "", 0, 0, False
        self.troubled = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not (self.times and self.route and request.url.path.endswith(self.route)):
            return await self._network.handle_async_request(request)
        self.times -= 1
        self.troubled += 1
        if self.refuse:
            if request.method == "POST":
                async for _ in request.stream:
                    pass
            return httpx.Response(401, json={"detail": "token expired"})
        if request.method == "POST":
            headers = request.headers
            stream = Cut(request.stream, self.at, httpx.WriteError("reset"))
            cut = httpx.Request("POST", request.url, headers=headers, stream=stream, extensions=request.extensions)
            return await self._network.handle_async_request(cut)
        reply = await self._network.handle_async_request(request)
        reply.stream = Cut(reply.stream, self.at, httpx.ReadError("reset"))
        reply.extensions.pop("network_stream", None)
        return reply

    async def aclose(self) -> None:
        await self._network.aclose()


@pytest.fixture
async def bench(platform_process, tmp_path):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    trouble = Trouble()
    async with AsyncSandboxClient(config=config, keep_tokens=False, transport=trouble) as client:

        async def soon(_seconds):
            await asyncio.sleep(0)

        session_of(client).port.sleep = soon
        request = CreateSandboxRequest(name="trouble", docker_image="python:3.11-slim")
        box = (await client.create(request)).id
        await client.wait_for_creation(box)
        made = Bench(client, tmp_path, [box])
        made.trouble = trouble
        await made.look()
        running = asyncio.ensure_future(made.queue.run())
        try:
            yield made
        finally:
            trouble.times = 0
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.to_thread(made.database.close)
            await client.bulk_delete(sandbox_ids=[box])


def make(folder) -> dict[str, bytes]:
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}").write_bytes(os.urandom(number * 100))
    (folder / "large").write_bytes(os.urandom(SIZE))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("at", [0, 1, 20_000, SIZE - 1])
async def test_a_connection_that_breaks_leaves_whole_files_or_none(bench, at):
    trouble, source, back = bench.trouble, bench.folder / "source", bench.folder / "back"
    wanted = make(source)
    for times in (1, 1_000):
        for route, start, target in (
            ("/upload", Location(str(source)), bench.there(f"/workspace/t{times}")),
            ("/download", bench.there("/workspace/t1"), Location(f"{back}-{times}")),
        ):
            trouble.route, trouble.times, trouble.at = route, times, at
            done = await bench.copy(start, target)
            trouble.times = 0
            assert trouble.troubled
            assert done.state is (TransferState.DONE if not done.problem else TransferState.FAILED), done.problem
            if done.state is TransferState.FAILED:
                assert await bench.leftovers() == "", done.problem
                bench.queue.retry(done.id)
                await bench.over(done, TransferState.DONE, TransferState.FAILED)
            assert (done.state, done.problem) == (TransferState.DONE, "")
            assert done.done == done.total and done.files_done == done.files
    for times in (1, 1_000):
        found = {path.name: path.read_bytes() for path in (bench.folder / f"back-{times}").iterdir()}
        assert found == wanted
    assert await bench.sh("cd /workspace; cmp t1/large t1000/large; ls t1000 | wc -l") == f"{len(wanted)}\n"
    assert await bench.leftovers() == ""


async def test_a_token_that_runs_out_is_renewed(bench):
    trouble, source, back = bench.trouble, bench.folder / "source", bench.folder / "back"
    wanted = make(source)
    trouble.refuse = True
    for route, start, target in (
        ("/upload", Location(str(source)), bench.there("/workspace/t")),
        ("/exec", Location(str(source)), bench.there("/workspace/u")),
        ("/download", bench.there("/workspace/t"), Location(str(back))),
    ):
        trouble.route, trouble.times = route, 1
        done = await bench.copy(start, target)
        assert (done.state, done.problem, trouble.times) == (TransferState.DONE, "", 0)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == wanted


def test_the_journal_says_so_when_it_cannot_be_used(tmp_path):
    path = tmp_path / "transfers.sqlite3"
    path.write_text("this is no database" * 100)
    database = TransferJournal.open(path)
    with pytest.raises(OSError, match="cannot be used"):
        TransferJournal(database, "x").unfinished()
    database.close()
