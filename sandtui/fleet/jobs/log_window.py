"""A log in a sandbox, read by windows: however large it is, only what is looked at is fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, NotFoundError, SandboxFileNotFoundError
from sandtui.client.models import ReadFileResponse
from sandtui.fleet.text.growing_line import GrowingLine, settled
from sandtui.fleet.text.sanitize import output_line

WINDOW = 64 * 1024
"""Bytes of one read."""

MOST_CHARACTERS = 8_000_000
"""Characters that are kept of a log; the end that is farther from the reader is dropped."""

UNKNOWN = "\ufffd"

Read = Callable[[int, int], Awaitable[ReadFileResponse]]
"""Reads a window: an offset, negative from the end, and a length, both in bytes."""


@dataclass(slots=True)
class Growth:
    """What a read changed: lines that came before and after, lines dropped before, and whether all is new."""

    before: int = 0
    after: int = 0
    dropped: int = 0
    anew: bool = False


def reader_of(client: AsyncSandboxClient, sandbox_id: str, path: str) -> Read:
    """Return what reads windows of a file in a sandbox."""

    async def read(offset: int, length: int) -> ReadFileResponse:
        return await client.read_file(sandbox_id, path, offset=offset, length=length)

    return read


class LogWindow:
    """The lines of a log that are known, safe to draw. Offsets are bytes in the file.

    ``start`` and ``end`` bound what is held, ``total`` is the size that was told last, ``skipped`` the bytes that
    were passed over because the log grew faster than it was read. ``fetched`` counts the bytes that were read.
    """

    def __init__(self, read: Read, window: int = WINDOW) -> None:
        self._read, self._window = read, window
        self.lines: list[str] = []
        self._recent = ""
        self._line = GrowingLine()
        self._open_shown = False
        self._letter_cut = False
        self._first: GrowingLine | None = None
        self.start = self.end = self.total = self.skipped = self.fetched = 0
        self.loaded = False
        self.missing = False

    @property
    def at_start(self) -> bool:
        """Whether nothing stands before what is held."""
        return self.start == 0

    @property
    def text(self) -> str:
        """What is held, as it is shown."""
        return "".join(line + "\n" for line in self.lines)

    async def read_end(self) -> Growth:
        """Read the end of the log anew.

        Raises:
            SandboxClientError: it could not be read; a log that is not there is no error, but ``missing``.
        """
        reply = await self._fetch(-self._window, self._window)
        self._forget_lines()
        if reply is None:
            self.start = self.end = self.total = 0
            return Growth(anew=True)
        whole = reply.total_size is None
        self.start = 0 if whole else reply.offset or 0
        self.end = self.start + reply.size
        self.total = self.end if reply.total_size is None else reply.total_size
        text = reply.content
        if self.start and not whole:
            # The first line is cut, maybe inside a letter: it belongs to what stands before, unless it is all there is.
            head, found, rest = text.partition("\n")
            if found and rest and UNKNOWN not in head:
                self.start += len(head.encode("utf-8", "surrogatepass")) + 1
                text = rest
            else:
                text = text.lstrip(UNKNOWN)
                self._first = self._line
        self._append(text)
        self.loaded = True
        return Growth(after=len(self.lines), anew=True)

    async def read_more(self) -> Growth:
        """Read what was added since; a log that grew by more than some windows is joined at its end.

        Raises:
            SandboxClientError: it could not be read.
        """
        if not self.loaded or self.missing:
            return await self.read_end()
        overlap = min(3, self.end) if self._recent.endswith(UNKNOWN) else 0
        reply = await self._fetch(self.end - overlap, self._window)
        if reply is None:
            return Growth()
        if reply.total_size is None or reply.total_size < self.end:
            # The platform has no windows, or the log was written anew: what is held tells nothing about it.
            return await self.read_end()
        if reply.total_size - self.end > 4 * self._window:
            self.skipped += reply.total_size - self.end - self._window
            return await self.read_end()
        self.total = reply.total_size
        if reply.size <= overlap:
            return Growth()
        content = reply.content
        if overlap:
            fitting = joined(self._recent.removesuffix(UNKNOWN), content, overlap)
            if fitting is None:
                reply, overlap = await self._fetch(self.end, self._window), 0
                if reply is None:
                    return Growth()
                content = reply.content
            else:
                self._take_back()
                content = fitting
        before = len(self.lines)
        self.end += reply.size - overlap
        self._append(content)
        dropped = self._trim_start()
        return Growth(after=len(self.lines) + dropped - before, dropped=dropped)

    async def read_before(self) -> Growth:
        """Read the window that stands before what is held.

        Raises:
            SandboxClientError: it could not be read.
        """
        if not self.loaded or self.at_start:
            return Growth()
        wanted = max(0, self.start - self._window)
        reply = await self._fetch(wanted, self.start - wanted)
        if reply is None:
            return Growth()
        text = reply.content
        offset = wanted
        if wanted:
            head, found, rest = text.partition("\n")
            if found and rest and UNKNOWN not in head:
                offset, text = wanted + len(head.encode("utf-8", "surrogatepass")) + 1, rest
        *lines, last = text.split("\n")
        if self._first is None:
            lines += [last] if last else []
        elif not self._first.over:
            self._join(last)
        begins_inside = 0 < wanted == offset
        if lines:
            self._first = _grown(lines[0]) if begins_inside else None
        elif not begins_inside:
            self._first = None
        self.lines[:0] = map(_shown, lines)
        self.start = offset
        return Growth(before=len(lines))

    async def _fetch(self, offset: int, length: int) -> ReadFileResponse | None:
        try:
            reply = await self._read(offset, length)
        except (NotFoundError, SandboxFileNotFoundError):
            self.missing = True
            return None
        self.missing = False
        self.fetched += reply.size
        return reply

    def _append(self, text: str) -> None:
        """Add text after what is held; the last line grows until its end comes."""
        self._recent = (self._recent + text)[-8:]
        self._hide_open()
        if self._letter_cut:
            text = UNKNOWN + text
        # A letter that the window's end has cut is shown, but may be another one with the next window.
        self._letter_cut = text.endswith(UNKNOWN)
        *whole, last = text.removesuffix(UNKNOWN).split("\n")
        for number, line in enumerate(whole):
            if number:
                self.lines.append(_shown(line))
            else:
                self._line.feed(line)
                self.lines.append(output_line(self._line.text))
        if whole:
            self._line = GrowingLine()
        self._line.feed(last)
        self._show_open()

    def _hide_open(self) -> None:
        if self._open_shown:
            self.lines.pop()
            self._open_shown = False

    def _show_open(self) -> None:
        text = self._line.text + (UNKNOWN if self._letter_cut else "")
        if text:
            self.lines.append(output_line(text))
            self._open_shown = True

    def _take_back(self) -> None:
        """Forget the letter at the end that was cut."""
        self._letter_cut = False
        self._recent = self._recent.removesuffix(UNKNOWN)

    def _join(self, before: str) -> None:
        """Put what stands before the first line, inside which what is held begins, in front of it."""
        if self._first is None:
            return
        whole = _grown(before)
        whole.feed(self._first.raw)
        if self._first is self._line:
            self._line = whole
            self._hide_open()
            self._show_open()
        else:
            self.lines[0] = output_line(whole.text)
        self._first = whole

    def _forget_lines(self) -> None:
        self.lines = []
        self._recent = ""
        self._line = GrowingLine()
        self._open_shown = False
        self._letter_cut = False
        self._first = None

    def _trim_start(self) -> int:
        surplus = sum(map(len, self.lines)) - MOST_CHARACTERS if len(self.lines) > 1000 else 0
        dropped = 0
        while surplus > 0 and dropped < len(self.lines) - 1000:
            surplus -= len(self.lines[dropped]) + 1
            dropped += 1
        if dropped:
            self.start += sum(len(line.encode("utf-8", "replace")) + 1 for line in self.lines[:dropped])
            del self.lines[:dropped]
            self._first = None
        return dropped


def joined(before: str, content: str, overlap: int) -> str | None:
    """Return what is new in a window that repeats the last ``overlap`` bytes, three at most, of the one before.

    The last letter of the window before was cut and is not in ``before``: it had one, two or three bytes there. The
    number that fits is found by what the new window begins with; None when none does, for bytes that are no text.
    """
    ending = before.encode("utf-8", "replace")[-3:]
    for cut in range(overlap, 0, -1):
        repeated = ending[max(0, len(ending) - (overlap - cut)) :] if cut < overlap else b""
        lead = repeated.decode("utf-8", "replace")
        if not content.startswith(lead):
            continue
        new = content[len(lead) :]
        # A letter that is longer than what was cut of it is whole now; one that is not may still be cut.
        whole = new[:1] not in {"", UNKNOWN} and len(new[0].encode("utf-8", "replace")) > cut
        if whole or (new == UNKNOWN and cut < 3):
            return new
    return None


def _grown(text: str) -> GrowingLine:
    line = GrowingLine()
    line.feed(text)
    return line


def _shown(line: str) -> str:
    return output_line(settled(line))
