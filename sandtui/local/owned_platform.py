"""A platform that serves one process only: it ends with that process, however the process ends, and leaves nothing."""

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
"""Pause between two looks at who our parent is."""

STOP_SECONDS: Final = 10.0
"""Time the platform has to stop by itself before it is killed."""


class OwnedPlatform:
    """The owner's side. The platform reads a pipe of ours and stops at its end, so even ``kill -9`` here ends it."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def spawn(self) -> None:
        """Begin to start the platform. From now on it ends with this process, and removes what both have written.

        Raises:
            LocalError: its state directory can't be used.
        """
        with self._lock:
            self._spawn()

    def start(self) -> Endpoint:
        """Start the platform unless it runs, and wait until it accepts requests; call it in a thread.

        Raises:
            LocalError: it could not be started, or :meth:`stop` was called.
        """
        with self._lock:
            return service.await_endpoint(self._spawn(), self._settings)

    def stop(self) -> None:
        """Stop the platform and wait for its end."""
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
    """The platform's side: notices that the process on whose behalf it runs has ended."""

    def __init__(self, pipe: int, scratch: Path) -> None:
        self._pipe = pipe
        self._scratch = scratch
        self._parent = os.getppid()

    def watch(self, stop: Callable[[], object]) -> None:
        """Call ``stop``, from a thread, once the owner has ended; end this process if that does not help."""
        threading.Thread(target=self._wait, args=(stop,), name="owner", daemon=True).start()

    def clean_up(self) -> None:
        """Remove the directory in which the owner and the platform kept everything."""
        remove_scratch(self._scratch)

    def _wait(self, stop: Callable[[], object]) -> None:
        # The parent is looked at too: another process may have inherited the pipe and keep it open.
        while os.getppid() == self._parent and not _is_at_end(self._pipe):
            pass
        with contextlib.suppress(RuntimeError):
            # The event loop may have ended a moment ago.
            stop()
        threading.Event().wait(STOP_SECONDS)
        self.clean_up()
        os._exit(1)


def _is_at_end(pipe: int) -> bool:
    """Wait a while; return whether nobody holds the other end of a pipe any more."""
    readable, _, _ = select.select([pipe], [], [], PARENT_SECONDS)
    return bool(readable) and not os.read(pipe, 1)
