"""A small Connect client for the tests of command sessions."""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from google.protobuf.message import Message as Proto

from sandtui.client.models import command_session_pb2 as messages
from tests.local.support import GIVE_UP_SECONDS, Api

SERVICE = "command_session.CommandSession"
Message = dict[str, Any]
"""A message by the names of the fields that it has."""


def encode(kind: type[Proto], message: Message) -> bytes:
    return kind(**message).SerializeToString()


def decode(kind: type[Proto], data: bytes) -> Message:
    return fields_of(kind.FromString(data))


def fields_of(message: Proto) -> Message:
    return {field.name: _plain(field, value) for field, value in message.ListFields()}


def _plain(field: Any, value: Any) -> Any:
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        return dict(value)
    return [fields_of(each) for each in value] if field.is_repeated else fields_of(value)


class RpcError(Exception):
    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(error)
        self.code = error["code"]


def envelope(body: bytes, *, compress: bool = False) -> bytes:
    body = gzip.compress(body) if compress else body
    return bytes([compress]) + len(body).to_bytes(4, "big") + body


class Rpc:
    """Calls of one sandbox."""

    def __init__(self, api: Api, sandbox_id: str, token: str) -> None:
        self._http = api.http
        self.base = f"/sandboxes/{sandbox_id}/{SERVICE}/"
        self.headers = {"authorization": f"Bearer {token}", "connect-protocol-version": "1"}

    @classmethod
    async def of(cls, api: Api, sandbox_id: str) -> "Rpc":
        return cls(api, sandbox_id, await api.token(sandbox_id))

    async def unary(
        self,
        method: str,
        message: Message,
        request: type[Proto],
        reply: type[Proto] = messages.Empty,
        *,
        compress: bool = False,
    ) -> Message:
        headers = self.headers | {"content-type": "application/proto"}
        body = encode(request, message)
        if compress:
            headers["content-encoding"] = "gzip"
            body = gzip.compress(body)
        answer = await self._http.post(self.base + method, content=body, headers=headers)
        if answer.status_code != 200:
            raise RpcError(answer.json())
        assert answer.headers["content-type"] == "application/proto"
        return decode(reply, answer.content)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        message: Message,
        request: type[Proto],
        *,
        timeout: float | None = None,
        compress: bool = False,
    ) -> AsyncIterator["Events"]:
        headers = self.headers | {"content-type": "application/connect+proto"}
        headers["connect-content-encoding"] = "gzip" if compress else "identity"
        if timeout is not None:
            headers["connect-timeout-ms"] = str(int(timeout * 1000))

        async def body() -> AsyncIterator[bytes]:
            yield envelope(encode(request, message), compress=compress)

        async with self._http.stream("POST", self.base + method, content=body(), headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                raise RpcError(answer.json())
            assert answer.headers["content-type"] == "application/connect+proto"
            yield Events(answer)

    def start(self, command: str, **more: Any) -> Any:
        options = {key: more.pop(key) for key in ("timeout", "compress") if key in more}
        spec = {"cmd": "/bin/bash", "args": ["-c", command], **more.pop("spec", {})}
        return self.stream("Start", {"command": spec, **more}, messages.StartRequest, **options)

    def connect(self, **selector: Any) -> Any:
        return self.stream("Connect", {"session": selector}, messages.ConnectRequest)

    async def run(self, command: str, **more: Any) -> tuple[str, str, Message]:
        """Run a command to its end and return its output and the end event."""
        async with self.start(command, **more) as events:
            return await events.rest()

    async def write(self, selector: Message, data: bytes, *, kind: str = "stdin", key: str | None = None) -> None:
        message = {"session": selector, "input": {kind: data}, "input_uuid": key or str(uuid.uuid4())}
        await self.unary("SendInput", message, messages.SendInputRequest)

    async def signal(self, selector: Message, number: int, key: str | None = None) -> None:
        message = {"session": selector, "signal": number, "signal_uuid": key or str(uuid.uuid4())}
        await self.unary("SendSignal", message, messages.SendSignalRequest)

    async def sessions(self) -> list[Message]:
        reply = await self.unary("List", {}, messages.Empty, messages.ListResponse)
        return list(reply.get("sessions", []))


class Events:
    """The events of a stream, one by one."""

    def __init__(self, answer: httpx.Response) -> None:
        self._chunks = answer.aiter_raw()
        self._buffer = b""

    async def next(self) -> Message | None:
        """Return the next event, or None at the end of the stream."""
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while len(self._buffer) < 5 or len(self._buffer) < 5 + int.from_bytes(self._buffer[1:5], "big"):
                self._buffer += await anext(self._chunks)
        flags, length = self._buffer[0], int.from_bytes(self._buffer[1:5], "big")
        body, self._buffer = self._buffer[5 : 5 + length], self._buffer[5 + length :]
        if flags & 2:
            end = json.loads(body)
            if "error" in end:
                raise RpcError(end["error"])
            return None
        found: Message = decode(messages.EventResponse, body)["event"]
        return found

    async def pid(self) -> int:
        event = await self.next()
        assert event is not None and "start" in event, event
        return int(event["start"]["pid"])

    async def until(self, text: bytes, kind: str = "stdout") -> bytes:
        """Return the output up to the one that has the text."""
        seen = b""
        while text not in seen:
            event = await self.next()
            assert event is not None, seen
            seen += event.get("data", {}).get(kind, b"")
        return seen

    async def rest(self) -> tuple[str, str, Message]:
        out = {"stdout": b"", "stderr": b"", "pty": b""}
        end: Message = {}
        while (event := await self.next()) is not None:
            for kind, data in event.get("data", {}).items():
                out[kind] += data
            end = event.get("end", end)
        return (out["stdout"] + out["pty"]).decode(), out["stderr"].decode(), end
