"""A platform for one process: it ends with that process, however the process ends, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sandtui.local import service
from sandtui.local.service import Endpoint
from sandtui.local.settings import LocalError, PlatformSettings
from sandtui.scratch import remove_scratch

PARENT_SECONDS: Final = 2.0
"""Pause between two checks of the parent process."""

STOP_SECONDS: Final = 10.0
"""Seconds that the platform has to stop before it is killed."""


class OwnedPlatform:
    """The owner's side. The platform stops when a pipe of the owner is closed, so it ends even with ``kill -9``."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def spawn(self) -> None:
        """Begin to start the platform. From now on it ends with this process, and removes all that both have written.

        Raises:
            LocalError: its state directory cannot be used.
        """
        with self._lock:
            self._spawn()

    def start(self) -> Endpoint:
        """Start the platform unless it runs, and wait until it accepts requests. Blocks; call it in a thread.

        Raises:
            LocalError: it could not be started, or :meth:`stop` was called.
        """
        with self._lock:
            return service.await_endpoint(self._spawn(), self._settings)

    def stop(self) -> None:
        """Stop the platform and wait until its process has ended."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            if process is None:
                return
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise LocalError("The platform was stopped.")
        if self._process is None or self._process.poll() is not None:
            self._process = service.spawn_owned(self._settings)
        return self._process


class OwnerWatch:
    """The platform's side: notices the end of the process that owns the platform."""

    def __init__(self, pipe: int, scratch: Path) -> None:
        self._pipe = pipe
        self._scratch = scratch
        self._parent = os.getppid()

    def watch(self, stop: Callable[[], object]) -> None:
        """Call ``stop`` from a thread once the owner has ended; exit this process if that does not help."""
        threading.Thread(target=self._wait, args=(stop,), name="owner", daemon=True).start()

    def clean_up(self) -> None:
        """Remove the directory with everything that the owner and the platform wrote."""
        remove_scratch(self._scratch)

    def _wait(self, stop: Callable[[], object]) -> None:
        # Check the parent too: another process may have inherited the pipe and keep it open.
        while os.getppid() == self._parent and not _is_at_end(self._pipe):
            pass
        with contextlib.suppress(RuntimeError):
            # The event loop may have ended just now.
            stop()
        threading.Event().wait(STOP_SECONDS)
        self.clean_up()
        os._exit(1)


def _is_at_end(pipe: int) -> bool:
    """Wait a while; return whether the other end of a pipe is closed."""
    readable, _, _ = select.select([pipe], [], [], PARENT_SECONDS)
    return bool(readable) and not os.read(pipe, 1)
