"""Which system calls code in a sandbox may make: attacks, and the programs that have to go on working."""

import errno
import json
import os
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandtui.local.agent import libc, seccomp
from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.machine_python import machine_python
from sandtui.local.drivers.namespace import NamespaceDriver
from tests.local.conftest import Inside
from tests.local.ordinary import ordinary_sandbox, run
from tests.local.rpc import Rpc
from tests.local.ssh.test_ssh import authorized, connected
from tests.local.support import Api, Start, namespaces_work

pytestmark = pytest.mark.skipif(not seccomp.is_supported(), reason="the calls of this processor are not known")

# Makes a call and says the name of its error, or "allowed"; what it needs to fail for another reason is left out.
PROBE = """
import ctypes, errno, json, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
column = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
def call(numbers, *arguments):
    ctypes.set_errno(0)
    number = numbers if isinstance(numbers, int) else numbers[column]
    made = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    return "allowed" if made >= 0 else errno.errorcode[ctypes.get_errno()]
def family(*arguments):
    try:
        socket.socket(*arguments).close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"
space = ctypes.create_string_buffer(256)
"""

CALLS = """
CLONES = dict(NS=0x20000, CGROUP=0x2000000, UTS=0x4000000, IPC=0x8000000, USER=0x10000000, PID=0x20000000,
              NET=0x40000000, TIME=0x80)
found = {
    "io_uring_setup": call(425, 8, space), "keyctl": call((250, 219), 0, -3, 0),
    "keyctl join": call((250, 219), 1, 0), "add_key": call((248, 217), b"user", b"k", b"v", 1, -3),
    "request_key": call((249, 218), b"user", b"k", 0, 0), "userfaultfd": call((323, 282), 1),
    "bpf": call((321, 280), 0, space, 48), "perf_event_open": call((298, 241), space, 0, -1, -1, 0),
    "open_by_handle_at": call((304, 265), -100, space, 0), "ustat or vhangup": call((136, 58), 0, space),
    "kexec_load": call((246, 104), 0, 0, 0, 0), "finit_module": call((313, 273), 0, b"", 0),
    "mount": call((165, 40), b"t", b"/mnt", b"tmpfs", 0, 0), "umount2": call((166, 39), b"/dev/shm", 2),
    "pivot_root": call((155, 41), b"/", b"/mnt"), "fsopen": call(430, b"tmpfs", 0), "setns": call((308, 268), -1, 0),
    "open_tree": call(428, -100, b"/tmp", 1), "move_mount": call(429, -1, b"", -100, b"/mnt", 4),
    "syslog": call((103, 116), 10, 0, 0), "quotactl": call((179, 60), 0, 0, 0, 0),
    "mbind": call((237, 235), 0, 0, 0, 0, 0, 0), "fanotify_init": call((300, 262), 0x200, 0),
    "personality": call((135, 92), 0x400000), "pidfd_getfd": call(438, -1, 0, 0), "kcmp": call((312, 272), 1, 1, 0),
    **{f"unshare {name}": call((272, 97), flag) for name, flag in CLONES.items()},
    **{f"unshare {name} high": call((272, 97), flag | 0x400) for name, flag in CLONES.items()},
    **{f"clone {name}": call((56, 220), flag | signal.SIGCHLD, 0, 0, 0, 0)
       for name, flag in CLONES.items() if name != "TIME"},
}
unknown = {"clone3": call(435, space, 88), "a call of the future": call(999), "no call": call(-1 & 0x7FFFFFFF)}
if column == 0:
    unknown["x32"] = call(0x40000000 + 39)
    unknown["x32, past the others"] = call(0x40000000 + 547)
print(json.dumps([found, unknown]))
"""

FAMILIES = """
refused = {str(number): family(number, kind) for number in range(3, 48) if number not in (10, 16) for kind in (1, 2, 3)}
refused["packets, the old way"] = family(socket.AF_INET, 10)
refused["the same with flags"] = family(socket.AF_INET, 10 | socket.SOCK_CLOEXEC)
netlink = {str(number): family(16, socket.SOCK_RAW, number) for number in range(32) if number not in (0, 4)}
allowed = {
    "unix": family(1, 1), "inet": family(2, 1), "udp": family(2, 2), "inet6": family(10, 1), "udp6": family(10, 2),
    "route": family(16, 3, 0), "pairs": "allowed" if socket.socketpair() else "",
    "vsock pair": call((53, 199), 40, 1, 0, space),
}
raw = {str(one): family(one, socket.SOCK_RAW, 1) for one in (2, 10)}
print(json.dumps([refused, netlink, allowed, raw]))
"""


async def test_no_call_reaches_the_kernels_depths(inside: Inside) -> None:
    found, unknown = json.loads(await inside(PROBE + CALLS))
    assert found == dict.fromkeys(found, "EPERM")
    assert unknown == dict.fromkeys(unknown, "ENOSYS")


async def test_sockets_are_local_internet_or_routes(inside: Inside) -> None:
    refused, netlink, allowed, raw = json.loads(await inside(PROBE + FAMILIES))
    assert refused == dict.fromkeys(refused, "EAFNOSUPPORT")
    assert netlink == dict.fromkeys(netlink, "EPROTONOSUPPORT")
    assert allowed.pop("vsock pair") == "EAFNOSUPPORT"
    assert allowed == dict.fromkeys(allowed, "allowed")
    assert raw == dict.fromkeys(raw, "EPERM")


async def test_calls_of_another_architecture_are_unknown(inside: Inside) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("only x86-64 takes calls of its 32-bit ancestor in the same program")
    # getpid by way of int 0x80: mov eax, 20; int 0x80; ret
    code = (
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
        "print(run())"
    )
    assert await inside(code) == "-38\n"


async def test_no_namespaces_of_its_own(isolated: Api) -> None:
    box = await isolated.running()
    if shutil.which("unshare") is not None:
        for options in ("-U", "-Urmn", "-Urp --fork", "-m", "-n", "-i", "-u", "-C"):
            reply = (await isolated.run(box, f"unshare {options} true")).json()
            assert (reply["exit_code"], "not permitted" in reply["stderr"]) == (1, True), options
    status = await isolated.output(box, "cat /proc/self/status; cat /proc/sys/user/max_user_namespaces")
    assert "NoNewPrivs:\t1\n" in status and "Seccomp:\t2\n" in status
    assert status.endswith("\n0\n")
    assert (await isolated.run(box, "echo 9 > /proc/sys/user/max_user_namespaces")).json()["exit_code"] != 0


@pytest.mark.parametrize("who", ["this user", "ordinary"])
async def test_nesting_is_allowed_only_when_asked_for(start: Start, tmp_path: Path, who: str) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    nest = "unshare -Urmnpf --mount-proc sh -c 'mount -t tmpfs t /mnt && touch /mnt/f && id -u && ls /proc | head -1'"
    if who == "ordinary":
        async with ordinary_sandbox("none", nested=True) as instance:
            assert await run(instance, nest) == ("0\n1\n", 0)
        return
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    api = await start("namespace", allow_nested=True)
    assert "--allow-nested" in api.platform.driver.isolation
    assert "--allow-nested" in api.platform.driver.warning
    box = await api.running()
    assert await api.output(box, nest) == "0\n1\n"
    # The rest of the filter stays.
    await api.upload(box, "/tmp/code.py", (PROBE + FAMILIES).encode())
    refused, *_ = json.loads(await api.output(box, "python /tmp/code.py"))
    assert refused == dict.fromkeys(refused, "EAFNOSUPPORT")


def test_what_is_filtered_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def driver(**options: bool) -> NamespaceDriver:
        return NamespaceDriver(tmp_path, Catalogue(("*",)), mapped=True, link="veth", **options)

    assert "filtered much as in Docker, and programs cannot" in driver().isolation
    assert driver().warning == ""
    monkeypatch.setattr(seccomp, "is_supported", lambda: False)
    assert "system calls are not filtered" in driver().isolation
    assert "not filtered" in driver().warning


async def test_a_command_session_is_filtered_too(served: Api) -> None:
    box = await served.running(vm=True, network_access=True)
    rpc = await Rpc.of(served, box)
    out, _, _ = await rpc.run("grep Seccomp: /proc/self/status; unshare -Ur true; echo $?")
    assert out.split() == ["Seccomp:", "2", "1"]


async def test_a_shell_over_ssh_is_filtered_too(served: Api) -> None:
    box = await served.running()
    async with connected(await authorized(served, box), preamble=True) as connection:
        done = await connection.run("tty; grep Seccomp: /proc/self/status", term_type="xterm")
        assert str(done.stdout).split() == ["/dev/pts/0", "Seccomp:", "2"]


WORKS = """
import asyncio, concurrent.futures, ctypes, multiprocessing, os, pty, resource, select, shutil, signal, socket
import sqlite3, subprocess, sys, tempfile, threading, mmap
def double(number):
    return number * 2
async def main():
    process = await asyncio.create_subprocess_exec("echo", "sub", stdout=-1)
    assert (await process.communicate())[0] == b"sub\\n"
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    assert await asyncio.to_thread(double, 4) == 8
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(double, [1, 2]) == [2, 4], method
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(double, range(50))) == [n * 2 for n in range(50)]
    queue = multiprocessing.Queue(); queue.put(1); assert queue.get() == 1
    asyncio.run(main())
    assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
    assert subprocess.run(["true"], close_fds=False, start_new_session=True).returncode == 0
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("tty", ["tty"])
    assert os.read(terminal, 100).startswith(b"/dev/pts/")
    os.waitpid(pid, 0)
    os.close(os.memfd_create("x")); os.close(os.eventfd(0)); os.close(os.pidfd_open(os.getpid()))
    sqlite3.connect("/tmp/db").execute("create table t (x)")
    assert socket.if_nameindex() and socket.getaddrinfo("localhost", 80)
    import multiprocessing.shared_memory as shm
    one = shm.SharedMemory(create=True, size=100); one.close(); one.unlink()
    os.chroot("/") if os.getuid() == 0 else None
    print("all works")
"""

PTRACE = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    libc.ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
assert os.WIFSTOPPED(os.waitpid(child, 0)[1])
assert libc.ptrace(7, child, 0, 0) == 0
print(os.waitpid(child, 0)[1])
"""


async def test_python_works_with_all_that_it_has(inside: Inside) -> None:
    assert (await inside(WORKS)).splitlines()[-1] == "all works"
    assert await inside(PTRACE) == "0\n"


C_PROGRAM = (
    "#include <pthread.h>\\n#include <stdio.h>\\nstatic void *f(void *p) { return p; }\\n"
    'int main(void) { pthread_t t; if (pthread_create(&t, 0, f, 0) || pthread_join(t, 0)) return 1; puts("built"); }\\n'
)
PROGRAMS = {
    "bash": "bash -c 'set -m; sleep 30 & kill -STOP %1; jobs; kill -KILL %1; wait'; bash -ic true && echo done",
    "git": "git init -q r && cd r && git -c user.name=n -c user.email=e commit -q --allow-empty -m m && "
    "git clone -q . c && git log --oneline | wc -l && echo done",
    "node": "node -e \"const {execSync} = require('child_process'); const {Worker} = require('worker_threads'); "
    "require('os').networkInterfaces(); require('fs').promises.readdir('/').then(() => new Worker("
    "'process.exit(0)', {eval: true}).on('exit', () => console.log(execSync('echo done') + '')))\"",
    "gcc": f"printf '{C_PROGRAM}' > p.c && gcc -O1 p.c -o p -lpthread && ./p && echo done",
    "ps": "ps aux | grep -q 'ps aux' && echo done",
    "script": "script -qec 'tty' /dev/null && echo done",
    "ss": "ss -ltn && echo done",
    "setarch": "setarch -R true && echo done",
    "tar": "mkdir d && touch d/f && chown 0:0 d/f && tar czf d.tgz d && tar xzf d.tgz && echo done",
}


@pytest.mark.parametrize("program", [name for name in PROGRAMS if shutil.which(name)])
async def test_ordinary_programs_work_under_the_filter(isolated: Api, program: str) -> None:
    box = await isolated.running()
    assert (await isolated.output(box, PROGRAMS[program])).split()[-1] == "done"


@pytest.mark.skipif(machine_python()["pip"] is None, reason="this Python has no pip to give")
async def test_venv_and_pip_work(isolated: Api) -> None:
    box = await isolated.running()
    build = """
import zipfile
with zipfile.ZipFile("/tmp/thing-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("thing.py", "print('installed')")
    info = "thing-1.0.dist-info"
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(f"{info}/RECORD", "")
"""
    await isolated.upload(box, "/tmp/build.py", build.encode())
    install = "pip install -q --no-index --no-deps --disable-pip-version-check /tmp/thing-1.0-py3-none-any.whl"
    both = f"python /tmp/build.py && python -m venv v && v/bin/{install} && v/bin/python -c 'import thing'"
    assert (await isolated.output(box, both)).split()[-1] == "installed"
    assert (await isolated.output(box, f"{install} 2>&1; python -c 'import thing'")).split()[-1] == "installed"


ALLOW, EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT = "allow", errno.EPERM, errno.ENOSYS, 97, 93
X86, ARM, I386 = 0xC000003E, 0xC00000B7, 0x40000003
# The architecture of a call, its number and arguments; the answer without nesting, and with it.
ANSWERS = {
    "x86_64": [
        ((X86, 0), ALLOW, ALLOW), ((X86, 57), ALLOW, ALLOW), ((X86, 59), ALLOW, ALLOW),  # read, fork, execve
        ((X86, 165), EPERM, ALLOW), ((X86, 250), EPERM, EPERM), ((X86, 425), EPERM, EPERM),  # mount, keyctl, io_uring
        ((X86, 56, 0x11), ALLOW, ALLOW), ((X86, 56, 0x10000011), EPERM, ALLOW), ((X86, 435), ENOSYS, ALLOW),
        ((X86, 272, 0x200), ALLOW, ALLOW), ((X86, 272, 0x80), EPERM, ALLOW), ((X86, 272, 0x40000000), EPERM, ALLOW),
        ((X86, 101, 0), ALLOW, ALLOW), ((X86, 0x40000000), ENOSYS, ENOSYS), ((X86, 0xFFFFFFFF), ENOSYS, ENOSYS),
        ((I386, 20), ENOSYS, ENOSYS), ((ARM, 63), ENOSYS, ENOSYS), ((X86, 135, 0xFFFFFFFF), ALLOW, ALLOW),
        ((X86, 41, 2, 0x80801), ALLOW, ALLOW), ((X86, 41, 2, 0x8080A), EAFNOSUPPORT, EAFNOSUPPORT),
        ((X86, 41, 0x1_0000_0011, 3), EAFNOSUPPORT, EAFNOSUPPORT),
    ],
    "aarch64": [
        ((ARM, 63), ALLOW, ALLOW), ((ARM, 221), ALLOW, ALLOW),  # read, execve
        ((ARM, 40), EPERM, ALLOW), ((ARM, 219), EPERM, EPERM), ((ARM, 425), EPERM, EPERM),
        ((ARM, 220, 0x11), ALLOW, ALLOW), ((ARM, 220, 0x20000011), EPERM, ALLOW), ((ARM, 435), ENOSYS, ALLOW),
        ((ARM, 97, 0x400), ALLOW, ALLOW), ((ARM, 97, 0x10000000), EPERM, ALLOW), ((ARM, 268), EPERM, ALLOW),
        ((ARM, 117, 0), ALLOW, ALLOW), ((ARM, 280), EPERM, EPERM), ((ARM, 282), EPERM, EPERM),
        ((ARM, 265), EPERM, EPERM), ((ARM, 241), EPERM, EPERM), ((ARM, 105), EPERM, EPERM),
        ((ARM, 198, 16, 3, 0), ALLOW, ALLOW), ((ARM, 198, 16, 3, 12), EPROTONOSUPPORT, EPROTONOSUPPORT),
        ((ARM, 198, 38, 5), EAFNOSUPPORT, EAFNOSUPPORT), ((ARM, 199, 1, 1), ALLOW, ALLOW),
        ((ARM, 999), ENOSYS, ENOSYS), ((0x40000028, 20), ENOSYS, ENOSYS), ((X86, 0), ENOSYS, ENOSYS),
    ],
}  # fmt: skip


def decide(program: bytes, architecture: int, number: int, *arguments: int) -> int | str:
    """Run a filter as the kernel does and return its answer."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    steps = list(struct.iter_unpack("=HBBI", program))
    loaded = at = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x06:
            return ALLOW if value == 0x7FFF0000 else value & 0xFFFF
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            loaded &= value
        else:
            test = {0x15: loaded == value, 0x25: loaded > value, 0x45: bool(loaded & value)}[code]
            at += if_true if test else if_false


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("machine", ANSWERS)
def test_the_filter_of_each_architecture(monkeypatch: pytest.MonkeyPatch, machine: str, nested: bool) -> None:
    programs: list[bytes] = []
    monkeypatch.setattr(libc, "filter_calls", programs.append)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    seccomp.refuse_calls(nested=nested)
    monkeypatch.undo()
    for call, alone, with_nesting in ANSWERS[machine]:
        assert decide(programs[0], *call) == (with_nesting if nested else alone), call
