"""The contexts of the ``docker`` command: engines by name, kept in its configuration directory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFAULT: Final = "default"
"""The context that stands for no context: ``DOCKER_HOST``, or the engine of this machine."""


@dataclass(frozen=True, slots=True)
class DockerContext:
    """An engine that the ``docker`` command knows by name."""

    name: str
    host: str
    tls_directory: Path | None = None
    """The directory of ``ca.pem``, ``cert.pem`` and ``key.pem``, if it has any."""
    verify: bool = True


def docker_directory(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the configuration directory of the ``docker`` command; None without a home directory."""
    env = os.environ if environ is None else environ
    if env.get("DOCKER_CONFIG"):
        return Path(env["DOCKER_CONFIG"])
    try:
        return Path.home() / ".docker"
    except RuntimeError:
        return None


def docker_contexts(directory: Path | None = None) -> list[DockerContext]:
    """Return all contexts that name an engine, by name. What cannot be read is left out."""
    folder = docker_directory() if directory is None else directory
    if folder is None:
        return []
    found = {}
    try:
        files = sorted((folder / "contexts" / "meta").glob("*/meta.json"))
    except OSError:
        return []
    for path in files:
        values = _read(path)
        engines = values.get("Endpoints")
        engine = engines.get("docker") if isinstance(engines, dict) else None
        name, host = values.get("Name"), engine.get("Host") if isinstance(engine, dict) else None
        if isinstance(engine, dict) and isinstance(name, str) and name and isinstance(host, str) and host:
            identity = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
            tls = folder / "contexts" / "tls" / identity / "docker"
            skipped = bool(engine.get("SkipTLSVerify"))
            found[name] = DockerContext(name, host, tls if tls.is_dir() else None, not skipped)
    return [found[name] for name in sorted(found)]


def chosen_context(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> tuple[str, str]:
    """Return the name of the context that ``docker`` uses and what chooses it; two empty texts for the default."""
    env = os.environ if environ is None else environ
    if name := env.get("DOCKER_CONTEXT", ""):
        return ("", "") if name == DEFAULT else (name, "DOCKER_CONTEXT")
    folder = docker_directory(env) if directory is None else directory
    name = "" if folder is None else _read(folder / "config.json").get("currentContext", "")
    return (name, "`docker context use`") if isinstance(name, str) and name not in ("", DEFAULT) else ("", "")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
