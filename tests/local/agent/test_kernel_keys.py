"""The keys that the kernel keeps for users: no sandbox reads those of this user, or of another sandbox."""

import ctypes
import os
import sys
from pathlib import Path

import pytest

from sandtui.local.agent import seccomp
from tests.local.conftest import Inside
from tests.local.support import Api, Start

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not seccomp.is_supported() or not Path("/proc/keys").exists(),
    reason="no kernel keyrings here",
)

ADD_KEY, KEYCTL = {"aarch64": (217, 219)}.get(os.uname().machine, (248, 250))
SESSION, JOIN, SEARCH, READ, REVOKE = -3, 1, 10, 11, 3
SECRET = b"the user's own key"

ATTACK = f"""
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
serial = int(sys.argv[1]) if len(sys.argv) > 1 else SERIAL
space = ctypes.create_string_buffer(100)
found = [
    libc.syscall({KEYCTL}, {SEARCH}, keyring, b"user", b"sandtui-test", 0) for keyring in (-3, -4, -5)
]
size = libc.syscall({KEYCTL}, {READ}, serial, space, 100)
print(found, space.value if size > 0 else "nothing")
"""


@pytest.fixture
def serial() -> int:
    """A key in the session keyring of this process, which any process of its user may read by its number."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if libc.syscall(KEYCTL, JOIN, None) < 0:
        pytest.skip("no kernel keyrings here")
    number = int(libc.syscall(ADD_KEY, b"user", b"sandtui-test", SECRET, len(SECRET), SESSION))
    assert number > 0
    # KEYCTL_SETPERM: everything, to the possessor, the user and all others.
    assert libc.syscall(KEYCTL, 5, number, 0x3F3F3F3F) == 0
    return number


async def test_no_key_of_this_user_is_found_or_read(serial: int, inside: Inside) -> None:
    assert await inside(ATTACK.replace("SERIAL", str(serial))) == "[-1, -1, -1] nothing\n"


async def test_the_list_of_keys_is_hidden(serial: int, inside: Inside) -> None:
    listing = "print([open(f'/proc/{name}').read() for name in ('keys', 'key-users')])"
    assert await inside(listing) == "['', '']\n"


async def test_plain_processes_have_a_session_keyring_of_their_own(serial: int, start: Start) -> None:
    api: Api = await start("process")
    box = await api.running()
    await api.upload(box, "/workspace/attack.py", ATTACK.encode())
    found = await api.output(box, f"{sys.executable} attack.py {serial}")
    # The number is known all the same: nothing but the kernel's permissions keeps plain processes from keys.
    assert found == f"[-1, -1, -1] {SECRET!r}\n"
