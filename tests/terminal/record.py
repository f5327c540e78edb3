"""Records what full-screen programs of this machine write, for the conformance tests.

``python -m tests.terminal.record`` writes ``recordings/NAME.raw`` for each program that is installed, then
``python -m tests.terminal.judge`` what tmux shows of each, and of each sequence. The terminal's questions are
answered by our own emulation; keys are typed when the screen has been quiet for a while.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from sandtui.terminal import Emulation

COLUMNS, LINES = 80, 24
FOLDER = Path(__file__).with_name("recordings")
QUIET = 0.4

VIM = ["vim", "-u", "NONE", "-N", "-c", "syntax on | set ruler showcmd hlsearch nofixeol", "SAMPLE"]
PROGRAMS: dict[str, tuple[list[str], list[str]]] = {
    "vim-edit": (VIM, ["5G", "dd", "Onew line 漢字 é\x1b", "G", "/def\r", "n", ":set number\r"]),
    "vim-split": (VIM, [":split\r", ":vsplit\r", "\x17w", "G", "v5k", "\x1b", "zt"]),
    "vim-scroll": (VIM, ["\x06", "\x06", "\x04", "\x15", "\x02", "\x05\x05\x05", "\x19"]),
    "less-search": (["less", "-R", "SAMPLE"], [" ", "/self\r", "n", "b", "G", "k" * 3]),
    "less-chop": (["less", "-S", "-N", "SAMPLE"], [" ", "\x1b[C", "\x1b[D", "g", "j" * 5]),
    "less-help": (["less", "SAMPLE"], ["h", " ", "q", "G"]),
    "top": (["top", "-d", "60", "-p", "SELF"], [" ", "z", "x", "1", "<"]),
    "top-fields": (["top", "-d", "60", "-p", "SELF"], ["f", "\x1b[B", "\x1b"]),
    "python": (["python3", "-q"], ["print('\\033[31mred\\033[0m 漢字')\r", "[x for x in range(60)]\r", "1/0\r"]),
    "tmux-panes": (
        ["tmux", "-S", "SOCKET", "-f", "CONFIG", "new-session", "-s", "demo", "sh"],
        ["ls -C --color=always /usr\r", "\x02%", "\x02\"", "echo pane; seq 30\r", "\x02o"],
    ),
    "bash-line": (["bash", "--norc"], ["echo " + "x" * 100 + "\x01\x05" + "\b" * 5 + "\r", "ls -C /usr\r"]),
    "htop": (["htop", "-d", "600", "-p", "IDLE"], ["t", "\x1b[B", "h"]),
    "htop-setup": (["htop", "-d", "600", "-p", "IDLE"], ["\x1bOQ", "\x1bOB", "\x1bOB", "\x1bOC", "\x1bOB"]),
}  # fmt: skip


def record(command: list[str], keys: list[str]) -> bytes:
    """Run a program, type keys, and return all that it wrote until it was quiet after the last of them."""
    process, master = pty.fork()
    if process == 0:
        env = {"PATH": os.defpath, "PS1": "$ ", "HOME": "/nonexistent", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        os.chdir("/usr")
        os.execvpe(command[0], command, env)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    terminal = Emulation(COLUMNS, LINES)
    written = b""
    for key in [None, *keys]:
        if key is not None:
            os.write(master, key.encode())
        quiet_at = time.monotonic() + QUIET
        while time.monotonic() < quiet_at:
            if select.select([master], [], [], 0.05)[0]:
                data = os.read(master, 65536)
                written += data
                terminal.feed(data)
                os.write(master, terminal.take_replies())
                quiet_at = time.monotonic() + QUIET
    os.kill(process, signal.SIGKILL)
    os.close(master)
    os.waitpid(process, 0)
    return written


def main(wanted: Sequence[str]) -> None:
    """Record the wanted programs, or all, as far as they are there."""
    FOLDER.mkdir(exist_ok=True)
    config = Path(f"/tmp/sandtui-record-{os.getpid()}.conf")
    config.write_text("set -g status-right ''\nset -g default-terminal tmux-256color\n")
    sample = Path("/tmp/sample.py")
    sample.write_text("".join(SAMPLE.format(number=number) for number in range(25)))
    # A command line that tells nothing of this machine.
    idle = subprocess.Popen(["sleep", "600"])
    for name, (command, keys) in PROGRAMS.items():
        if wanted and name not in wanted:
            continue
        if shutil.which(command[0]) is None:
            print(f"{name}: {command[0]} is not installed", file=sys.stderr)
            continue
        socket = f"/tmp/sandtui-record-{os.getpid()}"
        places = {"SAMPLE": str(sample), "SOCKET": socket, "CONFIG": str(config), "SELF": str(os.getpid())}
        places["IDLE"] = str(idle.pid)
        FOLDER.joinpath(f"{name}.raw").write_bytes(record([places.get(part, part) for part in command], keys))
        if command[0] == "tmux":
            os.system(f"tmux -S {socket} kill-server")
    idle.kill()
    idle.wait()
    config.unlink()
    sample.unlink()


SAMPLE = '''
def function_{number}(self, value):
    """Return something of {number}, with a line that is long enough to be cut or wrapped by whatever shows it here."""
    if value == {number}:  # a comment\twith a tab
        return [self, "text", {number}.5]
    return None
'''

if __name__ == "__main__":
    main(sys.argv[1:])
