"""Sandboxes in Linux namespaces, which need nothing but Python and the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sandtui.directories import make_private
from sandtui.local.agent import seccomp
from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.agent_responses import network_device, raise_error
from sandtui.local.drivers.agents import AgentDriver
from sandtui.local.drivers.architecture import refuse_hardware
from sandtui.local.drivers.base import CheckpointDriver, DriverError, FileFailed, Refused
from sandtui.local.drivers.carried_networks import CarriedNetworks
from sandtui.local.drivers.channel import Channel
from sandtui.local.drivers.checkpoints import IMAGE, Layer, NamespaceCheckpoints
from sandtui.local.drivers.disk_limits import (
    DiskImage,
    DiskLimit,
    ImageLimit,
    ProjectQuota,
    find_mkfs,
    inodes_for,
    try_quota,
)
from sandtui.local.drivers.egress_check import refuse_egress_rules, refuse_other_access
from sandtui.local.drivers.host_users import PROBE_UID, HostUsers
from sandtui.local.drivers.launcher import Launcher, LaunchFailed
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.files import remove_tree
from sandtui.local.network.worker_process import PacketWorker
from sandtui.local.store.disk import Disk
from sandtui.local.store.records import Attachment, SandboxRecord

# Errors of a kernel without a feature, or one that refuses it to us; any other is a bug.
_NOT_SUPPORTED: Final = frozenset(
    {
        errno.EACCES, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENODEV, errno.ENOENT, errno.ENOSPC, errno.ENOSYS,
        errno.ENXIO, errno.EOPNOTSUPP, errno.EPERM, errno.EPROTONOSUPPORT, errno.EROFS, errno.EUSERS,
    }
)  # fmt: skip

_PROBE_DISK: Final = 32 * 1024 * 1024
_VOLUME_BYTES: Final = 10 * 1024**3

_COMMON = (
    "user, process, mount, UTS and IPC namespaces, with this machine's programs read-only; "
    "files of other sandboxes and of this machine's users are hidden; "
)
_CARRIED = (
    "each sandbox has its own network and ports; the platform carries its IPv4 connections and enforces egress lists; "
    "this machine and private networks are not reachable{private}; network_access=false means loopback only; "
)
_SHARED = (
    "network_access=false means a network namespace with loopback only, "
    "true this machine's own network (--share-network), including its ports, loopback services and abstract "
    "Unix sockets; "
)
_FILTERED = "system calls are filtered much as in Docker, and programs cannot create namespaces; "
_NESTED = (
    "system calls are filtered much as in Docker, except those that create namespaces (--allow-nested): "
    "in these, programs reach far more of this machine's kernel, and nothing of /proc is hidden; "
)
_UNFILTERED = "system calls are not filtered on this machine's processor; "
_NONE = "sandboxes have loopback only, and network access is refused; "


class NamespaceDriver(AgentDriver):
    """Runs each sandbox in its own namespaces.

    ``mapped``: it also has its own host users (needs root). ``link`` is the kind of its network device; without one,
    only ``shared`` gives a sandbox a network, the machine's own. ``reason`` says why there is no link. ``nested``
    allows programs in a sandbox to create namespaces. ``disk`` limits the files of a sandbox; ``disk_reason`` says
    why nothing does.
    """

    name = "namespace"

    def __init__(
        self,
        state_dir: Path,
        images: Catalogue,
        *,
        mapped: bool,
        link: str | None = None,
        shared: bool = False,
        nested: bool = False,
        reason: str = "",
        allow_private: Sequence[str] = (),
        disk: DiskLimit | None = None,
        disk_reason: str = "",
    ) -> None:
        super().__init__(state_dir, images)
        self._disk = disk
        self._disk_reason = disk_reason
        self._link = None if shared else link
        self._carrier = (
            PacketWorker(self._carry_all, self._not_carried, allow_private) if self._link is not None else None
        )
        self._shared = shared
        self._nested = nested
        self._reason = reason
        self._mapped = mapped
        self._users = HostUsers()
        self._carried: dict[str, SandboxRecord] = {}
        without = "" if shared else f" ({self._why})"
        self._networks = CarriedNetworks(
            self._carrier,
            None if self._carrier is not None else f"Where the platform carries no packets{without}, LAN networks are",
            self._carried.__contains__,
        )
        self._checkpoints = NamespaceCheckpoints(state_dir, self._sandboxes, self._running)
        if disk is None:
            self._checkpoints.no_volumes = "Volumes need a limit of disks, which needs root here; they are"
        who = "root of a sandbox is an unprivileged user of this machine" if mapped else (
            "root of a sandbox is you on this machine"
        )  # fmt: skip
        but = f", except {', '.join(allow_private)}" if allow_private else ""
        network = _CARRIED.format(private=but) if self._carrier is not None else _SHARED if shared else _NONE
        calls = _UNFILTERED if not seccomp.is_supported() else _NESTED if nested else _FILTERED
        self.isolation = f"{_COMMON}{network}{calls}images are not pulled; {self._limits}; {who}."

    @property
    def warning(self) -> str:  # type: ignore[override]
        """What all users of the platform must know about its isolation."""
        found = []
        if self._shared:
            found.append(
                "Sandboxes share this machine's network (--share-network): they reach its loopback services, "
                "and no two of them can listen on the same port."
            )
        elif self._carrier is None:
            found.append(f"Sandboxes have no network: {self._why}.")
        if not self._mapped and os.geteuid() == 0:
            found.append(
                "Sandboxes have no users of their own here: root of a sandbox is root of this machine, "
                "and can read what only root may read in /etc."
            )
        if self._nested:
            found.append(
                "Programs in sandboxes may create namespaces (--allow-nested), "
                "in which they reach far more of this machine's kernel."
            )
        elif not seccomp.is_supported():
            found.append("System calls of sandboxes are not filtered: this machine's processor is not supported.")
        return " ".join(found)

    @property
    def _why(self) -> str:
        return self._reason.rstrip(".") or "neither a TUN device nor a veth pair can be created"

    @property
    def checkpoints(self) -> CheckpointDriver:
        """The part that takes checkpoints."""
        return self._checkpoints

    @property
    def networks(self) -> CarriedNetworks:
        """The part that carries LAN networks."""
        return self._networks

    async def open(self) -> None:
        """Prepare the directories and the user ids."""
        await super().open()
        # First of all: nothing that an earlier platform stopped answers until it goes on.
        await asyncio.to_thread(self._checkpoints.open)
        if self._mapped:
            # The owner of a root shows which user ids its sandbox has.
            found = {path.parent.name: path.stat().st_uid for path in self._sandboxes.glob("*/root")}
            self._users.open(found)
        if self._disk is not None:
            self._disk.open()

    async def discard(self, sandbox_id: str) -> None:
        """End all processes of a sandbox, which must not stand still for that, and remove its files."""
        await self._checkpoints.stop(sandbox_id)
        await super().discard(sandbox_id)

    def _running(self, record: SandboxRecord, volume: Attachment | None) -> tuple[int, Layer]:
        """Return the first process of a running sandbox, and its files or those of a volume."""
        instance = self._instances.get(record.id)
        agent = None if instance is None else instance.agent_pid
        if not agent:
            raise DriverError("The sandbox does not run.")
        root = self._sandboxes / record.id / "root"
        first_uid = self._users.first_uid(record.id) if self._mapped else None
        image, tree = root.with_name(IMAGE), root
        if volume is not None:
            number = record.volumes.index(volume)
            image, tree = root.with_name(f"volume-{number}.img"), root.with_name(f"volume-{number}")
        return agent, Layer("image", image, first_uid) if image.exists() else Layer("tree", tree, first_uid)

    async def _volumes(self, record: SandboxRecord, root: Path, first_uid: int | None) -> list[dict[str, Any]]:
        """Make a new sandbox's own copies of its volumes; return what the agent has to mount."""
        found = []
        for number, volume in enumerate(record.volumes):
            if self._disk is None or first_uid is None:
                raise DriverError("Volumes need a limit of disks, which the platform has not here.")
            is_image = isinstance(self._disk, ImageLimit)
            path = root.with_name(f"volume-{number}.img" if is_image else f"volume-{number}")
            if not is_image:
                await asyncio.to_thread(_make_owned, path, first_uid)
                await asyncio.to_thread(self._disk.prepare, path, int(record.disk_size_gb * 1024**3), first_uid)
            if volume.base is not None:
                layer = Layer("image" if is_image else "tree", path, first_uid)
                await self._checkpoints.restore(record.id, volume.base, layer)
            elif isinstance(self._disk, ImageLimit):
                await asyncio.to_thread(self._disk.prepare_empty, path, _VOLUME_BYTES, first_uid)
            found.append(
                {
                    "source": str(path),
                    "target": volume.mount_path.lstrip("/"),
                    "is_image": is_image,
                    "is_new": volume.base is None,
                    "read_only": volume.read_only,
                }
            )
        return found

    async def close(self) -> None:
        """Stop watching the sandboxes and carrying their packets."""
        await super().close()
        self._users.close()
        if self._carrier is not None:
            await self._carrier.close()

    def check(self, record: SandboxRecord) -> None:
        """Refuse what the driver does not support."""
        refuse_hardware(record)
        self.check_egress(record)

    def check_egress(self, record: SandboxRecord, old: SandboxRecord | None = None) -> None:
        """Refuse lists that cannot be enforced."""
        if record.network_access and self._carrier is None and not self._shared:
            raise Refused(
                "network_access",
                f"cannot be true here ({self._why}); create the sandbox with network_access=false, "
                "or start the platform with --share-network to give sandboxes this machine's own network",
            )
        if self._carrier is None or (old is not None and old.id not in self._carried):
            refuse_other_access(record, old)
            refuse_egress_rules(record)

    async def apply_egress(self, record: SandboxRecord) -> None:
        """Send the lists to the worker that carries the sandbox's packets."""
        if self._carrier is not None and record.id in self._carried:
            self._carried[record.id] = record
            self._carrier.set_policy(record)

    async def applied_egress(self, record: SandboxRecord) -> int:
        """Return the generation that the worker has confirmed."""
        if self._carrier is not None and record.id in self._carried:
            return await self._carrier.applied(record.id, record.network_generation)
        return await super().applied_egress(record)

    async def _begun(self, record: SandboxRecord, channel: Channel) -> None:
        if self._carrier is None or not _may_have_link(record):
            return
        self._carried[record.id] = record
        response = await channel.ask({"op": "network"})
        try:
            raise_error(response, FileFailed)
            self._carry(record.id, *network_device(response))
        except FileFailed:
            del self._carried[record.id]
            # Created by a platform without a worker; it keeps its network.
            if record.network_access:
                self.note(record.id, "this sandbox has the machine's own network")

    async def _carry_all(self) -> None:
        """Send all devices to a new worker after the old one died."""
        for sandbox_id, instance in list(self._instances.items()):
            if sandbox_id in self._carried:
                with contextlib.suppress(DriverError):
                    self._carry(sandbox_id, *await instance.network())
        self._networks.apply_all()

    def _not_carried(self, sandbox_id: str, error: str) -> None:
        self.note(sandbox_id, f"this sandbox has no network: its packets cannot be carried ({error})")

    def _carry(self, sandbox_id: str, device: int, link: str) -> None:
        assert self._carrier is not None
        try:
            # Look it up again: its rules may have changed, or it may have ended, while the agent was asked.
            if (record := self._carried.get(sandbox_id)) is not None:
                self._carrier.add(record, device, link)
        finally:
            os.close(device)

    @property
    def _disk_limit(self) -> str:
        if self._disk is not None:
            return self._disk.text
        return (
            "disk space and inodes are watched, and a sandbox that exceeds them is ended, perhaps late "
            f"({self._disk_reason or 'no way to limit them works here'})"
        )

    async def _isolation(self, record: SandboxRecord, root: Path) -> dict[str, Any]:
        network = "none"
        if self._link is not None and _may_have_link(record):
            network = self._link
        elif record.network_access and self._shared:
            network = "host"
        first_uid, lock = None, None
        if self._mapped:
            first_uid, lock = self._users.take(record.id)
            os.chown(root, first_uid, first_uid)
        size = int(record.disk_size_gb * 1024**3)
        image = None
        if self._disk is not None and first_uid is not None:
            image = await self._disk_of(record, root, size, first_uid)
        elif record.checkpoint_id is not None:
            await self._checkpoints.restore(record.id, record.checkpoint_id, Layer("tree", root, first_uid))
        watched = (size, inodes_for(size)) if self._disk is None else None
        return isolation_spec(
            record.name, network, first_uid, size, lock, nested=self._nested, image=image, watched=watched,
            address=record.lan_address,
            is_restored=record.checkpoint_id is not None, volumes=await self._volumes(record, root, first_uid),
        )  # fmt: skip

    async def _disk_of(self, record: SandboxRecord, root: Path, size: int, first_uid: int) -> DiskImage | None:
        """Limit the files of a new sandbox, and make those of its checkpoint."""
        assert self._disk is not None
        if record.checkpoint_id is None:
            return await asyncio.to_thread(self._disk.prepare, root, size, first_uid)
        if isinstance(self._disk, ImageLimit):
            image = root.with_name(IMAGE)
            await self._checkpoints.restore(record.id, record.checkpoint_id, Layer("image", image, first_uid))
            return DiskImage(str(image), is_laid_out=True)
        await asyncio.to_thread(self._disk.prepare, root, size, first_uid)
        await self._checkpoints.restore(record.id, record.checkpoint_id, Layer("tree", root, first_uid))
        return None

    async def _terminate(self, directory: Path, agent: int | None) -> None:
        if self._disk is not None and agent is not None:
            await asyncio.to_thread(self._disk.give_up, directory / "root", agent)

    def _released(self, sandbox_id: str) -> None:
        first_uid = self._users.first_uid(sandbox_id)
        if self._disk is not None and first_uid is not None:
            self._disk.release(self._sandboxes / sandbox_id / "root", first_uid)
        self._users.release(sandbox_id)
        if self._carrier is not None and self._carried.pop(sandbox_id, None) is not None:
            self._carrier.remove(sandbox_id)


def _make_owned(directory: Path, owner: int) -> None:
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)  # whatever the umask is
    os.chown(directory, owner, owner)


def _may_have_link(record: SandboxRecord) -> bool:
    """Whether packets may leave a sandbox: now, or after a change of lists that currently allow nothing."""
    return record.network_access or record.network_allowlist is not None


def isolation_spec(
    name: str,
    network: str,
    first_uid: int | None,
    file_size: int | None = None,
    lock: int | None = None,
    *,
    nested: bool = False,
    image: DiskImage | None = None,
    watched: tuple[int, int] | None = None,
    is_restored: bool = False,
    volumes: Sequence[dict[str, Any]] = (),
    address: str | None = None,
) -> dict[str, Any]:
    """Return what the agent has to build; ``lock`` is a descriptor that it holds."""
    return {
        "image": None if image is None else image.path,
        "is_laid_out": image is not None and image.is_laid_out,
        "is_restored": is_restored,
        "volumes": list(volumes),
        "address": address,
        "watched": watched,
        "file_size": file_size,
        "hostname": re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63].strip("-") or "sandbox",
        "network": network,
        "first_uid": first_uid,
        "lock": lock,
        "nested": nested,
        "python": machine_python(),
    }


async def probe(state_dir: Path, *, mapped: bool, network: str = "none", disk: DiskLimit | None = None) -> str | None:
    """Try to start a sandbox in one mode; return None, or what is missing on this machine.

    Raises:
        DriverError: it failed for another reason, which says nothing about the machine.
    """
    if sys.platform != "linux":
        return "namespaces are only available on Linux"
    directory = state_dir / f"probe-{secrets.token_hex(4)}"
    root = directory / "root"
    try:
        make_private(root)
        first_uid = PROBE_UID if mapped else None
        if first_uid is not None:
            os.chown(root, first_uid, first_uid)
        # Done here, so that no sandbox waits for it later.
        await asyncio.to_thread(machine_python)
        image = None
        if disk is not None and first_uid is not None:
            image = await asyncio.to_thread(disk.prepare, root, _PROBE_DISK, first_uid)
        spec = {
            "directory": str(directory),
            "root": str(root),
            "log": str(directory / "log"),
            "cgroups": [],
            "isolation": isolation_spec("probe", network, first_uid, image=image),
        }
        async with Launcher() as launcher:
            pid = await launcher.launch(spec)
        os.kill(pid, 9)
    except LaunchFailed as error:
        if error.code not in _NOT_SUPPORTED:
            raise
        return error.reason
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise DriverError(f"The namespaces of this machine cannot be tested: {error}") from error
        return str(error)
    finally:
        with contextlib.suppress(OSError):
            remove_tree(directory)
    return None


async def find_disk_limit(state_dir: Path, *, mapped: bool) -> tuple[DiskLimit | None, str]:
    """Return a tested disk limit for sandboxes, or None and why there is none."""
    if not mapped:
        return None, "a limit needs root, to set quotas or mount file systems"
    # On a full disk, a probe says nothing; no sandbox is created there either.
    is_full = await asyncio.to_thread(_is_full, state_dir)
    reasons = []
    if not is_full:
        reason = await asyncio.to_thread(try_quota, state_dir, PROBE_UID)
        if reason is None:
            return ProjectQuota(), ""
        reasons.append(reason)
    if (program := find_mkfs()) is None:
        reasons.append("mkfs.ext4 is not installed")
    else:
        image = ImageLimit(state_dir, program)
        if is_full and os.access("/dev/loop-control", os.W_OK):
            return image, ""
        try:
            image.open()
            reason = await probe(state_dir, mapped=mapped, disk=image)
        except (DriverError, OSError) as error:
            # Files are still isolated, so this is no reason not to start.
            reason = str(error)
        if reason is None:
            return image, ""
        reasons.append(f"no loop device: {reason.rstrip('.')}")
    return None, "; ".join(reasons)


def _is_full(state_dir: Path) -> bool:
    return state_dir.is_dir() and Disk(state_dir).is_full
