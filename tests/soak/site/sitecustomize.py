"""Imported by each Python that the soak test starts: SIGUSR2 writes down where every thread is."""

import faulthandler
import os
import signal

if folder := os.environ.get("SANDTUI_SOAK_STACKS"):
    # Stays open: the handler writes to it whenever the signal comes.
    stream = open(f"{folder}/{os.getpid()}.txt", "w")  # noqa: SIM115, PTH123
    faulthandler.register(signal.SIGUSR2, file=stream, all_threads=True)
