"""Writing to the terminal never waits for it."""

import contextlib
import os
import pty
import threading
import tty

from sandtui.ui.driver.output import CANCEL, END_OF_FRAME, MOST_PENDING, TerminalOutput


class Ends:
    """Both ends of a terminal, and what the output reported."""

    def __init__(self):
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        self.gone, self.caught_up = threading.Event(), threading.Event()
        self.output = TerminalOutput(self.near, self.gone.set, self.caught_up.set)
        self.output.start()

    def read(self, size):
        taken = b""
        while len(taken) < size:
            taken += os.read(self.far, size - len(taken))
        return taken

    def close(self):
        self.output.stop(0.1)
        for end in (self.far, self.near):
            with contextlib.suppress(OSError):
                os.close(end)


def test_all_is_written_in_order():
    ends = Ends()
    for number in range(1000):
        ends.output.write(f"{number:04}")
    assert ends.read(4000) == b"".join(b"%04d" % number for number in range(1000))
    assert ends.output.stop(5)
    ends.close()


def test_a_terminal_that_does_not_read_holds_nothing_up_and_gets_a_whole_frame_later():
    ends = Ends()
    written = 0
    while written < 2 * MOST_PENDING:
        ends.output.write("x" * 65536)
        written += 65536
    ends.output.write("\x1b[?1049l", needed=True)
    # Not all was kept, and what changes modes was.
    tail = b""
    while not tail.endswith(END_OF_FRAME):
        tail = (tail + os.read(ends.far, 65536))[-64:]
    assert b"\x1b[?1049l" in tail
    assert ends.caught_up.wait(10)
    ends.close()


def test_ending_does_not_wait_for_a_terminal_that_does_not_read():
    ends = Ends()
    ends.output.write("x" * 1_000_000)
    assert not ends.output.stop(0.05)
    ends.close()


def test_a_terminal_that_is_gone_is_reported():
    ends = Ends()
    os.close(ends.far)
    ends.output.write("x" * 100_000)
    assert ends.gone.wait(10)
    ends.output.write("more")
    ends.close()


def test_what_the_terminal_did_not_take_comes_before_what_is_written_later():
    ends = Ends()
    ends.output.write("x" * 70_000)
    ends.output.write("a frame")
    ends.output.write("leave", needed=True)
    assert not ends.output.stop(0.05)
    assert ends.output.is_writing
    later = TerminalOutput(ends.near, ends.gone.set, ends.caught_up.set, ends.output)
    later.start()
    later.write("later")
    taken = b""
    while not taken.endswith(b"later"):
        taken += os.read(ends.far, 65536)
    drawn, cancel, rest = taken.partition(CANCEL)
    assert set(drawn) == set(b"x")
    assert cancel
    assert rest == b"leavelater"
    assert not ends.output.is_writing
    assert later.stop(5)
    ends.close()


def test_what_is_no_text_is_written_as_something_else():
    ends = Ends()
    ends.output.write("a\ud800é")
    assert ends.read(4) == "a?é".encode()
    ends.close()
