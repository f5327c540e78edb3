"""A program with one fault, to see that the soak test finds it: ``python -m tests.soak --stub FAULT``."""

import os
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import tty

ENTER, LEAVE = "\x1b[?1049h\x1b[?1003h\x1b[?25l", "\x1b[?1003l\x1b[?1049l\x1b[?25h"
CLOCK = 0.2


def paint() -> None:
    for line in range(shutil.get_terminal_size().lines):
        sys.stdout.write(f"\x1b[{line + 1};1Hline {line}")
    sys.stdout.flush()


def main(fault: str) -> int:
    before = termios.tcgetattr(0)
    tty.setraw(0)
    signal.signal(signal.SIGWINCH, lambda *_: fault == "frozen" or paint())
    sys.stdout.write(ENTER)
    paint()
    end = time.monotonic() + 1
    try:
        while not (fault == "ends" and time.monotonic() > end):
            sys.stdout.write(f"\x1b[1;1H{time.monotonic()}")
            sys.stdout.flush()
            if select.select([] if fault == "deaf" else [0], [], [], CLOCK)[0] and b"\x11" in os.read(0, 1024):
                break
            if fault == "fails" and time.monotonic() > end:
                raise ValueError("of the stub")
    finally:
        sys.stdout.write(LEAVE if fault != "dirty" else LEAVE.replace("\x1b[?1003l", ""))
        sys.stdout.flush()
        termios.tcsetattr(0, termios.TCSANOW, before)
    if fault == "child":
        subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return 0


sys.exit(main(sys.argv[1]))
