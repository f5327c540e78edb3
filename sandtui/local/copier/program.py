"""Carries out one copy: what to copy comes in as a line of JSON, and each event goes out as one.

The platform may be killed at any moment, and nothing may stay frozen or half copied then. So this is a process of its
own, in a session of its own. When its input closes, it resumes the sandbox, removes its copy and ends.
"""

from __future__ import annotations

import _thread
import json
import os
import sys
import time

from sandtui.local.copier import images, owners, trees
from sandtui.local.copier.freezing import Freeze, sync_file_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def main() -> None:
    """Read a job, carry it out and end."""
    os.umask(0o077)
    with open(0, "rb", closefd=False) as lines:
        line = lines.readline()
    if not line:
        return
    job = json.loads(line)
    work = CopyJob(job)
    _thread.start_new_thread(_wait_for_end, (work,))
    try:
        work.run()
    except BaseException as error:
        work.resume()
        work.remove()
        code = error.errno if isinstance(error, OSError) else None
        _say({"error": (isinstance(error, OSError) and error.strerror) or str(error) or repr(error), "errno": code})
        os._exit(1)
    os._exit(0)


class CopyJob:
    """A copy. ``capture`` copies files of a running sandbox, ``restore`` makes files for a new one."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._freeze: Freeze | None = None
        if job["op"] == "capture":
            self._freeze = Freeze(job["marker"], job["agent"], job["group"], job["mounted"], job["device"])

    def run(self) -> None:
        """Carry it out."""
        if self._job["op"] == "capture":
            self._capture(self._freeze)
        else:
            self._restore()

    def resume(self) -> None:
        """Let the sandbox go on, if it is stopped."""
        if self._freeze is not None:
            self._freeze.end()

    def remove(self) -> None:
        """Remove the incomplete copy."""
        target = self._job["target"]
        if os.path.isdir(target) and not os.path.islink(target):
            try:
                trees.clear(target)
                os.rmdir(target)
            except OSError:
                pass  # the platform removes it as well
        else:
            try:
                os.unlink(target)
            except OSError:
                pass

    def _capture(self, freeze: Freeze | None) -> None:
        assert freeze is not None
        source, target = self._job["source"], self._job["target"]
        if self._job["kind"] == "image":
            occupied, seconds = _capture_image(source, target, self._job["reserve"], freeze)
        else:
            copy = trees.StagedCopy(source, target, self._job["reserve"])
            copy.prepare(lambda: sync_file_system(source))
            freeze.begin()
            started = time.monotonic()
            try:
                occupied = copy.complete()
            finally:
                freeze.end()
            seconds = time.monotonic() - started
        _say({"captured": True, "frozen_seconds": seconds})
        _make_durable(target)
        _say({"done": True, "occupied_bytes": occupied})

    def _restore(self) -> None:
        source, target = self._job["source"], self._job["target"]
        old, new = self._job["old_first"], self._job["new_first"]
        if self._job["kind"] == "image":
            images.copy_image(source, target, self._job["reserve"])
            if old != new and old is not None and new is not None:
                owners.shift_owners(target, old, new)
        else:
            trees.copy_tree(source, target, self._job["reserve"], old, new)
        _say({"done": True})


def _capture_image(source: str, target: str, reserve: int, freeze: Freeze) -> tuple[int, float]:
    """Copy most of an image while the sandbox runs, and what has changed since then while it stands still."""
    shares = images.can_share(source, target)
    freeze.sync()
    copy: Callable[[], int]
    if shares:
        copy = lambda: images.share_image(source, target)  # noqa: E731
    else:
        images.copy_image(source, target, reserve)
        # What was written meanwhile goes to the image now, and not while everything waits for it.
        freeze.sync()
        images.update_image(source, target)
        freeze.sync()
        copy = lambda: images.update_image(source, target)  # noqa: E731
    freeze.begin()
    started = time.monotonic()
    try:
        freeze.file_system()
        occupied = copy()
    finally:
        freeze.end()
    return occupied, time.monotonic() - started


def _make_durable(target: str) -> None:
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.path.isdir(target):
            sync_file_system(target)
        os.fsync(fd)
    finally:
        os.close(fd)
    above = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _wait_for_end(work: CopyJob) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    work.resume()
    work.remove()
    os._exit(1)


def _say(message: dict[str, Any]) -> None:
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        sys.exit(1)
