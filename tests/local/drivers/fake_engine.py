"""A container engine without containers: its commands are processes of this machine.

It speaks as much of the Docker API as the driver uses, on a Unix socket, over TCP, TLS and SSH.
"""

import asyncio
import contextlib
import ipaddress
import json
import os
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

RUNTIMES = {"runc": {"path": "runc"}, "runsc": {"path": "/usr/bin/runsc"}}


class FakeEngine:
    """The engine; ``containers`` are those that were created, by name, as they were described."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.containers: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, asyncio.Event] = {}
        self.commands: dict[str, dict[str, Any]] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["FakeEngine"]:
        server = await asyncio.start_unix_server(self.serve, self.socket)
        try:
            yield self
        finally:
            server.close()
            for gone in self.gone.values():
                gone.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, target, _ = head.split(" ", 2)
                url = urlsplit(target)
                path = unquote(url.path).removeprefix("/v1.41")
                if method == "POST" and (found := re.fullmatch(r"/exec/(\w+)/start", path)):
                    await self._attach(self.commands[found[1]], reader, writer)
                    break
                status, answer = await self._answer(method, path, parse_qs(url.query), json.loads(body or b"{}"))
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        writer.close()

    async def _answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Any:
        if path == "/version":
            return 200, {"Platform": {"Name": "Fake Engine"}, "Version": "1.0", "Arch": os.uname().machine}
        if path == "/_ping":
            return 200, b"OK"
        if path == "/info":
            return 200, {"Runtimes": RUNTIMES}
        if path.startswith("/images/"):
            return 200, {}
        if path == "/containers/create":
            name = query["name"][0]
            self.containers[name], self.gone[name] = body, asyncio.Event()
            return 201, {"Id": name}
        if path == "/volumes":
            return 200, {"Volumes": []}
        if path == "/containers/json":
            wanted = json.loads(query["filters"][0])["label"][0].split("=")
            found = [one["Labels"] for one in self.containers.values() if one["Labels"].get(wanted[0]) == wanted[1]]
            return 200, [{"Labels": labels} for labels in found]
        if found := re.fullmatch(r"/exec/(\w+)/(json|resize)", path):
            command = self.commands[found[1]]
            return 200, {"Running": command["code"] is None, "ExitCode": command["code"]}
        found = re.fullmatch(r"/containers/([\w-]+)(?:/(\w+))?", path)
        if not found or found[1] not in self.containers:
            return 404, {"message": f"No such container: {path}"}
        return await self._container(method, found[1], found[2], body)

    async def _container(self, method: str, name: str, call: str | None, body: dict[str, Any]) -> Any:
        if method == "DELETE":
            del self.containers[name]
            self.gone[name].set()
            return 204, b""
        if call == "wait":
            await self.gone[name].wait()
            return 200, {"StatusCode": 137}
        if call == "exec":
            identity = f"exec{len(self.commands)}"
            self.commands[identity] = {**body, "code": None}
            return 201, {"Id": identity}
        return 200, {
            "State": {"Running": True},
            "NetworkSettings": {"IPAddress": "127.0.0.1"},
        } if call == "json" else b""

    async def _attach(
        self, command: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        process = await asyncio.create_subprocess_exec(
            *command["Cmd"], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, cwd=self.folder, start_new_session=True,
            env={"PATH": os.environ["PATH"], **dict(one.split("=", 1) for one in command.get("Env") or [])},
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        stdin = process.stdin

        async def forward(source: asyncio.StreamReader, number: int) -> None:
            while data := await source.read(65536):
                writer.write(bytes([number, 0, 0, 0]) + len(data).to_bytes(4, "big") + data)
                await writer.drain()

        async def feed() -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    stdin.write(data)
                    await stdin.drain()
                stdin.close()

        feeding = asyncio.create_task(feed())
        await asyncio.gather(forward(process.stdout, 1), forward(process.stderr, 2))
        command["code"] = await process.wait()
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding


@asynccontextmanager
async def over_tcp(engine: FakeEngine) -> AsyncIterator[int]:
    """Serve an engine on a loopback port."""
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


# TLS: in threads, since asyncio's own cannot go on after one side has ended


@contextmanager
def over_tls(engine: FakeEngine, certificates: Path, *, newest: ssl.TLSVersion) -> Iterator[int]:
    """Serve an engine over TLS, for clients with a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates / "ca.pem")
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(plain,), daemon=True).start()

    def relay(plain: socket.socket) -> None:
        try:
            near = context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(engine.socket))
        back = threading.Thread(target=copy, args=(far, near), daemon=True)
        back.start()
        copy(near, far)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_WR)
        back.join()
        near.close()
        far.close()

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        if isinstance(target, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def write_certificates(folder: Path) -> None:
    """Write an authority, a server for 127.0.0.1, and a client, with the names that ``docker`` uses."""
    folder.mkdir(parents=True)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server", "client")}
    names = {name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in keys}
    now = datetime.now(UTC)
    for name, key in keys.items():
        usage = ExtendedKeyUsageOID.SERVER_AUTH if name == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[name])
            .issuer_name(names["ca"])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["ca"].public_key()), critical=False
            )
        )  # fmt: skip
        if name == "ca":
            usages = {"key_cert_sign": True, "crl_sign": True}
            others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                      "key_agreement", "encipher_only", "decipher_only")  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(**usages, **dict.fromkeys(others, False)), critical=True)
        else:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = builder.sign(keys["ca"], hashes.SHA256())
        public = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate_name, key_name = {
            "ca": ("ca.pem", "ca-key.pem"),
            "server": ("server.pem", "server-key.pem"),
            "client": ("cert.pem", "key.pem"),
        }[name]
        (folder / certificate_name).write_bytes(public)
        (folder / key_name).write_bytes(private)


# SSH


class _Machine(asyncssh.SSHServer):
    def __init__(self, server: "SshMachine") -> None:
        self.machine = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.machine.connections.append(conn)

    def unix_connection_requested(self, dest_path: str) -> Any:
        if dest_path not in self.machine.sockets:
            return False

        async def forward(reader: Any, writer: Any) -> None:
            self.machine.forwarded += 1
            near = await asyncio.open_unix_connection(str(self.machine.engine.socket))
            await _both_ways((reader, writer), near)

        return forward

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True


class SshMachine:
    """A machine with an engine, reached through SSH; ``sockets`` are those that it forwards."""

    def __init__(self, engine: FakeEngine, sockets: tuple[str, ...] = (), docker: bool = True) -> None:
        self.engine, self.sockets, self.docker = engine, sockets, docker
        self.forwarded = self.dialed = 0
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.port = 0

    @asynccontextmanager
    async def listening(self, home: Path) -> AsyncIterator["SshMachine"]:
        """Listen on a loopback port, with a key in a home directory that may log in and knows the machine."""
        folder = home / ".ssh"
        folder.mkdir(mode=0o700)
        host, own = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
        own.write_private_key(str(folder / "id_ed25519"))
        (folder / "id_ed25519").chmod(0o600)
        own.write_public_key(str(folder / "authorized"))
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: _Machine(self), server_host_keys=[host],
            authorized_client_keys=str(folder / "authorized"), process_factory=self._command, encoding=None,
        )  # fmt: skip
        self.port = server.get_port()
        known = host.export_public_key().decode()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}")
        try:
            yield self
        finally:
            server.close()
            for connection in self.connections:
                connection.abort()

    async def _command(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        if process.command != "docker system dial-stdio" or not self.docker:
            process.stderr.write(b"sh: 1: docker: not found\n")
            process.exit(127)
            return
        self.dialed += 1
        near = await asyncio.open_unix_connection(str(self.engine.socket))
        await _both_ways((process.stdin, process.stdout), near)
        process.exit(0)


async def _both_ways(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    async def copy(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.write_eof()

    back = asyncio.create_task(copy(other[0], one[1]))
    await copy(one[0], other[1])
    await back
    other[1].close()
    with contextlib.suppress(AttributeError):
        one[1].close()
