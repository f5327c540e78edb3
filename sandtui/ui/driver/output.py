"""Writes to the terminal in a thread, so that a terminal that does not read cannot block the program."""

from __future__ import annotations

import errno
import os
import select
import signal
import termios
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import sleep

MOST_PENDING = 8 << 20
"""Maximum bytes pending for a terminal that does not read; drawings beyond are dropped and redrawn later."""

PIECE = 1 << 16

SLICE = 2048
"""Bytes per write: at most this much of a drawing is still written when the rest is discarded."""

CANCEL = b"\x18\x1b\\"
"""Ends the sequence or string in which a drawing was cut off."""

RETRY_SECONDS = 0.01

END_OF_FRAME = b"\x1b[?2026l"
"""Ends a synchronized update, whose end may have been dropped."""


class TerminalOutput:
    """Writes to a terminal in order.

    ``gone`` is called, in the thread, when the terminal is gone. ``caught_up`` is called when output was dropped and
    all the rest is written. Writing starts when ``after``, an output that was stopped, has finished.
    """

    def __init__(
        self,
        fileno: int,
        gone: Callable[[], None],
        caught_up: Callable[[], None],
        after: TerminalOutput | None = None,
    ) -> None:
        self._fileno = fileno
        self._after = after
        self._gone, self._caught_up = gone, caught_up
        self._pieces: deque[tuple[bytes, bool]] = deque()
        self._pending = 0
        self._dropped = False
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sandtui-output", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def write(self, text: str, *, needed: bool = False) -> None:
        """Queue a text. ``needed`` output, such as a mode change, is never dropped."""
        data = text.encode("utf-8", "replace")
        with self._changed:
            if self._ended:
                return
            if self._pending > MOST_PENDING and not needed:
                self._dropped = True
                return
            self._pieces.append((data, needed))
            self._pending += len(data)
            self._changed.notify_all()

    @property
    def is_writing(self) -> bool:
        """Whether output is still pending."""
        return self._thread.is_alive()

    def stop(self, seconds: float) -> bool:
        """Write pending output for at most ``seconds``, then end; return whether all of it was written.

        Needed output is written even later, if the terminal accepts it before the process exits.
        """
        with self._changed:
            written = self._changed.wait_for(lambda: self._ended or not self._pending, seconds)
            written = written and not self._pending
            self._ended = True
            self._pieces = deque(piece for piece in self._pieces if piece[1])
            self._changed.notify_all()
        if written:
            self._thread.join(seconds)
        # Otherwise the thread is stuck in a write; as a daemon it does not keep the process alive.
        return written

    def discard_untaken(self, seconds: float) -> None:
        """Discard what the kernel holds for a terminal that does not read, to make room for needed output.

        Only after :meth:`stop`, and in the main thread. Drawings are lost.
        """
        with suppress(termios.error):
            termios.tcflush(self._fileno, termios.TCOFLUSH)
        # The kernel does not wake the blocked write for the room that this makes, so a signal restarts it.
        before = signal.signal(signal.SIGUSR1, lambda *_: None)
        try:
            if self._thread.ident is not None and self._thread.is_alive():
                signal.pthread_kill(self._thread.ident, signal.SIGUSR1)
            self._thread.join(seconds)
        finally:
            signal.signal(signal.SIGUSR1, before)

    def _run(self) -> None:
        if self._after is not None:
            self._after._thread.join()
            self._after = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or bool(self._pieces))
                if not self._pieces:
                    return
                data, needed = self._next()
            try:
                self._write(data, needed=needed)
            except OSError:
                # EIO and the like: the window was closed, or its connection is lost.
                with self._changed:
                    self._ended = True
                    self._pieces.clear()
                    self._pending = 0
                    self._changed.notify_all()
                self._gone()
                return
            with self._changed:
                self._pending -= len(data)
                caught_up = self._dropped and not self._pieces
                if caught_up:
                    self._dropped = False
                    self._pieces.append((END_OF_FRAME, True))
                    self._pending += len(END_OF_FRAME)
                self._changed.notify_all()
            if caught_up:
                self._caught_up()

    def _next(self) -> tuple[bytes, bool]:
        taken, size, needed = [], 0, self._pieces[0][1]
        while self._pieces and self._pieces[0][1] == needed and size < PIECE:
            taken.append(self._pieces.popleft()[0])
            size += len(taken[-1])
        return b"".join(taken), needed

    def _write(self, data: bytes, *, needed: bool) -> None:
        view = memoryview(data)
        while view:
            if self._ended and not needed:
                view, needed = memoryview(CANCEL), True
            try:
                view = view[os.write(self._fileno, view[:SLICE]) :]
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                    raise
                # Another program left the terminal in non-blocking mode. The kernel calls a full terminal writable.
                select.select([], [self._fileno], [], 1.0)
                sleep(RETRY_SECONDS)
