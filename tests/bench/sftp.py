"""Files over SFTP beside OpenSSH's programs and beside our own way over HTTP, in the same rounds: part of files.py."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import asyncssh

from sandtui.client import AsyncSandboxClient
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.transfers.model import Place

LEAST_OF_OPENSSH = 1.0
LISTED = "/workspace/listed"


class Copies(Protocol):
    """What the bench of files offers."""

    client: AsyncSandboxClient
    box: str
    folder: Path

    async def copy(self, source: Place, target: Place, *, checksum: bool = True, sftp: bool = False) -> None:
        """Copy by the queue."""

    def there(self, path: str) -> Place:
        """Return a place in the sandbox."""

    async def sh(self, command: str) -> None:
        """Run a command in the sandbox."""


class OpenSSH:
    """OpenSSH's programs on a session of their own."""

    def __init__(self, folder: Path, host: str, port: int, user: str) -> None:
        self._key, self._at, self._port = folder / "key", f"{user}@{host}", str(port)

    @classmethod
    async def log_in(cls, bench: Copies) -> OpenSSH:
        """Open a session with a key in a file."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        public = key.export_public_key().decode().strip()
        session = await bench.client.create_ssh_session(bench.box, public_key=public)
        made = cls(bench.folder, session.host, session.port, session.session_id)
        made._key.write_bytes(key.export_private_key())
        made._key.chmod(0o600)
        return made

    async def sftp(self, batch: str) -> None:
        """Run some lines of sftp."""
        await self._run("sftp", "-P", self._port, "-b", "-", self._at, given=batch)

    async def scp(self, source: str, target: str) -> None:
        """Copy; ``:PATH`` is in the sandbox."""
        places = [f"{self._at}{each}" if each.startswith(":") else each for each in (source, target)]
        await self._run("scp", "-P", self._port, *places)

    async def _run(self, program: str, *arguments: str, given: str = "") -> None:
        quiet = ["-q", "-i", str(self._key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        process = await asyncio.create_subprocess_exec(
            program,
            *quiet,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await process.communicate(given.encode())
        assert process.returncode == 0, program


Best = Callable[..., Awaitable[list[float]]]


async def over_sftp(bench: Copies, best: Best, row: Callable[..., None], megabytes: int, entries: int) -> None:
    """One large file both ways, and a large directory."""
    if shutil.which("sftp") is None:
        print("OpenSSH is not installed: SFTP is not measured")
        return
    peer = await OpenSSH.log_in(bench)
    source, back, other = (bench.folder / name for name in ("over-ssh", "over-ssh-back", "openssh-back"))
    source.write_bytes(os.urandom(1_000_000) * megabytes)
    here, there = Place(str(source)), bench.there("/workspace/over-ssh")

    def up(sftp: bool) -> Callable[[], Awaitable[None]]:
        return lambda: bench.copy(here, there, checksum=False, sftp=sftp)

    def down(sftp: bool) -> Callable[[], Awaitable[None]]:
        return lambda: bench.copy(there, Place(str(back)), checksum=False, sftp=sftp)

    works = {
        "upload": (
            up(True),
            lambda: peer.sftp(f"put {source} /workspace/openssh\n"),
            lambda: peer.scp(str(source), ":/workspace/openssh"),
            up(False),
        ),
        "download": (
            down(True),
            lambda: peer.sftp(f"get /workspace/over-ssh {other}\n"),
            lambda: peer.scp(":/workspace/over-ssh", str(other)),
            down(False),
        ),
    }
    for name, some in works.items():
        ours, by_sftp, by_scp, by_http = await best(*some)
        ratio = min(by_sftp, by_scp) / ours
        met = "met" if ratio >= LEAST_OF_OPENSSH else "NOT MET"
        row(
            f"{megabytes} MB {name} over SFTP",
            f"{megabytes / ours:.0f} MB/s",
            f"{ratio:.2f} of OpenSSH's best (bar {LEAST_OF_OPENSSH}: {met}); sftp {megabytes / by_sftp:.0f}, "
            f"scp {megabytes / by_scp:.0f}, our HTTP {megabytes / by_http:.0f} MB/s",
        )
    assert back.read_bytes() == source.read_bytes()
    await listings(bench, best, row, peer, entries)


async def listings(bench: Copies, best: Best, row: Callable[..., None], peer: OpenSSH, entries: int) -> None:
    """Directories of a few and of many entries: why the browser lists by a command even where SSH is open."""
    side = SandboxSide(bench.client, bench.box)
    async with bench.client.connect_ssh(bench.box) as link, link.start_sftp_client() as sftp:
        for count in (20, entries):
            await bench.sh(
                f"mkdir -p {LISTED}; cd {LISTED}; i=0; while [ $i -lt {count} ]; do : > f$i; i=$((i+1)); done"
            )

            async def by_command(count: int = count) -> None:
                assert len((await side.read_folder(LISTED)).entries) == count

            async def by_sftp(count: int = count) -> None:
                assert len([entry async for entry in sftp.scandir(LISTED)]) == count + 2

            ours, theirs, openssh = await best(by_command, by_sftp, lambda: peer.sftp(f"ls -l {LISTED}\n"))
            row(
                f"{count:,} entries listed by a command",
                f"{ours * 1000:.0f} ms",
                f"over an SFTP session that is open {theirs * 1000:.0f} ms, OpenSSH's ls {openssh * 1000:.0f} ms",
            )
