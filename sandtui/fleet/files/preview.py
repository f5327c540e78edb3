"""The beginning of a file, however large it is: windows of it, what kind it is, what an archive holds."""

from __future__ import annotations

import asyncio
import io
import os
import re
import struct
import tarfile
import zipfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sandtui.client import AsyncSandboxClient, SandboxClientError, SandboxFileNotFoundError
from sandtui.fleet.files.names import FilesError, NoSuchFileError, is_text
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.shell import PACK, Words, unpack

WINDOW = 64 * 1024
"""Bytes of a file that are looked at together."""

NAMES_SHOWN = 2000
"""Names of an archive's listing."""

ZIP_TAIL = 1024 * 1024
"""Bytes at the end of a zip file in which its listing is looked for."""

_READ_SECONDS = 60


class Looks(Enum):
    """What a file looks like by its first bytes."""

    TEXT = "text"
    BYTES = "bytes"
    IMAGE = "image"
    TAR = "tar archive"
    ZIP = "zip archive"


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a file. ``total`` is the size of the whole file, in bytes."""

    offset: int
    data: bytes
    total: int

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + len(self.data)


class Reader:
    """Reads windows of one file, on this machine when there is no ``sandbox_id``."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str | None, path: str) -> None:
        self._client, self.sandbox_id, self.path = client, sandbox_id, path

    async def window(self, offset: int, length: int = WINDOW) -> Window:
        """Return a part of the file; a negative offset counts from its end.

        Raises:
            FilesError: it can't be read.
        """
        if self.sandbox_id is None:
            return await asyncio.to_thread(_read_here, self.path, offset, length)
        if is_text(self.path):
            read = await self._read_text(offset, length)
            if read is not None:
                return read
        return await self._read_bytes(offset, length)

    async def names(self, looks: Looks) -> list[str]:
        """Return the lines of an archive's listing.

        Raises:
            FilesError: it can't be read as one.
        """
        if looks is Looks.ZIP:
            tail = await self.window(-ZIP_TAIL, ZIP_TAIL)
            return await asyncio.to_thread(_zip_names, tail.data)
        if self.sandbox_id is None:
            return await asyncio.to_thread(_tar_names, self.path)
        words = Words()
        word = words.add(self.path)
        command = f"{words.preamble}tar -tvf {word} 2>&1 | head -n {NAMES_SHOWN}"
        reply = await SandboxSide(self._client, self.sandbox_id).run(command, self.path, _READ_SECONDS)
        return reply.stdout.splitlines()

    async def _read_text(self, offset: int, length: int) -> Window | None:
        """Read by the platform's own call, which tells text; None when the file is something else."""
        assert self.sandbox_id is not None
        try:
            reply = await self._client.read_file(self.sandbox_id, self.path, offset=offset, length=length)
        except SandboxFileNotFoundError:
            raise NoSuchFileError(f"{self.path} is not there") from None
        except SandboxClientError as error:
            raise FilesError(f"{self.path} can't be read: {error}") from error
        if "\ufffd" in reply.content or "\0" in reply.content:
            return None
        data = reply.content.encode("utf-8", "surrogateescape")
        total = reply.total_size if reply.total_size is not None else reply.size
        start = reply.offset if reply.offset is not None else max(0, offset)
        return Window(start, data, max(total, start + len(data)))

    async def _read_bytes(self, offset: int, length: int) -> Window:
        assert self.sandbox_id is not None
        words = Words()
        word = words.add(self.path)
        part = f"tail -c {-offset} {word}" if offset < 0 else f"tail -c +{offset + 1} {word}"
        command = f"{words.preamble}[ -r {word} ] && wc -c < {word} && {part} | head -c {length} | {PACK}"
        reply = await SandboxSide(self._client, self.sandbox_id).run(command, self.path, _READ_SECONDS)
        size, _, packed = reply.stdout.partition("\n")
        if reply.exit_code != 0 or not size.strip().isdecimal():
            raise FilesError(f"{self.path} can't be read: {reply.stderr.strip()[-200:] or 'permission denied'}")
        total = int(size)
        data = unpack(packed) if packed.strip() else b""
        return Window(max(0, total + offset) if offset < 0 else offset, data, total)


def looks_like(data: bytes) -> Looks:
    """Return what a file is by its beginning."""
    if image_facts(data) is not None:
        return Looks.IMAGE
    if data[:4] == b"PK\x03\x04":
        return Looks.ZIP
    if data[257:262] == b"ustar" or data[:2] == b"\x1f\x8b" or data[:6] == b"\xfd7zXZ\0" or data[:3] == b"BZh":
        return Looks.TAR
    if b"\0" in data:
        return Looks.BYTES
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A letter that the window's end has cut is no reason.
        if len(data) - error.start > 3:
            return Looks.BYTES
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b\b" for byte in data[:4096])
    return Looks.BYTES if control * 20 > min(len(data), 4096) else Looks.TEXT


def image_facts(data: bytes) -> str | None:
    """Return kind and size of an image by its header, or None when it is none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return f"PNG image, {width:,} x {height:,} pixels"
    if data[:6] in {b"GIF87a", b"GIF89a"} and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return f"GIF image, {width:,} x {height:,} pixels"
    if data[:2] == b"BM" and len(data) >= 26 and data[6:10] == b"\0\0\0\0":
        width, height = struct.unpack("<ii", data[18:26])
        return f"BMP image, {width:,} x {abs(height):,} pixels"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP image"
    if data[:3] == b"\xff\xd8\xff":
        found = re.search(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..(.)(..)(..)", data, re.DOTALL)
        if found is None:
            return "JPEG image"
        height, width = struct.unpack(">HH", found[2] + found[3])
        return f"JPEG image, {width:,} x {height:,} pixels"
    return None


def hex_lines(window: Window) -> list[str]:
    """Return bytes as offset, hexadecimal numbers and letters, sixteen a line."""
    lines = []
    for start in range(0, len(window.data), 16):
        part = window.data[start : start + 16]
        numbers = " ".join(part[at : at + 8].hex(" ") for at in (0, 8))
        letters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        lines.append(f"{window.offset + start:08x}  {numbers:<49} {letters}")
    return lines


def _read_here(path: str, offset: int, length: int) -> Window:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            total = os.fstat(descriptor).st_size
            start = max(0, total + offset) if offset < 0 else offset
            return Window(start, os.pread(descriptor, length, start), total)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise NoSuchFileError(f"{path} is not there") from None
    except OSError as error:
        raise FilesError(f"{path} can't be read: {error.strerror}") from None


def _tar_names(path: str) -> list[str]:
    lines = []
    try:
        with tarfile.open(Path(path), "r:*") as tar:
            for member in tar:
                slash = "/" if member.isdir() else ""
                lines.append(f"{member.mode & 0o777:03o} {member.size:>12,}  {member.name}{slash}")
                if len(lines) >= NAMES_SHOWN:
                    break
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FilesError(f"{path} can't be read as an archive: {error}") from None
    return lines


def _zip_names(data: bytes) -> list[str]:
    try:
        # Only the end is here: the library finds the listing in it and corrects the offsets.
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()[:NAMES_SHOWN]
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise FilesError(f"it can't be read as an archive: {error}") from None
    return [f"{each.file_size:>12,}  {each.filename}" for each in found]
