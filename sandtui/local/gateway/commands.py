"""The gateway: commands and files of one sandbox, authorized by that sandbox's own token."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import (
    COMMAND_TOO_LONG,
    Command,
    CommandFailed,
    FileFailed,
    Instance,
    ReadableFile,
    SandboxBusy,
    SandboxGone,
)
from sandtui.local.gateway.execution import Execution, TimedOut, not_started
from sandtui.local.gateway.tokens import GatewayTokens
from sandtui.local.gateway.uploads import MAX_UPLOAD, receive_file
from sandtui.local.ssh.sessions import AuthorizeBody, SshSessions
from sandtui.local.store.registry import Registry

PREFIX: Final = "/{namespace}/{id}"
MAX_READ: Final = 10 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
MAX_UNSIZED: Final = MAX_UPLOAD
"""The most bytes sent of a file that does not report its size, such as some in /proc."""

_Handler = Callable[[Request, Instance], Awaitable[Response]]

_FILE_STATUS: Final = {
    errno.ENOENT: HTTPStatus.NOT_FOUND,
    errno.ENOTDIR: HTTPStatus.NOT_FOUND,
    errno.EACCES: HTTPStatus.FORBIDDEN,
    errno.EPERM: HTTPStatus.FORBIDDEN,
    errno.EROFS: HTTPStatus.FORBIDDEN,
    errno.ENOSPC: HTTPStatus.INSUFFICIENT_STORAGE,
    errno.EDQUOT: HTTPStatus.INSUFFICIENT_STORAGE,
    errno.EFBIG: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


class Gateway:
    """Answers everything below ``/{user_ns}/{job_id}``."""

    def __init__(
        self,
        registry: Registry,
        lifecycle: Lifecycle,
        tokens: GatewayTokens,
        ssh: SshSessions,
        clock: Clock,
    ) -> None:
        self._ssh = ssh
        self._registry = registry
        self._lifecycle = lifecycle
        self._tokens = tokens
        self._clock = clock
        self._executions = Execution()

    async def close(self) -> None:
        """Stop reading from processes that commands left running."""
        await self._executions.close()

    def routes(self) -> list[Route]:
        """Return the routes of the calls."""
        return [
            Route(PREFIX + "/exec", self._authorized(self.execute), methods=["POST"]),
            Route(PREFIX + "/upload", self._authorized(self.upload), methods=["POST"]),
            Route(PREFIX + "/download", self._authorized(self.download), methods=["GET"]),
            Route(PREFIX + "/read-file", self._authorized(self.read_file), methods=["GET"]),
            Route(PREFIX + "/authorize", self._authorized(self.authorize), methods=["POST"]),
        ]

    async def execute(self, request: Request, instance: Instance) -> Response:
        """POST /exec: run a command line; the response is sent when its shell ends."""
        body = await wire.read_body(request, wire.ExecBody)
        command = Command(["/bin/sh", "-c", body.command], body.env or {}, body.working_dir or None, body.user or None)
        try:
            done = await self._executions.run(request, instance, command, body.timeout)
        except TimedOut as error:
            # The refusal includes the output so far; clients that do not know the fields ignore them.
            detail = f"The command was ended after its timeout of {body.timeout:g} seconds."
            return Response(error.so_far.refusal(detail), HTTPStatus.REQUEST_TIMEOUT, media_type="application/json")
        except CommandFailed as error:
            if error.code == errno.E2BIG:
                raise wire.problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, COMMAND_TOO_LONG) from error
            code = 127 if error.code == errno.ENOENT else 126
            done = not_started(f"sandbox: {error}\n".encode("utf-8", "replace").decode(), code)
        if done.exit_code == 137 and await instance.exceeded_limits():
            # Not only the command: the whole sandbox is ending, and the client will look up why.
            await self._lifecycle.wait_ended(request.path_params["id"])
            raise _not_running("ERROR")
        return Response(done.body(), media_type="application/json")

    async def upload(self, request: Request, instance: Instance) -> Response:
        """POST /upload: write a file, completely or not at all."""
        path = _path(request)
        if path.endswith("/"):
            raise wire.invalid("path", "must name a file, not a directory")
        size = await receive_file(request, lambda: instance.open_write(path))
        when = wire.timestamp(self._clock.now())
        return wire.AsciiJSONResponse({"success": True, "path": path, "size": size, "timestamp": when})

    async def download(self, request: Request, instance: Instance) -> Response:
        """GET /download: stream a file."""
        file = await instance.open_read(_path(request))
        try:
            head = await _head(file)
        except BaseException:
            file.close()
            raise
        if len(head) < _CHUNK:
            # The whole file, whatever its size says: files in /proc report 0, some in /sys more than they hold.
            file.close()
            return Response(head, media_type="application/octet-stream")
        sized = file.size >= len(head)
        headers = {"content-length": str(file.size)} if sized else {}
        pieces = _stream(file, head, file.size if sized else MAX_UNSIZED, whole=sized)
        return StreamingResponse(pieces, headers=headers, media_type="application/octet-stream")

    async def read_file(self, request: Request, instance: Instance) -> Response:
        """GET /read-file: a range of a text file."""
        path = _path(request)
        offset, length = _integer(request, "offset"), _integer(request, "length")
        if length is not None and length < 0:
            raise wire.invalid("length", "must not be negative")
        file = await instance.open_read(path)
        try:
            total = file.size
            if offset is None and length is None and total > MAX_READ:
                detail = f"The file has {total} bytes; files over {MAX_READ} bytes can only be read in parts."
                raise wire.problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            start = max(0, total + offset) if offset is not None and offset < 0 else offset or 0
            # Files in /proc report a size of 0 and are not empty, so the read decides, not the size.
            data = await file.read(start, min(MAX_READ if length is None else length, MAX_READ))
        finally:
            file.close()
        total = max(total, start + len(data)) if data else total
        return wire.AsciiJSONResponse(
            {
                "content": data.decode("utf-8", "replace"),
                "size": len(data),
                "total_size": total,
                "offset": start,
                "truncated": len(data) < total,
            }
        )

    async def authorize(self, request: Request, instance: Instance) -> Response:
        """POST /authorize: add a public key to an SSH session."""
        body = await wire.read_body(request, AuthorizeBody)
        self._ssh.authorize(request.path_params["id"], body.session_id, body.public_key)
        return wire.AsciiJSONResponse({"success": True})

    def _authorized(self, work: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def authorized(request: Request) -> Response:
            if not self._tokens.opens(request, self._clock.now()):
                raise wire.problem(HTTPStatus.UNAUTHORIZED, "The token is missing, invalid or expired.")
            sandbox_id = request.path_params["id"]
            record = self._registry.get(sandbox_id)
            if record is None:
                raise _not_found()
            instance = self._lifecycle.instance(sandbox_id)
            if instance is None:
                # The client looks up the reason to raise the right exception.
                state = "ending" if record.status == "RUNNING" else record.status
                raise _not_running(state)
            try:
                with self._lifecycle.activity(sandbox_id):
                    return await work(request, instance)
            except FileFailed as error:
                status = _FILE_STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
                raise wire.problem(status, f"{request.query_params.get('path', '')}: {error}") from error
            except SandboxBusy as error:
                # The client must not take it for ended.
                body = {"error": "sandbox_busy", "detail": str(error)}
                raise wire.WireError(HTTPStatus.SERVICE_UNAVAILABLE, body, {"retry-after": "1"}) from error
            except SandboxGone as error:
                await self._lifecycle.wait_ended(sandbox_id)
                record = self._registry.get(sandbox_id)
                if record is not None and record.is_finished:
                    raise _not_running(record.status) from error
                raise _not_found() from error

        return authorized


def _not_running(state: str) -> wire.WireError:
    detail = f"The sandbox is {state}, not RUNNING."
    return wire.WireError(HTTPStatus.CONFLICT, {"error": "sandbox_not_running", "detail": detail})


def _not_found() -> wire.WireError:
    body = {"error": "sandbox_not_found", "detail": "The sandbox no longer exists."}
    return wire.WireError(HTTPStatus.BAD_GATEWAY, body)


def _path(request: Request) -> str:
    path = request.query_params.get("path", "")
    if not path.startswith("/") or "\0" in path:
        raise wire.invalid("path", "must be an absolute path")
    return path


def _integer(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 18):
        raise wire.invalid(name, "must be a whole number")
    return int(text)


async def _head(file: ReadableFile) -> bytes:
    """Return the first chunk of a file; it is shorter than a chunk only at the end of the file."""
    head = b""
    while len(head) < _CHUNK:
        data = await file.read(len(head), _CHUNK - len(head))
        if not data:
            break
        head += data
    return head


async def _stream(file: ReadableFile, head: bytes, length: int, *, whole: bool) -> AsyncIterator[bytes]:
    """Send a file up to a length; if ``whole``, the file must have that length."""
    offset = len(head)
    try:
        yield head
        while offset < length:
            data = await file.read(offset, min(_CHUNK, length - offset))
            if not data and whole:
                # The promised length can't be met; cutting the response off is the only way to say so.
                raise SandboxGone("The file became shorter while it was sent.")
            if not data:
                return
            offset += len(data)
            yield data
        if not whole:
            raise SandboxGone(f"The file reports no size and has more than {length:,} bytes.")
    finally:
        file.close()
