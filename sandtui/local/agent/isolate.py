"""Creates the namespaces and the root of a sandbox, then becomes its process 1."""

from __future__ import annotations

import os
import resource
import socket

from sandtui.local.agent import disk, layout, libc, network, seccomp, usr_local
from sandtui.local.agent.usr_local import directory, link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
# Parts of /proc that describe the whole machine in every namespace, or that its root could change.
MASKED: Final = (
    "acpi", "asound", "config.gz", "interrupts", "iomem", "ioports", "kallsyms", "kcore", "key-users", "keys", "kmsg",
    "kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "mtrr", "pagetypeinfo", "sched_debug", "scsi",
    "slabinfo", "timer_list", "timer_stats", "vmallocinfo",
)  # fmt: skip
_EMPTY: Final = libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
READ_ONLY: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger", "driver", "tty")
USER_RANGE: Final = 65536

_MAX_PROCESSES = 4096
# Limits of the kernel for the user who started us, in addition to our own: a sandbox only gets a part of them.
_PART = 4
_INOTIFY: Final = ("instances", "watches")
_MOST_SIGNALS, _MOST_QUEUE_BYTES = 8192, 409_600
_OWN_PROCESSES = 2048
_NAMESPACED_LIMITS = (5, 14)
"""The first Linux version that counts processes of a user per user namespace."""


class Isolation:
    """The sandbox to create.

    ``first_uid`` is the host user for root of the sandbox; None means the current user. ``network`` is ``none`` for
    loopback only, ``tun`` or ``veth`` for a device whose packets the platform carries, or ``host`` for the machine's
    own. ``python`` is the sandbox's interpreter, as described by :class:`usr_local.Python`. ``lock`` is a descriptor
    to keep open, which marks the user ids as used. ``nested`` allows programs to create namespaces. ``image`` is a
    file system for all files of the sandbox, which contains the directories and links of the root if it
    ``is_laid_out``; the files are those of a checkpoint if they are ``is_restored``. ``watched`` are the limits of
    bytes and files if only watching enforces them. ``volumes`` are further images or directories to mount. ``address``
    is the sandbox's own address in LAN networks.
    """

    def __init__(
        self,
        hostname: str,
        network: str,
        first_uid: int | None,
        python: dict[str, Any],
        file_size: int | None = None,
        lock: int | None = None,
        nested: bool = False,
        image: str | None = None,
        is_laid_out: bool = False,
        watched: tuple[int, int] | None = None,
        is_restored: bool = False,
        volumes: Sequence[dict[str, Any]] = (),
        address: str | None = None,
    ) -> None:
        self.address = address
        self.volumes = volumes
        self.is_restored = is_restored
        self.watched = watched
        self.files = -1
        self.nested = nested
        self.image = image
        self.is_laid_out = is_laid_out
        self.sysctl = -1
        self.lock = lock
        self.file_size = file_size
        self.hostname = hostname
        self.network = network
        self.first_uid = first_uid
        self.python = usr_local.Python(**python)

    @property
    def is_carried(self) -> bool:
        """Whether the platform carries the packets of the sandbox."""
        return self.network in network.LINKS


def leave_host(isolation: Isolation) -> None:
    """First step, still outside: create the namespaces for the next child."""
    if isolation.first_uid is None:
        uid, gid = os.geteuid(), os.getegid()
        libc.unshare(libc.CLONE_NEWUSER)
        write_maps(os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY), 0, uid, gid, 1)
    libc.unshare(libc.CLONE_NEWNS | libc.CLONE_NEWPID)
    libc.make_private()


def write_maps(process: int, first: int, outer_uid: int, outer_gid: int, count: int) -> None:
    """Map user ids of a process's namespace, starting at ``first``, to those of the parent namespace.

    ``process`` is the directory of the process in /proc.
    """
    texts = [("uid_map", f"{first} {outer_uid} {count}"), ("gid_map", f"{first} {outer_gid} {count}")]
    if count == 1:
        # Without privileges, a group can only be mapped after setgroups(2) is denied.
        texts.insert(0, ("setgroups", "deny"))
    for name, text in texts:
        fd = os.open(name, os.O_WRONLY, dir_fd=process)
        try:
            os.write(fd, text.encode("ascii"))
        finally:
            os.close(fd)


def build_root(isolation: Isolation, root: str) -> None:
    """Second step, as process 1: mount everything and make ``root`` the root of the file system."""
    owner = isolation.first_uid or 0
    if isolation.image is not None:
        disk.mount_image(isolation.image, root)
        if not isolation.is_restored:
            disk.furnish(root, owner, is_laid_out=isolation.is_laid_out)
    else:
        libc.mount(root, root, None, libc.MS_BIND)
        libc.mount(None, root, None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_NOSUID | libc.MS_NODEV)
        if isolation.watched is not None:
            isolation.files = libc.open_alone(root)
    os.chdir(root)
    if isolation.is_restored:
        layout.make_mount_points(".", isolation.python, owner)
    elif not isolation.is_laid_out:
        layout.lay_out(".", isolation.python, owner)
    _show_machine(isolation)
    owned = f"mode=755,uid={owner},gid={owner}"
    _make_devices(owned, owner)
    libc.mount("tmpfs", "run", "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, f"{owned},size=64m,nr_inodes=16k")
    libc.mount("proc", "proc", "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    # Kept open, since it becomes read-only: the limits of our own users can only be set once those are mapped.
    isolation.sysctl = os.open("proc/sys", os.O_RDONLY | os.O_DIRECTORY)
    if not isolation.nested:
        # The kernel refuses another mount of proc to processes that see only a part of one.
        _mask_proc()
    _own_network_files(isolation)
    for volume in isolation.volumes:
        layout.make_real(".", volume["target"], owner)
        _mount_volume(volume)
    libc.pivot_root_here()
    os.chdir("/")


def _mount_volume(volume: dict[str, Any]) -> None:
    target = volume["target"]
    if not volume["is_image"]:
        libc.mount(volume["source"], target, None, libc.MS_BIND)
        only = libc.MS_RDONLY if volume["read_only"] else 0
        libc.mount(None, target, None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_NOSUID | libc.MS_NODEV | only)
        return
    disk.mount_image(volume["source"], target)
    if volume["is_new"]:
        os.rmdir(f"{target}/{disk.LOST_AND_FOUND}")
    if volume["read_only"]:
        libc.mount(None, target, None, libc.MS_REMOUNT | libc.MS_BIND | libc.MS_NOSUID | libc.MS_NODEV | libc.MS_RDONLY)


def take_users(isolation: Isolation, map_users: Callable[[], None]) -> None:
    """Third step, if the sandbox has its own user ids: become the first of them.

    ``map_users`` has the launcher map them. The next step takes the same users into a second namespace: the kernel
    counts its quotas per user, and only a parent namespace limits what all of them use together.
    """
    first = isolation.first_uid
    assert first is not None
    libc.unshare(libc.CLONE_NEWUSER)
    map_users()
    become_user(first)
    resource.setrlimit(resource.RLIMIT_NPROC, (_MAX_PROCESSES, _MAX_PROCESSES))
    _lower_limits()
    _limit_inotify(isolation)
    # No other process is in the sandbox yet; the launcher, as the same user, must be able to access this one.
    libc.prctl(libc.PR_SET_DUMPABLE, 1)


def map_inner_users(isolation: Isolation, users: int, process: int) -> None:
    """In the launcher: map the users of the agent's second user namespace.

    Only a process in its parent namespace may, so this one enters that namespace, ``users``, for good.
    """
    first = isolation.first_uid
    assert first is not None
    libc.enter(users, libc.CLONE_NEWUSER)
    become_user(first)
    write_maps(process, 0, first, first, USER_RANGE)


def become_user(number: int) -> None:
    """Change all user and group ids of this process."""
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def become_root(isolation: Isolation, ask: Callable[[], int]) -> int:
    """Next step: create the other namespaces and become root of the sandbox only.

    ``ask`` has the launcher map the users, if they are its own, and open the TUN node, if one is needed, whose
    descriptor it returns. Return the descriptor for the packets of the sandbox, or -1.
    """
    own = 0 if isolation.network == "host" else libc.CLONE_NEWNET
    users = 0 if isolation.first_uid is None else libc.CLONE_NEWUSER
    libc.unshare(users | libc.CLONE_NEWUTS | libc.CLONE_NEWIPC | own)
    tun = ask() if users or isolation.network == "tun" else -1
    if users:
        become_user(0)
    socket.sethostname(isolation.hostname)
    if own:
        network.loopback_up()
    if isolation.network == "tun":
        return network.make_tun(tun, isolation.address)
    return network.make_veth(isolation.address) if isolation.network == "veth" else -1


def lock_down(isolation: Isolation) -> None:
    """Last step: drop all privileges that were only needed for the setup."""
    if isolation.file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (isolation.file_size, isolation.file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if isolation.first_uid is None:
        _lower_limits()
        _limit_processes()
    _limit_inotify(isolation)
    # Not earlier, so that the sandbox's own user gets it. If that user's keys are used up, the filter suffices.
    if not libc.own_keyring() and not seccomp.is_supported():
        raise OSError("the sandbox cannot get a keyring of its own")
    if not isolation.nested:
        _forbid_user_namespaces(isolation)
    libc.reduce_capabilities()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    if seccomp.is_supported():
        seccomp.refuse_calls(nested=isolation.nested)
    # Without CAP_SYS_PTRACE, nothing in the sandbox can now inspect this process or take its descriptors.
    libc.prctl(libc.PR_SET_DUMPABLE, 0)


def _mask_proc() -> None:
    """Hide parts of proc that describe the whole machine or its users in every namespace."""
    for name in MASKED:
        path = f"proc/{name}"
        if os.path.isdir(path):
            libc.mount("tmpfs", path, "tmpfs", _EMPTY, "size=4k,nr_inodes=1")
        elif os.path.exists(path):
            libc.mount("dev/null", path, None, libc.MS_BIND)
    for name in READ_ONLY:
        path = f"proc/{name}"
        if os.path.exists(path):
            libc.bind_read_only(path, path)


def _forbid_user_namespaces(isolation: Isolation) -> None:
    try:
        _set_sysctl(isolation, "user/max_user_namespaces", 0)
    except OSError:
        if not seccomp.is_supported():
            raise  # otherwise the calls are refused as well


def _lower_limits() -> None:
    """Take only a part of what the kernel allows the user who started us."""
    _lower(resource.RLIMIT_SIGPENDING, _PART, _MOST_SIGNALS)
    _lower(resource.RLIMIT_MSGQUEUE, _PART, _MOST_QUEUE_BYTES)


def _limit_processes() -> None:
    if _kernel_version() >= _NAMESPACED_LIMITS:
        _lower(resource.RLIMIT_NPROC, _PART, _OWN_PROCESSES)
    else:
        # All processes of the user count, so leave room for others.
        _lower(resource.RLIMIT_NPROC, 2, None)


def _limit_inotify(isolation: Isolation) -> None:
    for name in _INOTIFY:
        try:
            granted = int(libc.read_file(f"/proc/sys/fs/inotify/max_user_{name}"))
            _set_sysctl(isolation, f"user/max_inotify_{name}", max(1, granted // _PART))
        except FileNotFoundError:
            pass  # a kernel without inotify


def _lower(limit: int, part: int, most: int | None) -> None:
    granted, _ = resource.getrlimit(limit)
    if granted != resource.RLIM_INFINITY:
        most = granted // part if most is None else min(most, granted // part)
    if most is not None:
        resource.setrlimit(limit, (most, most))


def _kernel_version() -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in os.uname().release.split(".")[:2])


def _set_sysctl(isolation: Isolation, name: str, value: int) -> None:
    fd = os.open(name, os.O_WRONLY, dir_fd=isolation.sysctl)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def _show_machine(isolation: Isolation) -> None:
    """Show the machine's programs, read-only, with the sandbox's own /usr/local over the machine's."""
    for name in layout.HOST_DIRECTORIES:
        if name == "usr" and layout.is_split():
            for part in layout.parts_of_usr():
                libc.bind_read_only(f"/usr/{part}", f"usr/{part}")
        elif os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}"):
            libc.bind_read_only(f"/{name}", name)
    if prefix := layout.interpreter_directory(isolation.python):
        libc.bind_read_only(f"/{prefix}", prefix)
    if os.path.isdir(usr_local.PLACE):
        libc.bind_read_only(usr_local.PLACE, layout.MACHINE_USR_LOCAL)
    libc.mount(layout.USR_LOCAL, layout.usr_local_target(), None, libc.MS_BIND)


def _make_devices(owned: str, owner: int) -> None:
    libc.mount("tmpfs", "dev", "tmpfs", libc.MS_NOSUID | libc.MS_NOEXEC, f"{owned},size=1m,nr_inodes=1k")
    for name in DEVICES:
        os.close(os.open(f"dev/{name}", os.O_WRONLY | os.O_CREAT, 0o666))
        libc.mount(f"/dev/{name}", f"dev/{name}", None, libc.MS_BIND)
    for name in ("pts", "shm"):
        directory(f"dev/{name}", owner)
    devpts = "newinstance,ptmxmode=0666,mode=620"
    libc.mount("devpts", "dev/pts", "devpts", libc.MS_NOSUID | libc.MS_NOEXEC, devpts)
    shared = f"mode=1777,uid={owner},gid={owner},size=512m,nr_inodes=64k"
    libc.mount("tmpfs", "dev/shm", "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, shared)
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        link(target, f"dev/{name}", owner)


def _own_network_files(isolation: Isolation) -> None:
    """Mount the sandbox's own name files over those of the host, which are read-only."""
    own = {
        "hostname": f"{isolation.hostname}\n",
        "hosts": f"127.0.0.1 localhost {isolation.hostname}\n::1 localhost ip6-localhost\n",
    }
    for name, text in own.items():
        target = f"etc/{name}"
        if os.path.isfile(target) and not os.path.islink(target):
            libc.write_file(f"run/.{name}", text.encode())
            libc.mount(f"run/.{name}", target, None, libc.MS_BIND)
            os.unlink(f"run/.{name}")
    if isolation.is_carried:
        _own_resolver()
        return
    # In many systems, resolv.conf is a link into /run, which is not the host's here.
    resolver = os.path.realpath("/etc/resolv.conf")
    if resolver.startswith("/run/") and os.path.isfile(resolver):
        os.makedirs(os.path.dirname(resolver).lstrip("/"), exist_ok=True)
        libc.write_file(resolver.lstrip("/"), libc.read_file(resolver))


def _own_resolver() -> None:
    """Set the platform's resolver, even if resolv.conf is a link into /run."""
    text = f"nameserver {network.RESOLVER}\n".encode()
    resolver = os.path.realpath("/etc/resolv.conf")
    if resolver.startswith("/run/"):
        os.makedirs(os.path.dirname(resolver).lstrip("/"), exist_ok=True)
        libc.write_file(resolver.lstrip("/"), text)
    elif os.path.isfile("etc/resolv.conf"):
        libc.write_file("run/.resolv", text)
        libc.mount("run/.resolv", "etc/resolv.conf", None, libc.MS_BIND)
        os.unlink("run/.resolv")
