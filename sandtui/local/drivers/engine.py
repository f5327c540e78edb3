"""Sandboxes as containers of Docker or Podman: real images, with the isolation and limits of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sandtui.local.control.images import reference_error
from sandtui.local.drivers.architecture import refuse_hardware
from sandtui.local.drivers.base import DriverError, ImageUnavailable
from sandtui.local.drivers.egress_check import refuse_egress_rules, refuse_other_access
from sandtui.local.drivers.engine_address import EngineAddress, engine_addresses
from sandtui.local.drivers.engine_api import EngineApi, EngineError, image_path
from sandtui.local.drivers.engine_checkpoints import EngineCheckpoints, image_of
from sandtui.local.drivers.engine_images import EngineImages
from sandtui.local.drivers.engine_instance import EngineInstance
from sandtui.local.drivers.engine_links import EngineLink, SocketLink
from sandtui.local.drivers.engine_ssh import SshLink
from sandtui.local.drivers.engine_volumes import EngineVolumes
from sandtui.local.drivers.logs import SandboxLogs
from sandtui.local.settings import LocalError
from sandtui.local.store.records import SandboxRecord

WORKING_DIRECTORY: Final = "/workspace"
MAX_PROCESSES: Final = 4096
# It reaps orphans and stops on SIGTERM, which `tail -f /dev/null` as the first process would not do.
_STAY: Final = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"]
_SANDBOX, _STATE = "sandtui.sandbox", "sandtui.state"
# What images need to install packages and to switch users; no raw packets, devices or audit records.
CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYS_CHROOT",
)  # fmt: skip
_MAX_LOGGED: Final = 10_000
_OWN: Final = "prime/"
"""Images of a platform; no registry has them."""


async def find_engine() -> EngineApi | None:
    """Return the engine that the ``docker`` command would use, or the first that responds; None if none does.

    Raises:
        LocalError: an engine is named, by ``DOCKER_HOST`` or a context, and does not respond.
    """
    for address in engine_addresses():
        try:
            return await reach_engine(address)
        except LocalError:
            if address.origin:
                raise
    return None


async def reach_engine(address: EngineAddress) -> EngineApi:
    """Return the engine at an address.

    Raises:
        LocalError: it does not respond.
    """
    api = EngineApi(_link(address))
    try:
        await api.call("GET", "/version")
    except DriverError as error:
        await api.close()
        named = f" It is chosen by {address.origin}." if address.origin else ""
        raise LocalError(f"{error}{named}") from error
    except BaseException:
        await api.close()
        raise
    return api


def _link(address: EngineAddress) -> EngineLink:
    return SshLink(address) if address.scheme == "ssh" else SocketLink(address)


async def check_runtime(api: EngineApi, runtime: str) -> None:
    """Check that an engine has a runtime.

    Raises:
        LocalError: it has none with that name; the message names those that it has.
    """
    try:
        found = await api.call("GET", "/info")
    except DriverError as error:
        raise LocalError(f"The container engine did not list its runtimes: {error}") from error
    known = found.get("Runtimes") if isinstance(found, dict) else None
    if isinstance(known, dict) and runtime not in known:
        names = ", ".join(sorted(str(name) for name in known)) or "none"
        raise LocalError(
            f"The container engine has no runtime {runtime!r}. It has: {names}. Install it there and name it in the "
            "engine's configuration (for Docker `runtimes` in /etc/docker/daemon.json)."
        )


class EngineDriver:
    """Runs each sandbox as a container."""

    name = "engine"
    keeps_sandboxes = False

    def __init__(self, api: EngineApi, state_dir: Path, runtime: str = "") -> None:
        self._api = api
        self._runtime = runtime
        self.logs = SandboxLogs(state_dir / "logs")
        self._keeping_log = asyncio.Lock()
        self._log_kept: set[str] = set()
        self._state = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
        self._version = ""
        self._architecture = ""
        self._volumes = EngineVolumes(api, self._state, _name, self._image_of)
        self.checkpoints = EngineCheckpoints(api, self._state, _name, self._volumes)
        self.images = EngineImages(api, self._state, self._provide)
        # The engine carries the packets of its containers; their addresses are not known before they run.
        self.networks = None

    @property
    def isolation(self) -> str:
        """Describe the isolation of containers."""
        return (
            f"containers of {self._version or 'the container engine'}{self._place}, with its isolation and its limits "
            "on memory, cores and processes; few capabilities, and no way to gain more (sudo does not work); "
            "network_access=false gives no network at all; disk is not limited."
        )

    @property
    def _place(self) -> str:
        address = self._api.link.address
        place = "" if address.is_here else f" at {address}"
        return f"{place}, run by {self._runtime}" if self._runtime else place

    @property
    def warning(self) -> str:
        """Warn about a connection that others can read or change."""
        return self._api.link.address.warning

    def fleet(self) -> list[SandboxRecord]:
        """Return no sandboxes: this driver starts without any."""
        return []

    def may_end(self, record: SandboxRecord) -> bool:
        """Return True: its start command can end, or it can run out of memory."""
        return True

    async def open(self) -> None:
        """Read the version of the engine and open the logs."""
        self.logs.open()
        found = await self._api.call("GET", "/version")
        # Podman names its platform there, such as linux/amd64/debian-12.
        named = str((found.get("Platform") or {}).get("Name") or "")
        components = [one.get("Name", "") for one in found.get("Components") or []]
        name = ("" if "/" in named else named) or next((one for one in components if one), "the engine")
        self._architecture = str(found.get("Arch") or "")
        await self.images.open(found)
        await self._volumes.open()
        self._version = f"{name} {found.get('Version', '')}".strip()

    async def close(self) -> None:
        """Close the connections to the engine."""
        await self._api.close()

    def check(self, record: SandboxRecord) -> None:
        """Refuse what the driver does not support."""
        refuse_hardware(record, self._architecture)
        self.check_egress(record)

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Refuse lists that the driver cannot enforce."""
        refuse_other_access(record, old)
        refuse_egress_rules(record)

    async def admit(self, record: SandboxRecord) -> None:
        """Admit every sandbox; only the engine limits them."""

    async def image_error(self, image: str) -> str | None:
        """Return why an image is not available, without pulling it; None if it is."""
        if (reason := reference_error(image)) is not None:
            return reason
        if await self._has(image):
            return None
        if image.startswith(_OWN):
            return _unknown(image)
        try:
            await self._api.call("GET", f"/distribution/{image_path(image).removeprefix('/images/')}/json")
        except DriverError as error:
            return f"The image {image!r} is not on this machine and was not found in a registry: {error}"
        return None

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Do nothing: lists that would need it are refused."""

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the newest generation: access was decided when the container was created."""
        return record.network_generation if record.status == "RUNNING" else 0

    async def start(self, record: SandboxRecord) -> EngineInstance:
        """Pull the image if needed, create the container and start it."""
        await self.discard(record.id)
        if (reason := reference_error(record.docker_image)) is not None:
            raise ImageUnavailable(reason)
        if record.checkpoint_id is not None:
            if not await self._has(image_of(record.checkpoint_id)):
                raise DriverError("The container engine has no image of the checkpoint any more.")
        elif record.image_id is not None:
            if not await self._has(self.images.reference(record.image_id)):
                raise ImageUnavailable(f"The container engine has no image {record.docker_image!r} any more.")
        else:
            await self._provide(record.docker_image, lambda text: self.note(record.id, text))
        await self._volumes.prepare(record)
        body = self.description(record)
        await self._api.call("POST", "/containers/create", params={"name": _name(record.id)}, json=body)
        await self._api.call("POST", f"/containers/{_name(record.id)}/start")
        instance = self._instance(record)
        folders = f"{WORKING_DIRECTORY} /sandbox-workspace /tmp"
        with contextlib.suppress(DriverError):
            # A start command that has already ended is reported as the end of the sandbox.
            await instance.output(f"mkdir -p {folders}; chmod 1777 /tmp")
        return instance

    async def adopt(self, record: SandboxRecord) -> EngineInstance | None:
        """Return a running sandbox that an earlier platform started, or None."""
        try:
            found = await self._api.call("GET", f"/containers/{_name(record.id)}/json")
        except DriverError:
            return None
        state = found["State"]
        if state.get("Paused") or state.get("Status") == "paused":
            # By a platform that was killed while it copied a volume.
            await self._volumes.resume(_name(record.id))
            return self._instance(record)
        return self._instance(record) if state.get("Running") else None

    async def discard(self, sandbox_id: str) -> None:
        """Remove the container of a sandbox; its log is kept."""
        async with self._keeping_log:
            with contextlib.suppress(DriverError):
                text = await self._container_log(sandbox_id)
                if text:
                    await asyncio.to_thread(self.logs.append, sandbox_id, text)
                if len(self._log_kept) >= _MAX_LOGGED:
                    self._log_kept.clear()  # costs one request per container to the engine
                self._log_kept.add(sandbox_id)
        try:
            await self._api.call("DELETE", f"/containers/{_name(sandbox_id)}", params={"force": 1, "v": 1})
        except EngineError as error:
            if error.status != 404:
                raise
        await self._volumes.discard(sandbox_id)
        with contextlib.suppress(DriverError):
            await self.checkpoints.remove_unused()
            await self.images.remove_unused()

    async def remains(self) -> list[str]:
        """Return the ids of sandboxes that still have a container."""
        filters = json.dumps({"label": [f"{_STATE}={self._state}"]})
        rows = await self._api.call("GET", "/containers/json", params={"all": 1, "filters": filters})
        return sorted({row["Labels"][_SANDBOX] for row in rows} | set(await self._volumes.sandboxes()))

    async def log(self, record: SandboxRecord) -> str:
        """Return the log of a sandbox."""
        # A sandbox is recorded as ended before its log is saved; until then, the container has the log.
        async with self._keeping_log:
            kept = await asyncio.to_thread(self.logs.tail, record.id)
            if record.is_finished and record.id in self._log_kept:
                return kept
            try:
                return kept + await self._container_log(record.id)
            except DriverError:
                return kept

    def note(self, sandbox_id: str, text: str) -> None:
        """Write a line of the platform to the log of a sandbox."""
        self.logs.note(sandbox_id, text)

    async def _has(self, image: str) -> bool:
        try:
            await self._api.call("GET", f"{image_path(image)}/json")
        except EngineError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _provide(self, image: str, note: Callable[[str], None]) -> None:
        """Pull an image unless the engine has it."""
        if await self._has(image):
            return
        if image.startswith(_OWN):
            raise ImageUnavailable(_unknown(image))
        name, _, tag = (
            image.rpartition(":") if ":" in image.rpartition("/")[2] and "@" not in image else (image, "", "")
        )
        params = {"fromImage": name, "tag": tag or ("" if "@" in image else "latest")}
        note(f"pulling {image}")
        last_status = ""
        try:
            async for row in self._api.lines("POST", "/images/create", params=params):
                if "error" in row:
                    raise ImageUnavailable(f"The image {image!r} could not be pulled: {row['error']}")
                status = str(row.get("status", ""))
                if status and status != last_status and not row.get("progress"):
                    last_status = status
                    note(f"pulling: {status}")
        except EngineError as error:
            raise ImageUnavailable(f"The image {image!r} could not be pulled: {error}") from error

    def description(self, record: SandboxRecord) -> dict[str, Any]:
        """Return the container of a sandbox in the form that the engine reads."""
        argv = record.argv()
        memory = int(record.memory_gb * 1024**3)
        runtime = {"Runtime": self._runtime} if self._runtime else {}
        return {
            "Image": self._image_of(record),
            "Entrypoint": (argv or _STAY)[:1],
            "Cmd": (argv or _STAY)[1:],
            "Env": [f"{key}={value}" for key, value in record.environment().items()],
            "WorkingDir": WORKING_DIRECTORY,
            "Hostname": re.sub(r"[^a-z0-9-]+", "-", record.name.lower()).strip("-")[:63].strip("-") or "sandbox",
            "Labels": {_SANDBOX: record.id, _STATE: self._state},
            "HostConfig": {
                "Memory": memory,
                "MemorySwap": memory,
                "NanoCpus": int(record.cpu_cores * 1e9),
                "PidsLimit": MAX_PROCESSES,
                "CapDrop": ["ALL"],
                "CapAdd": list(CAPABILITIES),
                "SecurityOpt": ["no-new-privileges"],
                "NetworkMode": "bridge" if record.network_access else "none",
                "Mounts": self._volumes.mounts(record),
                **runtime,
            },
        }

    def _image_of(self, record: SandboxRecord) -> str:
        if record.checkpoint_id is not None:
            return image_of(record.checkpoint_id)
        return record.docker_image if record.image_id is None else self.images.reference(record.image_id)

    def _instance(self, record: SandboxRecord) -> EngineInstance:
        env = record.environment()
        return EngineInstance(self._api, _name(record.id), env, WORKING_DIRECTORY, record.memory_gb)

    async def _container_log(self, sandbox_id: str) -> str:
        params = {"stdout": 1, "stderr": 1}
        raw = await self._api.call("GET", f"/containers/{_name(sandbox_id)}/logs", params=params)
        return _unframe(raw).decode("utf-8", "replace") if isinstance(raw, bytes) else ""


def _unknown(image: str) -> str:
    return f"The platform has no image {image!r}; `sandtui image ls` lists those that it has."


def _name(sandbox_id: str) -> str:
    return f"sandtui-{sandbox_id}"


def _unframe(raw: bytes) -> bytes:
    """Remove the engine's eight-byte frame headers from a log."""
    out, at = bytearray(), 0
    while at + 8 <= len(raw):
        length = int.from_bytes(raw[at + 4 : at + 8], "big")
        if raw[at] > 2 or raw[at + 1 : at + 4] != b"\0\0\0":
            return raw
        out += raw[at + 8 : at + 8 + length]
        at += 8 + length
    return bytes(out)
