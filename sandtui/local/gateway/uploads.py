"""Receives one file of a multipart form and writes it as it arrives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from sandtui.local import wire
from sandtui.local.drivers.base import WritableFile

MAX_UPLOAD: Final = 200 * 1024 * 1024
FIELD: Final = "file"
_FRAME: Final = 64 * 1024
_BATCH: Final = 1024 * 1024


class _UploadForm:
    """Extracts the content of the wanted part of a form."""

    def __init__(self, boundary: bytes) -> None:
        self.pending = bytearray()
        self.size = 0
        self.found = False
        self.complete = False
        self._wanted = False
        self._name = b""
        self._value = b""
        self._disposition = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    def feed(self, data: bytes) -> None:
        """Parse more of the body."""
        self._parser.write(data)

    def take(self) -> bytes:
        """Return the content since the last call."""
        data = bytes(self.pending)
        self.pending.clear()
        return data

    def _part_begin(self) -> None:
        self._wanted = False
        self._name = self._value = self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._wanted = not self.found and options.get(b"name") == FIELD.encode()
        self.found = self.found or self._wanted

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self.pending += data[start:end]
            self.size += end - start
            if self.size > MAX_UPLOAD:
                raise too_large()

    def _end(self) -> None:
        self.complete = True


def too_large() -> wire.WireError:
    """Return the error for a file over the limit."""
    limit = MAX_UPLOAD // (1024 * 1024)
    return wire.problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A file may have at most {limit} MiB.")


async def receive_file(request: Request, open_file: Callable[[], Awaitable[WritableFile]]) -> int:
    """Write the uploaded file and return its size; if the upload fails, the target is unchanged."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
        raise wire.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body must be multipart/form-data.")
    if wire.declared_length(request) > MAX_UPLOAD + _FRAME:
        raise too_large()
    form = _UploadForm(boundary)
    file = await open_file()
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > MAX_UPLOAD + _FRAME:
                raise too_large()
            form.feed(chunk)
            if len(form.pending) >= _BATCH:
                await file.write(form.take())
        if not form.found or not form.complete:
            raise wire.invalid(FIELD, "the form has no complete part with this name")
        if form.pending:
            await file.write(form.take())
        await file.commit()
    except FormParserError as error:
        raise wire.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The form is malformed.") from error
    finally:
        file.close()
    return form.size
