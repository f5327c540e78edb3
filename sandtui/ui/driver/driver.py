"""Textual's driver for Linux and macOS, with our own reader, writer and signal handlers.

The terminal never blocks the event loop: threads read and write, and every wait for them is bounded. When the terminal
is gone, the app is notified and exits.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import sys
import termios
import threading
import tty
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, cast

from textual import constants, events
from textual.drivers.linux_driver import (
    KITTY_DISAMBIGUATE_ESCAPE_CODES,
    KITTY_REPORT_ALL_KEYS,
    KITTY_REPORT_ASSOCIATED_TEXT,
    LinuxDriver,
)
from textual.message import Message

from sandtui.ui.driver.input import InputReader
from sandtui.ui.driver.output import TerminalOutput
from sandtui.ui.driver.picture import Picture

if TYPE_CHECKING:
    from textual.app import App

LOG = logging.getLogger("sandtui.ui")

LAST_WRITES_SECONDS = 1.0
"""How long to wait at the end for the terminal to accept the remaining output."""

REPORT_SECONDS = 0.1
"""How long after SIGWINCH the terminal's own resize report may arrive."""

READ_SIZE = 1 << 16

KITTY_FLAGS = KITTY_DISAMBIGUATE_ESCAPE_CODES | KITTY_REPORT_ALL_KEYS | KITTY_REPORT_ASSOCIATED_TEXT

ENTER = "\x1b[?1049h\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h\x1b[?25l\x1b[?1004h"
"""Alternate screen, mouse reports, no cursor, focus reports."""

ENTER_AFTER_INPUT = "\x1b[?2048$p\x1b[?2004h\x1b[?7l"
"""Query for in-band resizes; bracketed paste; no automatic wrap."""

LEAVE = "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1016l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"
LEAVE_SCREEN = "\x1b[?1049l\x1b[?25h\x1b[?1004l"


class TerminalOwner(Protocol):
    """What the driver needs of the app, in addition to Textual's own methods."""

    def terminal_gone(self) -> None:
        """Exit, because the terminal is gone."""

    def repaint(self) -> None:
        """Redraw the whole screen."""

    def stop_requested(self) -> None:
        """Suspend the process, after ctrl+z or SIGTSTP."""


class InputEnded(Message, bubble=False):
    """Posted behind the last event of the input that was read before reading ended for the ``number``-th time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class TerminalDriver(LinuxDriver):
    """Writes to the terminal of standard error, and reads from that of standard input."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._output: TerminalOutput | None = None
        self._reader: _InputThread | None = None
        self._untaken: TerminalOutput | None = None
        self._is_gone = False
        self._has_set_keys = False
        self.readers_ended = 0
        """How often reading was ended: each time an :class:`InputEnded` follows."""
        self.picture = Picture()
        assert sys.__stderr__ is not None
        self._output_fileno = sys.__stderr__.fileno()
        self._drawn_on = [number for number in (1, self._output_fileno) if os.isatty(number)]
        self.take_signals()

    def take_signals(self) -> None:
        """Handle SIGTSTP and SIGCONT in the event loop.

        Textual's handlers would write to the terminal wherever the signal interrupts the program.
        """
        self._loop.add_signal_handler(signal.SIGTSTP, lambda: self._owner.stop_requested())
        # After two turns of the loop: a SIGCONT that continued the process just now may still be pending.
        self._loop.call_soon(self._loop.call_soon, self._handle_continue)

    def _handle_continue(self) -> None:
        self._loop.add_signal_handler(signal.SIGCONT, self._continued)

    @property
    def _owner(self) -> TerminalOwner:
        return cast("TerminalOwner", self._app)

    @property
    def is_started(self) -> bool:
        """Whether the terminal is in application mode."""
        return self._output is not None

    @property
    def is_left(self) -> bool:
        """Whether application mode was left and all output accepted."""
        return self._output is None and not (self._untaken is not None and self._untaken.is_writing)

    # Called by Textual

    def write(self, data: str) -> None:
        """Write, in application mode only."""
        if self._output is not None:
            self._output.write(data)

    def flush(self) -> None:
        """Do nothing: the thread writes without buffering."""

    def send_message(self, message: Message) -> None:
        """Post a message to the app from any thread, in order."""
        # The loop may be closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._app.post_message, message)

    def start_application_mode(self) -> None:
        """Enter application mode."""
        if self._output is not None:
            return
        untaken, self._untaken = self._untaken, None
        self.picture.forget()
        self._output = TerminalOutput(self._output_fileno, self.terminal_gone, self._caught_up, untaken)
        self._output.start()
        self._loop.add_signal_handler(signal.SIGWINCH, self._window_changed)
        self._send_size()
        self._write_mode(ENTER if self._mouse else ENTER.replace("\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h", ""))
        self._make_raw()
        if not constants.DISABLE_KITTY_KEY:
            # Ctrl+z typed ahead has the kernel discard output that the terminal has not read, such as the end of these
            # flags: they must not be there twice. Without them this does nothing.
            self._write_mode(f"\x1b[<u\x1b[>{KITTY_FLAGS}u" if self._has_set_keys else f"\x1b[>{KITTY_FLAGS}u")
            self._has_set_keys = True
        self._reader = _InputThread(self)
        self._reader.start()
        # Apple's terminal would show a letter of the query for synchronized updates.
        if self.input_tty and os.environ.get("TERM_PROGRAM", "") != "Apple_Terminal":
            self._write_mode("\x1b[?2026$p")
        self._write_mode(ENTER_AFTER_INPUT)

    def disable_input(self) -> None:
        """Stop reading; keys typed from now on are for the next program."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.end()
            self.readers_ended += 1
            # Behind all that it has read, and before anything that the next one reads.
            self._loop.call_soon(self._app.post_message, InputEnded(self.readers_ended))
            self._loop.remove_signal_handler(signal.SIGWINCH)

    def stop_application_mode(self) -> None:
        """Leave application mode and restore the terminal."""
        if self._output is None:
            return
        self.disable_input()
        self._write_mode(LEAVE)
        if not constants.DISABLE_KITTY_KEY:
            # Before the screen is left: each screen has a stack of these flags.
            self._write_mode("\x1b[<u")
        self._write_mode(LEAVE_SCREEN)
        output, self._output = self._output, None
        if not output.stop(LAST_WRITES_SECONDS):
            self._untaken = output
            LOG.warning("the terminal did not accept all output")
        self._in_band_window_resize = False
        self._mouse_pixels = False
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    def close(self) -> None:
        """Do nothing: leaving application mode has stopped everything."""

    def finish(self) -> None:
        """If the terminal is stuck or gone, redirect output to /dev/null, so that it neither blocks nor fails."""
        if self._untaken is not None and self._untaken.is_writing and not self._is_gone:
            # When the terminal reads again, its modes are restored.
            self._untaken.discard_untaken(LAST_WRITES_SECONDS)
        # Another program may have used it last. Polling is not enough: the kernel calls a full terminal writable.
        probe = TerminalOutput(self._output_fileno, self.terminal_gone, lambda: None, self._untaken)
        probe.start()
        probe.write("\x1b[0m")
        if not probe.stop(LAST_WRITES_SECONDS) or self._is_gone:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for number in self._drawn_on:
                os.dup2(nowhere, number)
            os.close(nowhere)

    # The terminal

    def _write_mode(self, data: str) -> None:
        if self._output is not None:
            self._output.write(data, needed=True)

    def _enable_in_band_window_resize(self) -> None:
        self._write_mode("\x1b[?2048h")

    def _enable_mouse_pixels(self) -> None:
        if self._mouse:
            self._write_mode("\x1b[?1016h")
            self._mouse_pixels = True

    def _make_raw(self) -> None:
        try:
            self.attrs_before = termios.tcgetattr(self.fileno)
            attributes = termios.tcgetattr(self.fileno)
            attributes[tty.LFLAG] = self._patch_lflag(attributes[tty.LFLAG])
            attributes[tty.IFLAG] = self._patch_iflag(attributes[tty.IFLAG])
            attributes[tty.CC][termios.VMIN] = 1
            attributes[tty.CC][termios.VTIME] = 0
            termios.tcsetattr(self.fileno, termios.TCSANOW, attributes)
        except termios.error:
            # Not a terminal, or gone: reading will fail.
            self.attrs_before = None

    def _window_changed(self) -> None:
        if self._in_band_window_resize:
            # The report includes pixels, but may not arrive: the window may change just before the terminal turns
            # reports on, or a multiplexer may drop them.
            self._loop.call_later(REPORT_SECONDS, self._send_missed_size)
        else:
            self._send_size()

    def _send_missed_size(self) -> None:
        if self._output is not None and self._app.size != self._get_terminal_size():
            self._send_size()

    def _send_size(self) -> None:
        width, height = self._get_terminal_size()
        self._app.post_message(events.Resize.from_dimensions((width, height), None))

    def _continued(self) -> None:
        """Enter application mode again after SIGCONT: a shell may have changed the modes."""
        # Closing a window sends SIGCONT too.
        if self._output is None or not self._auto_restart or self._is_gone:
            return
        self.stop_application_mode()
        self.start_application_mode()
        self._owner.repaint()

    def terminal_gone(self) -> None:
        """Report from any thread that the terminal is gone."""
        self._is_gone = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._owner.terminal_gone)

    def _caught_up(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._owner.repaint)


class _InputThread:
    """Reads the terminal until it is ended."""

    def __init__(self, driver: TerminalDriver) -> None:
        self._driver = driver
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="sandtui-input", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """End, and discard input that was not read."""
        with suppress(OSError):
            # If the terminal is gone, the thread has ended by itself.
            os.write(self._wake_write, b"x")
        self._thread.join(LAST_WRITES_SECONDS)
        os.close(self._wake_write)
        with suppress(termios.error):
            termios.tcflush(self._driver.fileno, termios.TCIFLUSH)

    def _run(self) -> None:
        driver, reader = self._driver, InputReader()
        try:
            with selectors.DefaultSelector() as selector:
                try:
                    selector.register(driver.fileno, selectors.EVENT_READ)
                except OSError:
                    # A regular file cannot be polled: there is no terminal to read.
                    return
                selector.register(self._wake_read, selectors.EVENT_READ)
                while True:
                    wait = None if reader.deadline is None else max(0.0, reader.deadline - monotonic())
                    ready = {key.fd for key, _ in selector.select(wait)}
                    if self._wake_read in ready:
                        return
                    found: list[Message] = []
                    if driver.fileno in ready:
                        data = _read(driver.fileno)
                        if data == b"":
                            driver.terminal_gone()
                            return
                        found = reader.feed(data or b"", monotonic())
                    found += reader.expire(monotonic())
                    for message in found:
                        driver.process_message(message)
        finally:
            os.close(self._wake_read)


def _read(fileno: int) -> bytes | None:
    """Return the input, None if there is none, or an empty value if the terminal is gone."""
    try:
        return os.read(fileno, READ_SIZE)
    except BlockingIOError:
        # Another program has left the terminal in non-blocking mode.
        return None
    except OSError:
        return b""
