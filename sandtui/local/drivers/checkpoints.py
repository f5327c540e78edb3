"""Checkpoints and copies of the files of sandboxes in namespaces, which a process of its own makes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from sandtui.local.copier.freezing import undo
from sandtui.local.drivers.base import Captured, DriverError
from sandtui.local.drivers.cgroups import ControlGroup
from sandtui.local.drivers.disk_limits import is_mounted_from
from sandtui.local.drivers.launcher import INTERPRETER
from sandtui.local.files import private_directory, remove_tree
from sandtui.local.store.disk import RESERVE_BYTES
from sandtui.local.store.records import Attachment, SandboxRecord

COPIER: Final = Path(__file__).resolve().parent.parent / "copier" / "__main__.py"
MARKER: Final = "frozen.json"
IMAGE: Final = "disk.img"
_KEPT_FREE: Final = RESERVE_BYTES + 16 * 1024 * 1024
_STOP_SECONDS: Final = 15.0
_AT_ONCE: Final = 4
_ABOUT: Final = "about.json"

_log = logging.getLogger(__name__)


class Layer(NamedTuple):
    """Files of a sandbox: a mounted ``image`` or a ``tree``."""

    kind: str
    path: Path
    first_uid: int | None


Running = Callable[[SandboxRecord, Attachment | None], tuple[int, Layer]]


class Copies:
    """Runs the copier: one process for each copy, which ends with it."""

    def __init__(self) -> None:
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[str, set[asyncio.Task[Any]]] = {}

    async def run(self, owner: str, job: dict[str, Any], on_captured: Callable[[], None] | None = None) -> Captured:
        """Carry out a job for a sandbox, which :meth:`stop` can end.

        Raises:
            DriverError: it failed or was stopped; nothing of it is left.
            OSError: the same, with its cause.
        """
        task = asyncio.ensure_future(self._run(job, on_captured))
        running = self._running.setdefault(owner, set())
        running.add(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
                raise
            raise DriverError("The sandbox ended while its files were copied.") from None
        finally:
            running.discard(task)
            if not running:
                self._running.pop(owner, None)

    async def stop(self, owner: str) -> None:
        """End all jobs for a sandbox; it goes on after that."""
        if tasks := set(self._running.get(owner, ())):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _run(self, job: dict[str, Any], on_captured: Callable[[], None] | None) -> Captured:
        async with self._at_once:
            try:
                return await self._carry_out(job, on_captured)
            except BaseException:
                await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(_clean_up, job)))
                raise

    async def _carry_out(self, job: dict[str, Any], on_captured: Callable[[], None] | None) -> Captured:
        # The arguments are for who looks at the machine's processes.
        command = [str(INTERPRETER), "-I", "-S", str(COPIER), job["op"], job["target"]]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"}, cwd="/", start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        occupied, frozen, is_done, errors = 0, 0.0, False, b""
        try:
            with contextlib.suppress(OSError):
                process.stdin.write(json.dumps(job).encode() + b"\n")
                await process.stdin.drain()
            async for message in _messages(process.stdout):
                if "error" in message:
                    code = message.get("errno")
                    if isinstance(code, int):
                        raise OSError(code, str(message["error"]))
                    raise DriverError(f"The files of the sandbox could not be copied: {message['error']}")
                frozen = message.get("frozen_seconds", frozen)
                occupied = message.get("occupied_bytes", occupied)
                is_done = is_done or "done" in message
                if "captured" in message and on_captured is not None:
                    on_captured()
            if not is_done:
                errors = await process.stderr.read()
        finally:
            await _end(process)
        if not is_done:
            reason = errors.decode("utf-8", "replace").strip()[-500:] or f"exit code {process.returncode}"
            raise DriverError(f"The files of the sandbox could not be copied: {reason}")
        return Captured(occupied, frozen)


async def _messages(stream: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    while line := await stream.readline():
        message = json.loads(line)
        if isinstance(message, dict):
            yield message


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the input of a copier, on which it resumes the sandbox and ends, and wait for that."""
    assert process.stdin is not None

    async def wait() -> None:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    process.stdin.close()
    ending = asyncio.ensure_future(wait())
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            if ending.cancelled():
                raise
            await asyncio.wait({ending})
            raise


def _clean_up(job: dict[str, Any]) -> None:
    """Do what a copier that was killed could not do."""
    with contextlib.suppress(OSError):
        if "marker" in job:
            undo(job["marker"])
    with contextlib.suppress(OSError):
        remove_tree(Path(job["target"]))


class NamespaceCheckpoints:
    """Checkpoints below a state directory: one directory each, with an image or a tree, and a note about it."""

    def __init__(self, state_dir: Path, sandboxes: Path, running: Running) -> None:
        """``running`` returns the first process of a running sandbox and its files, or raises a DriverError."""
        self._directory = state_dir / "checkpoints"
        self._sandboxes = sandboxes
        self._running = running
        self._copies = Copies()

    no_volumes: str | None = None

    def open(self) -> None:
        """Resume what a killed platform left frozen."""
        private_directory(self._directory, "directory")
        for marker in self._sandboxes.glob(f"*/{MARKER}"):
            try:
                undo(str(marker))
            except OSError:
                _log.exception("the sandbox of %s could not be resumed", marker)

    async def take(
        self,
        record: SandboxRecord,
        checkpoint_id: str,
        on_captured: Callable[[], None],
        volume: Attachment | None = None,
    ) -> Captured:
        """Copy the files of a running sandbox, or of one of its volumes."""
        target = self._directory / checkpoint_id
        agent, layer = self._running(record, volume)
        mounted, device = await asyncio.to_thread(_mount_of, agent, layer.path) if layer.kind == "image" else (None, 0)
        group = await asyncio.to_thread(_freezing, self._sandboxes / record.id)
        job = {
            "op": "capture",
            "kind": layer.kind,
            "source": str(layer.path),
            "target": str(target / _name_of(layer.kind)),
            "reserve": _KEPT_FREE,
            "marker": str(self._sandboxes / record.id / MARKER),
            "agent": agent,
            "group": group,
            "mounted": mounted,
            "device": device,
        }
        await asyncio.to_thread(_begin, target, {"kind": layer.kind, "first_uid": layer.first_uid})
        try:
            return await self._copies.run(record.id, job, on_captured)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self.remove(checkpoint_id)))
            raise

    async def restore(self, sandbox_id: str, checkpoint_id: str, layer: Layer) -> None:
        """Make the files of a new sandbox from those of a checkpoint.

        Raises:
            DriverError: they cannot be copied.
            OSError: the same, with its cause.
        """
        source = self._directory / checkpoint_id
        about = await asyncio.to_thread(_read_about, source)
        if about["kind"] != layer.kind:
            raise DriverError(
                "The checkpoint was taken when the disks of sandboxes were limited in another way, "
                "so no sandbox can be created from it now."
            )
        job = {
            "op": "restore",
            "kind": layer.kind,
            "source": str(source / _name_of(layer.kind)),
            "target": str(layer.path),
            "reserve": _KEPT_FREE,
            "old_first": about["first_uid"],
            "new_first": layer.first_uid,
        }
        await self._copies.run(sandbox_id, job)

    async def remove(self, checkpoint_id: str) -> None:
        """Remove the files of a checkpoint."""
        await asyncio.to_thread(remove_tree, self._directory / checkpoint_id)

    async def remains(self) -> list[str]:
        """Return the ids of all checkpoints of which there are files."""
        return sorted(path.name for path in self._directory.iterdir())

    async def stop(self, sandbox_id: str) -> None:
        """End what is being copied from or for a sandbox."""
        await self._copies.stop(sandbox_id)


def _mount_of(agent: int, image: Path) -> tuple[str, int]:
    """Return where a sandbox has an image mounted, as this process sees it, and the number of its device.

    The kernel's own path, since a sandbox can move the directories above it.

    Raises:
        DriverError: it is mounted nowhere.
    """
    for line in Path(f"/proc/{agent}/mountinfo").read_bytes().splitlines():
        fields = line.split()
        major, _, minor = fields[2].partition(b":")
        device = os.makedev(int(major), int(minor))
        if fields[3] == b"/" and is_mounted_from(image, device):
            point = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), fields[4])
            return f"/proc/{agent}/root{os.fsdecode(point)}", device
    raise DriverError("The files of the sandbox are not mounted any more.")


def _freezing(directory: Path) -> dict[str, Any] | None:
    """Return how all processes of a sandbox are stopped at once, or None if only signals do that."""
    group = ControlGroup.load(directory)
    return None if group is None else group.freezing()


def _name_of(kind: str) -> str:
    return IMAGE if kind == "image" else "tree"


def _begin(target: Path, about: dict[str, Any]) -> None:
    target.mkdir(mode=0o700)
    (target / _ABOUT).write_text(json.dumps(about))


def _read_about(directory: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((directory / _ABOUT).read_text())
    except (OSError, ValueError) as error:
        raise DriverError("The files of the checkpoint are gone.") from error
    return about
