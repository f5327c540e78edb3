"""Previewing a file of any size: reading windows, detecting its type, listing archives."""

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
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import PACK, ShellArguments, unpack

WINDOW = 64 * 1024
"""Bytes per window."""

MAX_NAMES = 2000
"""Lines of an archive's listing."""

ZIP_TAIL = 1024 * 1024
"""Bytes at the end of a zip file that are searched for its directory."""

_READ_SECONDS = 60


class FileType(Enum):
    """The type of a file, detected from its first bytes."""

    TEXT = "text"
    BYTES = "bytes"
    IMAGE = "image"
    TAR = "tar archive"
    ZIP = "zip archive"


@dataclass(frozen=True, slots=True)
class FileWindow:
    """A part of a file. ``total`` is the size of the whole file, in bytes."""

    offset: int
    data: bytes
    total: int

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.offset + len(self.data)


class FileReader:
    """Reads windows of one file; of this machine when ``sandbox_id`` is None."""

    def __init__(self, client: AsyncSandboxClient, sandbox_id: str | None, path: str) -> None:
        self._client, self.sandbox_id, self.path = client, sandbox_id, path

    async def window(self, offset: int, length: int = WINDOW) -> FileWindow:
        """Return a part of the file; a negative offset counts from its end.

        Raises:
            FilesError: the file can't be read.
        """
        if self.sandbox_id is None:
            return await asyncio.to_thread(_read_local, self.path, offset, length)
        if is_text(self.path):
            read = await self._read_text(offset, length)
            if read is not None:
                return read
        return await self._read_bytes(offset, length)

    async def names(self, looks: FileType) -> list[str]:
        """List the content of an archive.

        Raises:
            FilesError: it is not a valid archive.
        """
        if looks is FileType.ZIP:
            tail = await self.window(-ZIP_TAIL, ZIP_TAIL)
            return await asyncio.to_thread(_zip_names, tail.data)
        if self.sandbox_id is None:
            return await asyncio.to_thread(_tar_names, self.path)
        arguments = ShellArguments()
        word = arguments.add(self.path)
        command = f"{arguments.preamble}tar -tvf {word} 2>&1 | head -n {MAX_NAMES}"
        response = await SandboxFileSystem(self._client, self.sandbox_id).run(command, self.path, _READ_SECONDS)
        return response.stdout.splitlines()

    async def _read_text(self, offset: int, length: int) -> FileWindow | None:
        """Read through the platform's own call, which supports text only; None when the file is not text."""
        assert self.sandbox_id is not None
        try:
            response = await self._client.read_file(self.sandbox_id, self.path, offset=offset, length=length)
        except SandboxFileNotFoundError:
            raise NoSuchFileError(f"{self.path}: no such file or directory") from None
        except SandboxClientError as error:
            raise FilesError(f"{self.path} can't be read: {error}") from error
        if "\ufffd" in response.content or "\0" in response.content:
            return None
        data = response.content.encode("utf-8", "surrogateescape")
        total = response.total_size if response.total_size is not None else response.size
        start = response.offset if response.offset is not None else max(0, offset)
        return FileWindow(start, data, max(total, start + len(data)))

    async def _read_bytes(self, offset: int, length: int) -> FileWindow:
        assert self.sandbox_id is not None
        arguments = ShellArguments()
        word = arguments.add(self.path)
        part = f"tail -c {-offset} {word}" if offset < 0 else f"tail -c +{offset + 1} {word}"
        command = f"{arguments.preamble}[ -r {word} ] && wc -c < {word} && {part} | head -c {length} | {PACK}"
        response = await SandboxFileSystem(self._client, self.sandbox_id).run(command, self.path, _READ_SECONDS)
        size, _, packed = response.stdout.partition("\n")
        if response.exit_code != 0 or not size.strip().isdecimal():
            raise FilesError(f"{self.path} can't be read: {response.stderr.strip()[-200:] or 'permission denied'}")
        total = int(size)
        data = unpack(packed) if packed.strip() else b""
        return FileWindow(max(0, total + offset) if offset < 0 else offset, data, total)


def looks_like(data: bytes) -> FileType:
    """Detect the type of a file from its first bytes."""
    if image_facts(data) is not None:
        return FileType.IMAGE
    if data[:4] == b"PK\x03\x04":
        return FileType.ZIP
    if data[257:262] == b"ustar" or data[:2] == b"\x1f\x8b" or data[:6] == b"\xfd7zXZ\0" or data[:3] == b"BZh":
        return FileType.TAR
    if b"\0" in data:
        return FileType.BYTES
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut by the end of the window.
        if len(data) - error.start > 3:
            return FileType.BYTES
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b\b" for byte in data[:4096])
    return FileType.BYTES if control * 20 > min(len(data), 4096) else FileType.TEXT


def image_facts(data: bytes) -> str | None:
    """Return format and size of an image from its header, or None when it is not an image."""
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


def hex_lines(window: FileWindow) -> list[str]:
    """Format bytes as a hex dump, sixteen per line."""
    lines = []
    for start in range(0, len(window.data), 16):
        part = window.data[start : start + 16]
        numbers = " ".join(part[at : at + 8].hex(" ") for at in (0, 8))
        letters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        lines.append(f"{window.offset + start:08x}  {numbers:<49} {letters}")
    return lines


def _read_local(path: str, offset: int, length: int) -> FileWindow:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            total = os.fstat(descriptor).st_size
            start = max(0, total + offset) if offset < 0 else offset
            return FileWindow(start, os.pread(descriptor, length, start), total)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise NoSuchFileError(f"{path}: no such file or directory") from None
    except OSError as error:
        raise FilesError(f"{path} can't be read: {error.strerror}") from None


def _tar_names(path: str) -> list[str]:
    lines = []
    try:
        with tarfile.open(Path(path), "r:*") as tar:
            for member in tar:
                slash = "/" if member.isdir() else ""
                lines.append(f"{member.mode & 0o777:03o} {member.size:>12,}  {member.name}{slash}")
                if len(lines) >= MAX_NAMES:
                    break
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FilesError(f"{path} is not a valid archive: {error}") from None
    return lines


def _zip_names(data: bytes) -> list[str]:
    try:
        # Only the end of the file is available: zipfile finds the directory in it and corrects the offsets.
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()[:MAX_NAMES]
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise FilesError(f"not a valid archive: {error}") from None
    return [f"{each.file_size:>12,}  {each.filename}" for each in found]
