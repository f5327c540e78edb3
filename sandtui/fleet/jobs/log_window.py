"""A log in a sandbox, read in windows: only what is viewed is fetched, however large the log is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, NotFoundError, SandboxFileNotFoundError
from sandtui.client.models import ReadFileResponse
from sandtui.fleet.text.growing_line import GrowingLine, settled
from sandtui.fleet.text.sanitize import output_line

WINDOW = 64 * 1024
"""Bytes per read."""

MAX_CHARACTERS = 8_000_000
"""Characters of a log held in memory; beyond that the oldest lines are dropped."""

UNKNOWN = "\ufffd"

Read = Callable[[int, int], Awaitable[ReadFileResponse]]
"""Reads a window: an offset (negative: from the end) and a length, both in bytes."""


@dataclass(slots=True)
class Growth:
    """What a read changed: lines added before and after, lines dropped at the start, and whether all was replaced."""

    before: int = 0
    after: int = 0
    dropped: int = 0
    replaced: bool = False


def reader_of(client: AsyncSandboxClient, sandbox_id: str, path: str) -> Read:
    """Return a function that reads windows of a file in a sandbox."""

    async def read(offset: int, length: int) -> ReadFileResponse:
        return await client.read_file(sandbox_id, path, offset=offset, length=length)

    return read


class LogWindow:
    """The loaded lines of a log, safe to draw. Offsets are bytes in the file.

    ``start`` and ``end`` bound the loaded part, ``total`` is the last known size of the log, ``skipped`` the bytes
    that were skipped because the log grew faster than it was read, ``fetched`` the bytes that were read.
    """

    def __init__(self, read: Read, window: int = WINDOW) -> None:
        self._read, self._window = read, window
        self.lines: list[str] = []
        self._recent = ""
        self._line = GrowingLine()
        self._open_shown = False
        self._character_cut = False
        self._first: GrowingLine | None = None
        self.start = self.end = self.total = self.skipped = self.fetched = 0
        self.loaded = False
        self.missing = False

    @property
    def at_start(self) -> bool:
        """Whether the start of the log is loaded."""
        return self.start == 0

    @property
    def text(self) -> str:
        """The loaded lines as text."""
        return "".join(line + "\n" for line in self.lines)

    async def read_end(self) -> Growth:
        """Read the end of the log, replacing what was loaded.

        Raises:
            SandboxClientError: it could not be read; a log that does not exist sets ``missing`` instead.
        """
        response = await self._fetch(-self._window, self._window)
        self._clear()
        if response is None:
            self.start = self.end = self.total = 0
            return Growth(replaced=True)
        whole = response.total_size is None
        self.start = 0 if whole else response.offset or 0
        self.end = self.start + response.size
        self.total = self.end if response.total_size is None else response.total_size
        text = response.content
        if self.start and not whole:
            # The first line is cut, maybe inside a character: leave it to the window before, unless it is all there is.
            head, found, rest = text.partition("\n")
            if found and rest and UNKNOWN not in head:
                self.start += len(head.encode("utf-8", "surrogatepass")) + 1
                text = rest
            else:
                text = text.lstrip(UNKNOWN)
                self._first = self._line
        self._append(text)
        self.loaded = True
        return Growth(after=len(self.lines), replaced=True)

    async def read_more(self) -> Growth:
        """Read what was added since; after growth of more than four windows, jump to the end.

        Raises:
            SandboxClientError: it could not be read.
        """
        if not self.loaded or self.missing:
            return await self.read_end()
        overlap = min(3, self.end) if self._recent.endswith(UNKNOWN) else 0
        response = await self._fetch(self.end - overlap, self._window)
        if response is None:
            return Growth()
        if response.total_size is None or response.total_size < self.end:
            # The platform does not support windows, or the log was rewritten: the loaded part is stale.
            return await self.read_end()
        if response.total_size - self.end > 4 * self._window:
            self.skipped += response.total_size - self.end - self._window
            return await self.read_end()
        self.total = response.total_size
        if response.size <= overlap:
            return Growth()
        content = response.content
        if overlap:
            fitting = new_part(self._recent.removesuffix(UNKNOWN), content, overlap)
            if fitting is None:
                response, overlap = await self._fetch(self.end, self._window), 0
                if response is None:
                    return Growth()
                content = response.content
            else:
                self._drop_cut_character()
                content = fitting
        before = len(self.lines)
        self.end += response.size - overlap
        self._append(content)
        dropped = self._trim_start()
        return Growth(after=len(self.lines) + dropped - before, dropped=dropped)

    async def read_before(self) -> Growth:
        """Read the window before the loaded part.

        Raises:
            SandboxClientError: it could not be read.
        """
        if not self.loaded or self.at_start:
            return Growth()
        wanted = max(0, self.start - self._window)
        response = await self._fetch(wanted, self.start - wanted)
        if response is None:
            return Growth()
        text = response.content
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
            response = await self._read(offset, length)
        except (NotFoundError, SandboxFileNotFoundError):
            self.missing = True
            return None
        self.missing = False
        self.fetched += response.size
        return response

    def _append(self, text: str) -> None:
        """Append text; the last line grows until its newline arrives."""
        self._recent = (self._recent + text)[-8:]
        self._hide_open()
        if self._character_cut:
            text = UNKNOWN + text
        # A character cut by the end of the window is shown as such, and may change with the next window.
        self._character_cut = text.endswith(UNKNOWN)
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
        text = self._line.text + (UNKNOWN if self._character_cut else "")
        if text:
            self.lines.append(output_line(text))
            self._open_shown = True

    def _drop_cut_character(self) -> None:
        """Drop the incomplete character at the end."""
        self._character_cut = False
        self._recent = self._recent.removesuffix(UNKNOWN)

    def _join(self, before: str) -> None:
        """Prepend the missing start of the first line, which was loaded in part."""
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

    def _clear(self) -> None:
        self.lines = []
        self._recent = ""
        self._line = GrowingLine()
        self._open_shown = False
        self._character_cut = False
        self._first = None

    def _trim_start(self) -> int:
        surplus = sum(map(len, self.lines)) - MAX_CHARACTERS if len(self.lines) > 1000 else 0
        dropped = 0
        while surplus > 0 and dropped < len(self.lines) - 1000:
            surplus -= len(self.lines[dropped]) + 1
            dropped += 1
        if dropped:
            self.start += sum(len(line.encode("utf-8", "replace")) + 1 for line in self.lines[:dropped])
            del self.lines[:dropped]
            self._first = None
        return dropped


def new_part(before: str, content: str, overlap: int) -> str | None:
    """Return the new text of a window that repeats the last ``overlap`` bytes (at most three) of the one before.

    The last character of the window before was cut and is not in ``before``: one to three bytes of it were there.
    The number is found by comparing the start of the new window; None when none fits, as in data that is not text.
    """
    ending = before.encode("utf-8", "replace")[-3:]
    for cut in range(overlap, 0, -1):
        repeated = ending[max(0, len(ending) - (overlap - cut)) :] if cut < overlap else b""
        lead = repeated.decode("utf-8", "replace")
        if not content.startswith(lead):
            continue
        new = content[len(lead) :]
        # A character longer than the cut part is whole now; any other may still be cut.
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
