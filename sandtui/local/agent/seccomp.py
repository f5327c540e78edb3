"""The system calls that are refused in a sandbox: about those that container engines refuse by default.

It is a deny list, since an allow list would break programs that use other calls. Calls that were added to the kernel
later fail in a sandbox as on an older kernel.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

from sandtui.local.agent import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""By machine: its column in the tables below, and the kernel's number of its architecture."""

_NEWEST: Final = 469  # file_setattr, Linux 6.17; calls of the x32 ABI have far higher numbers

# Calls that affect the whole machine, that reach deep into the kernel, or that need privileges no sandbox has.
_REFUSED: Final = {
    "_sysctl": (156, None), "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "clock_settime": (227, 112),
    "create_module": (174, None), "delete_module": (176, 106), "fanotify_init": (300, 262),
    "finit_module": (313, 273), "get_kernel_syms": (177, None), "get_mempolicy": (239, 236),
    "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "ioperm": (173, None), "iopl": (172, None), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219), "lookup_dcookie": (212, 18),
    "mbind": (237, 235), "migrate_pages": (256, 238), "move_pages": (279, 239), "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265), "perf_event_open": (298, 241), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "query_module": (178, None), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "reboot": (169, 142), "request_key": (249, 218), "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450), "settimeofday": (164, 170), "swapoff": (168, 225), "swapon": (167, 224),
    "sysfs": (139, None), "syslog": (103, 116), "uselib": (134, None), "userfaultfd": (323, 282),
    "ustat": (136, None), "vhangup": (153, 58),
}  # fmt: skip

# Calls to create a nested sandbox; with a user namespace of its own, any program would have the privileges.
_NESTING: Final = {
    "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433), "mount": (165, 40),
    "mount_setattr": (442, 442), "move_mount": (429, 429), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "pivot_root": (155, 41), "setdomainname": (171, 162), "sethostname": (170, 161), "setns": (308, 268),
    "umount2": (166, 39),
}  # fmt: skip

_CLONE, _CLONE3, _UNSHARE = (56, 220), 435, (272, 97)
_SOCKETS, _PERSONALITY = ((41, 198), (53, 199)), (135, 92)

_NAMESPACES: Final = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET
_CLONE_NEWTIME: Final = 0x80  # in clone(2) these bits are a signal
_SOCK_PACKET: Final = 10
_AF_NETLINK: Final = 16
_NETLINK: Final = (0, 4)  # addresses and routes, as getifaddrs(3) asks for them; sockets, as ss(8) does
# Linux, 32-bit uname and sizes (which only change what is reported), no address randomization, and the query.
_PERSONALITIES: Final = (0x0, 0x8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)

_programs: dict[tuple[str, bool], bytes] = {}

_LOAD, _AND, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x45, 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4


def is_supported() -> bool:
    """Return whether the system calls of this machine are known."""
    return os.uname().machine in _MACHINES and sys.maxsize > 1 << 32


def refuse_calls(*, nested: bool) -> None:
    """Refuse calls from now on, for this process and its children; ``nested`` allows those for namespaces."""
    libc.filter_calls(program(nested=nested))


def program(*, nested: bool) -> bytes:
    """Return the filter of this machine, built once for all forks of this process."""
    key = os.uname().machine, nested
    if key not in _programs:
        _programs[key] = _program(*_MACHINES[key[0]], nested=nested)
    return _programs[key]


def _program(column: int, architecture: int, *, nested: bool) -> bytes:
    """Return the filter as a BPF program."""
    unknown, denied = _ERRNO | errno.ENOSYS, _ERRNO | errno.EPERM
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, 1, 0),
        _step(_RETURN, unknown),
        _step(_LOAD, _NUMBER),
        _step(_GREATER, _NEWEST, 0, 1),
        _step(_RETURN, unknown),
    ]
    refused = _REFUSED if nested else {**_REFUSED, **_NESTING}
    for numbers in refused.values():
        if (number := numbers[column]) is not None:
            code += _case(number, [_step(_RETURN, denied)])
    if not nested:
        code += _case(_CLONE[column], _any_bit(_NAMESPACES, denied))
        code += _case(_UNSHARE[column], _any_bit(_NAMESPACES | _CLONE_NEWTIME, denied))
        # Its flags are in memory, out of reach of a filter: the C library falls back to clone(2).
        code += _case(_CLONE3, [_step(_RETURN, unknown)])
    for numbers in _SOCKETS:
        code += _case(numbers[column], _socket())
    personalities = [step for one in _PERSONALITIES for step in _case(one, [_step(_RETURN, _ALLOW)])]
    code += _case(_PERSONALITY[column], [_argument(0), *personalities, _step(_RETURN, denied)])
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def _socket() -> list[bytes]:
    """Allow the socket families that programs need; refuse others like a kernel that was built without them."""
    family, protocol = _ERRNO | errno.EAFNOSUPPORT, _ERRNO | errno.EPROTONOSUPPORT
    internet = [
        _argument(1),
        _step(_AND, 0xF),
        # The old way to create a packet socket, accepted with this family.
        _step(_EQUAL, _SOCK_PACKET, 0, 1),
        _step(_RETURN, family),
        _step(_RETURN, _ALLOW),
    ]
    netlink = [
        _argument(2),
        *(step for one in _NETLINK for step in _case(one, [_step(_RETURN, _ALLOW)])),
        _step(_RETURN, protocol),
    ]
    return [
        _argument(0),
        *_case(int(socket.AF_UNIX), [_step(_RETURN, _ALLOW)]),
        *_case(int(socket.AF_INET6), [_step(_RETURN, _ALLOW)]),
        *_case(int(socket.AF_INET), internet),
        *_case(_AF_NETLINK, netlink),
        _step(_RETURN, family),
    ]


def _any_bit(bits: int, otherwise: int) -> list[bytes]:
    return [_argument(0), _step(_ANY_BIT, bits, 0, 1), _step(_RETURN, otherwise), _step(_RETURN, _ALLOW)]


def _case(value: int, steps: list[bytes]) -> list[bytes]:
    """Run instructions, the last of which returns, if the loaded value is this one."""
    return [_step(_EQUAL, value, 0, len(steps)), *steps]


def _argument(index: int) -> bytes:
    # The lower half, which is all that the kernel reads of these; both machines store it first.
    return _step(_LOAD, 16 + 8 * index)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
