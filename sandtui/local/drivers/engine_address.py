"""Where a container engine listens, as ``DOCKER_HOST``, a context of ``docker`` or the user names it."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from sandtui.docker_contexts import DEFAULT, chosen_context, docker_contexts, docker_directory
from sandtui.local.settings import LocalError

_PORTS: Final = {False: 2375, True: 2376}
_FORMS: Final = "unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"


@dataclass(frozen=True)
class EngineTls:
    """The certificates of a TLS connection; ``verify`` says whether the engine has to prove its name."""

    directory: Path | None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Return the settings of the connection.

        Raises:
            LocalError: a certificate is missing or not valid.
        """
        found = {name: self._file(f"{name}.pem") for name in ("ca", "cert", "key")}
        try:
            context = ssl.create_default_context(cafile=found["ca"])
            if not self.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if found["cert"] and found["key"]:
                context.load_cert_chain(found["cert"], found["key"])
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
            raise LocalError(
                f"The certificates in {self.directory} cannot be used: {reason}. The directory must contain ca.pem, "
                "cert.pem and key.pem; DOCKER_CERT_PATH names another."
            ) from error
        return context

    def _file(self, name: str) -> str | None:
        path = None if self.directory is None else self.directory / name
        return str(path) if path is not None and path.is_file() else None


@dataclass(frozen=True)
class EngineAddress:
    """The address of an engine."""

    scheme: str
    """``unix``, ``tcp`` or ``ssh``."""
    host: str = ""
    port: int | None = None
    path: str = ""
    """The socket, here or on the SSH host; there, empty for the engine that ``docker`` uses."""
    user: str = ""
    tls: EngineTls | None = None
    origin: str = ""
    """What names it, for error messages; empty for a socket in a usual place."""

    def __str__(self) -> str:
        """Return it as a URL."""
        if self.scheme == "unix":
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{user}{host}{'' if self.port is None else f':{self.port}'}{self.path}"

    @property
    def is_here(self) -> bool:
        """Whether the engine runs on this machine, as far as the address says."""
        return self.scheme == "unix" or (self.scheme == "tcp" and _is_loopback(self.host))

    @property
    def warning(self) -> str:
        """What the user must know about the connection; may be empty."""
        if self.scheme != "tcp" or self.is_here:
            return ""
        if self.tls is None:
            return (
                f"The connection to the container engine {self} is not encrypted: others on the network can read and "
                "change what is sent, and everyone who reaches it controls that machine. Use ssh:// or TLS."
            )
        if not self.tls.verify:
            return f"The certificate of the container engine {self} is not verified. Set DOCKER_TLS_VERIFY=1."
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def read_address(url: str, origin: str, tls: EngineTls | None = None) -> EngineAddress:
    """Return the address that a URL names; ``origin`` says where it was found.

    Raises:
        LocalError: it is not the address of an engine.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if separator and scheme == "unix":
        if not rest.startswith("/"):
            raise LocalError(
                f"{origin} is {url!r}: a Unix socket needs a full path, as in unix:///var/run/docker.sock."
            )
        return EngineAddress("unix", path=rest, origin=origin)
    if not separator or scheme not in ("tcp", "http", "https", "ssh"):
        what = "is not supported" if separator else "is not the address of a container engine"
        raise LocalError(f"{_capital(origin)} is {url!r}, which {what}. Use {_FORMS}.")
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise LocalError(f"{_capital(origin)} is not a valid address: {error}. Use {_FORMS}.") from None
    if parts.password is not None:
        # Not quoted: it would end up in a log.
        raise LocalError(
            f"{_capital(origin)} contains a password, which is not supported. Use a key, for ssh:// in an agent."
        )
    if not host or host.startswith("-"):
        raise LocalError(f"{_capital(origin)} is {url!r}, which names no host. Use {_FORMS}.")
    if parts.query or parts.fragment:
        raise LocalError(f"{_capital(origin)} is {url!r}: an address has no query and no fragment. Use {_FORMS}.")
    path = unquote(parts.path.rstrip("/"))
    if scheme == "ssh":
        return EngineAddress("ssh", host, port, path, unquote(parts.username or ""), origin=origin)
    if path or parts.username:
        raise LocalError(f"{_capital(origin)} is {url!r}: only ssh:// takes a user and the path of a socket.")
    if scheme == "https" and tls is None:
        tls = EngineTls(None)
    return EngineAddress("tcp", host, port or _PORTS[tls is not None], tls=tls, origin=origin)


def address_in_environment(environ: Mapping[str, str] | None = None) -> EngineAddress | None:
    """Return the engine that the ``docker`` command would use, if anything names one.

    Raises:
        LocalError: what names it is not valid.
    """
    env = os.environ if environ is None else environ
    if host := env.get("DOCKER_HOST", "").strip():
        return read_address(host, "DOCKER_HOST", _tls_in_environment(env))
    name, origin = chosen_context(env)
    return named_address(name, origin) if name else None


def named_address(name: str, origin: str, certificates: Path | None = None) -> EngineAddress | None:
    """Return the engine of a URL or of a context of ``docker``; None for ``default``, the engine of this machine.

    Args:
        name: the URL or the context.
        origin: what names it, for error messages.
        certificates: the directory of the certificates for TLS; by default as the environment says.

    Raises:
        LocalError: there is no such context, or the address is not valid.
    """
    if "://" in name:
        tls = _tls_in_environment(os.environ) if certificates is None else EngineTls(certificates)
        return read_address(name, origin, tls)
    if name == DEFAULT:
        return None
    known = docker_contexts()
    for context in known:
        if context.name == name:
            tls = EngineTls(context.tls_directory, context.verify) if context.tls_directory is not None else None
            tls = EngineTls(certificates) if certificates is not None else tls
            return read_address(context.host, f"the Docker context {name!r}", tls)
    names = ", ".join([DEFAULT, *(context.name for context in known)])
    raise LocalError(
        f"There is no container engine {name!r} ({origin}). Docker contexts: {names}. "
        f"`docker context create` adds one; an address such as {_FORMS} works as well."
    )


def _tls_in_environment(env: Mapping[str, str]) -> EngineTls | None:
    directory, verify = env.get("DOCKER_CERT_PATH", ""), env.get("DOCKER_TLS_VERIFY", "")
    if not directory and not verify and not env.get("DOCKER_TLS", ""):
        return None
    return EngineTls(Path(directory) if directory else docker_directory(env), bool(verify))


def usual_addresses() -> list[EngineAddress]:
    """Return the sockets in the usual places on which an engine may listen."""
    found = []
    if runtime := os.environ.get("XDG_RUNTIME_DIR", ""):
        found += [Path(runtime, "docker.sock"), Path(runtime, "podman", "podman.sock")]
    if (docker := docker_directory()) is not None:
        found.append(docker / "run" / "docker.sock")
    found += [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
    return [EngineAddress("unix", path=str(path)) for path in found if path.is_socket()]


def engine_addresses() -> list[EngineAddress]:
    """Return the addresses to try: the one that is named, otherwise the usual places.

    Raises:
        LocalError: what names an engine is not valid.
    """
    named = address_in_environment()
    return usual_addresses() if named is None else [named]
