"""Drives the official command line, each version in its own environment, against a fresh local platform.

Usage: ``python -m tests.interop.prime VERSION...``. Every case is one or more commands as a person types them; the last
line counts them. Afterwards each version reads and deletes what the others made.
"""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.conftest import start_platform

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "sandtui"]
SECONDS = 60


class Prime:
    """One version of the command line, with a home of its own."""

    def __init__(self, version: str, home: Path, environment: dict[str, str]) -> None:
        self.version = version
        self.home = home
        self.program = str(ROOT / ".interop" / f"prime-{version}" / "bin" / "prime")
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1",
            # Wide and plain, so that no id is cut off in a table.
            "COLUMNS": "250",
            "TERM": "dumb",
            **environment,
        }
        self.commands = 0
        self.help = self("sandbox", "--help")

    def __call__(self, *words: str, code: int = 0, text: str = "") -> str:
        """Run a command that has to end with ``code``; return all that it printed."""
        self.commands += 1
        done = subprocess.run(
            [self.program, *words], env=self.environment, text=True, timeout=SECONDS, cwd=self.home,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout}"
        assert text in done.stdout, f"{shlex.join(words)} lacks {text!r}:\n{done.stdout}"
        return done.stdout

    def has(self, command: str) -> bool:
        """Return whether this version's ``sandbox`` has a command."""
        return re.search(rf"^\W*{command}\s", self.help, re.MULTILINE) is not None

    def words(self, *words: str) -> list[str]:
        """Return a command as ``run`` takes it: newer versions its words, the oldest one text."""
        several = "COMMAND..." in self("sandbox", "run", "--help")
        return list(words) if several else [shlex.join(words)]

    def clear(self) -> None:
        """Delete what a case that failed has left."""
        for box in self.ids():
            self("sandbox", "delete", box, "--yes")

    def create(self, name: str, *options: str) -> str:
        """Create a sandbox, wait until it runs, and return its id."""
        made = self("sandbox", "create", "python:3.11-slim", "--name", name, *options, "--yes")
        found = re.search(r"sbx_[0-9a-f]+", made)
        assert found, made
        end = time.monotonic() + SECONDS
        while (row := self.get(found[0]))["status"] != "RUNNING":
            assert time.monotonic() < end and row["status"] in ("PENDING", "PROVISIONING"), row
        return found[0]

    def get(self, sandbox_id: str) -> dict[str, object]:
        """Return one sandbox as JSON shows it."""
        row: dict[str, object] = json.loads(self("sandbox", "get", sandbox_id, "--output", "json"))
        return row

    def ids(self) -> set[str]:
        """Return the ids of all that ``list`` shows."""
        return {row["id"] for row in json.loads(self("sandbox", "list", "--output", "json"))["sandboxes"]}

    def type_into(self, words: list[str], typed: str, until: str) -> str:
        """Run a command in a terminal, type once it has printed a prompt, and return what was shown."""
        self.commands += 1
        pid, master = pty.fork()
        if pid == 0:
            os.execve(self.program, [self.program, *words], {**self.environment, "TERM": "xterm"})
        shown, sent, end = b"", False, time.monotonic() + SECONDS
        try:
            while until.encode() not in shown:
                assert time.monotonic() < end, shown
                if not select.select([master], [], [], 0.5)[0]:
                    continue
                try:
                    part = os.read(master, 65536)
                except OSError:
                    break
                shown += part
                if not sent and shown.rstrip().endswith(b"#"):
                    os.write(master, typed.encode())
                    sent = True
        finally:
            os.close(master)
            os.waitpid(pid, 0)
        assert until.encode() in shown, shown.decode(errors="replace")
        return shown.decode(errors="replace")


CASES: list[Callable[[Prime], None]] = []


def case(function: Callable[[Prime], None]) -> Callable[[Prime], None]:
    """Add a case."""
    CASES.append(function)
    return function


@case
def account(prime: Prime) -> None:
    prime("whoami", text="usr_local")
    prime("teams", "list", text="Total: 0")
    if "secret" in prime("--help"):
        prime("secret", "list", text="No personal secrets found")
        prime("secret", "create", "--name", "A", "--value", "b", code=1, text="not offered by the local platform")
    prime("pods", "list", code=1, text="not offered by the local")


@case
def create_list_and_get(prime: Prime) -> None:
    assert prime.ids() == set()
    box = prime.create("one", "--env", "A=1", "--label", "x", "--label", "y")
    assert prime.ids() == {box}
    prime("sandbox", "list", text=box)
    row = prime.get(box)
    assert (row["name"], row["user_id"], row["labels"]) == ("one", "usr_local", ["x", "y"]), row
    prime("sandbox", "get", box, text="RUNNING")
    prime("sandbox", "get", "sbx_unknown", code=1, text="HTTP 404")
    prime("sandbox", "delete", box, "--yes", text="Successfully deleted")
    assert prime.ids() == set()


@case
def run(prime: Prime) -> None:
    box = prime.create("run", "--env", "A=from-create")
    prime("sandbox", "run", box, "env", text="A=from-create")
    prime("sandbox", "run", "--working-dir", "/tmp", "--env", "B=2", box, "pwd", text="/tmp")
    prime("sandbox", "run", "--env", "B=from-run", box, "env", text="B=from-run")
    # What it ends with then is the command line's business: 1, or the command's own code.
    failed = subprocess.run(
        [prime.program, "sandbox", "run", box, "false"], env=prime.environment, capture_output=True, timeout=SECONDS
    )
    assert failed.returncode == 1, failed
    prime.commands += 1
    prime("sandbox", "delete", box, "--yes")


@case
def files(prime: Prime) -> None:
    box = prime.create("files")
    data = bytes(range(256)) * 1000
    (prime.home / "in.bin").write_bytes(data)
    prime("sandbox", "upload", box, "in.bin", "/workspace/new/in.bin")
    prime("sandbox", "run", box, *prime.words("cksum", "/workspace/new/in.bin"), text="256000")
    prime("sandbox", "download", box, "/workspace/new/in.bin", "out.bin")
    assert (prime.home / "out.bin").read_bytes() == data
    prime("sandbox", "download", box, "/workspace/none", "none.bin", code=1)
    prime("sandbox", "delete", box, "--yes")


@case
def logs(prime: Prime) -> None:
    box = prime.create("logs")
    prime("sandbox", "logs", box, text="driver:")
    prime("sandbox", "reset-cache", "--yes")
    prime("sandbox", "run", box, "id", text="uid=0")
    prime("sandbox", "delete", box, "--yes")


@case
def ports(prime: Prime) -> None:
    if not prime.has("expose"):
        return
    box = prime.create("ports")
    exposed = re.search(r"exp_[0-9a-f]+", prime("sandbox", "expose", box, "8000", "--name", "web"))
    assert exposed
    prime("sandbox", "list-ports", box, text=exposed[0])
    prime("sandbox", "list-ports", text=exposed[0])
    prime("sandbox", "unexpose", box, exposed[0], "--yes")
    assert exposed[0] not in prime("sandbox", "list-ports", box)
    prime("sandbox", "delete", box, "--yes")


@case
def shell(prime: Prime) -> None:
    if not prime.has("ssh"):
        return
    box = prime.create("shell")
    prime.type_into(["sandbox", "ssh", box], "echo got-$((40+2)); exit\r", "got-42")
    prime("sandbox", "delete", box, "--yes")


@case
def network(prime: Prime) -> None:
    if not prime.has("network"):
        return
    box = prime.create("network")
    prime("sandbox", "network", "egress", box, text="unrestricted")
    prime("sandbox", "network", "egress", box, "--allow", "example.com")
    prime("sandbox", "network", "egress", box, text="example.com")
    prime("sandbox", "delete", box, "--yes")


@case
def lan(prime: Prime) -> None:
    if not prime.has("network"):
        return
    made = prime("sandbox", "network", "create", "lab", "--rule", "tag:web->tag:db@5432", "--output", "json")
    network = json.loads(made)["id"]
    prime("sandbox", "network", "list", text="tag:web->tag:db@5432")
    box = prime.create("lan")
    prime("sandbox", "network", "add", network, box, "--tag", "db", text=f"{box}.sandbox.internal")
    shown = prime("sandbox", "network", "get", network)
    assert box in shown and "db" in shown and "yes" in shown, shown
    prime("sandbox", "network", "rules", network, "--rule", "internet->tag:db@8080", text="internet->tag:db@8080")
    prime("sandbox", "network", "rules", network, "--rule", "10.0.0.0/8->*", code=1, text="must be * or tag:NAME")
    prime("sandbox", "network", "remove", network, box, text="Removed")
    prime("sandbox", "network", "get", network, text="No members.")
    prime("sandbox", "network", "delete", network, "--yes", text="Deleted")
    prime("sandbox", "network", "get", network, code=1, text="not found")
    prime("sandbox", "delete", box, "--yes")


@case
def checkpoints(prime: Prime) -> None:
    if not prime.has("checkpoint"):
        return
    box = prime.create("checkpointed")
    prime("sandbox", "run", box, *prime.words("touch", "/root/kept"))
    made = json.loads(prime("sandbox", "checkpoint", "create", box, "--output", "json"))
    end = time.monotonic() + SECONDS
    while (found := json.loads(prime("sandbox", "checkpoint", "get", made["id"], "-o", "json")))["state"] != "DURABLE":
        assert time.monotonic() < end, found
    prime("sandbox", "checkpoint", "list", box, text=made["id"])
    restored = re.search(r"sbx_[0-9a-f]+", prime("sandbox", "checkpoint", "restore", made["id"], "--yes"))
    forked = re.search(r"sbx_[0-9a-f]+", prime("sandbox", "fork", box, "--name", "forked", "--yes").split("into")[-1])
    assert restored and forked
    for copy in (restored[0], forked[0]):
        while prime.get(copy)["status"] != "RUNNING":
            assert time.monotonic() < end
        prime("sandbox", "run", copy, *prime.words("ls", "/root"), text="kept")
    prime("sandbox", "checkpoint", "delete", made["id"], "--yes", text=made["id"])
    for one in (box, restored[0], forked[0]):
        prime("sandbox", "delete", one, "--yes")


@case
def delete_many(prime: Prime) -> None:
    boxes = [prime.create(f"many-{number}", "--label", "many", "--label", f"n{number}") for number in range(3)]
    prime("sandbox", "delete", boxes[0], boxes[1], "--yes")
    assert prime.ids() == {boxes[2]}
    prime("sandbox", "delete", "--label", "many", "--label", "n2", "--yes")
    assert prime.ids() == set()


@case
def delete_all(prime: Prime) -> None:
    made = {prime.create(f"all-{number}") for number in range(2)}
    assert prime.ids() == made
    prime("sandbox", "delete", "--all", "--yes")
    assert prime.ids() == set()
    if "--all-users" in prime("sandbox", "delete", "--help"):
        prime.create("everyone")
        prime("sandbox", "delete", "--all", "--all-users", "--yes")
        assert prime.ids() == set()


@contextmanager
def platform_environment(folder: Path) -> Iterator[dict[str, str]]:
    """Run a platform and give what ``sandtui local env`` exports for it."""
    process, platform = start_platform(folder / "state")
    try:
        ask = [*PROGRAM, "local", "env", "--state-dir", str(platform.state_dir)]
        export = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
        yield dict(word.split("=", 1) for word in shlex.split(export)[1:])
    finally:
        process.terminate()
        process.wait(30)


def together(primes: list[Prime]) -> None:
    """Each version reads what every other made, and one deletes it all."""
    made = {prime.create(f"by-{prime.version}") for prime in primes}
    for prime in primes:
        assert prime.ids() == made, prime.version
        for box in made:
            assert prime.get(box)["status"] == "RUNNING"
            prime("sandbox", "run", box, "pwd", text="/workspace")
    primes[-1]("sandbox", "delete", "--all", "--yes")
    assert not any(prime.ids() for prime in primes)


def passes(name: str, work: Callable[[], None]) -> bool:
    """Do some work, and report what it failed at."""
    try:
        work()
    except Exception:
        print(f"{name}: failed\n{traceback.format_exc()}", flush=True)
        return False
    return True


def tried(work: Callable[[Prime], None], prime: Prime) -> None:
    """Run one case and leave no sandbox."""
    try:
        work(prime)
    finally:
        prime.clear()


def main(versions: list[str]) -> int:
    """Run every case; return 1 when one failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sandtui-prime-") as name:
        folder = Path(name)
        with platform_environment(folder) as environment:
            primes = []
            for version in versions:
                home = folder / version
                home.mkdir()
                primes.append(Prime(version, home, environment))
            for prime in primes:
                good = sum(passes(f"{prime.version} {work.__name__}", partial(tried, work, prime)) for work in CASES)
                failed += len(CASES) - good
                print(f"prime {prime.version}: {good} of {len(CASES)} cases, {prime.commands} commands", flush=True)
            good = passes("together", lambda: together(primes))
            failed += not good
            print(f"all together: {'passed' if good else 'failed'}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
