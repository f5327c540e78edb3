"""Address and identity: from the environment, then ``~/.prime/config.json``, then defaults.

The rules are those of the official SDK (WIRE.md 1), so that one login serves both. The file belongs to
the ``prime`` command and is only read here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandtui.client.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.primeintellect.ai"
DEFAULT_FRONTEND_URL = "https://app.primeintellect.ai"
API_PREFIX = "/api/v1"

_CONTEXT_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Config:
    """An address and the identity used there. ``repr`` omits the key.

    With ``read_only`` the client refuses every call that might change something before sending it. With
    ``only_labels`` it is also read-only, and refuses everything but the sandboxes that have all of them.
    """

    api_key: str = field(default="", repr=False)
    base_url: str = DEFAULT_BASE_URL
    team_id: str | None = None
    user_id: str | None = None
    context: str | None = None
    frontend_url: str | None = None
    """The platform's web console, if known."""
    read_only: bool = False
    only_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", normalise_base_url(self.base_url))
        object.__setattr__(self, "api_key", usable_key(self.api_key))
        object.__setattr__(self, "read_only", self.read_only or bool(self.only_labels))
        # An empty team means "personal" and must never be sent (WIRE.md 1).
        object.__setattr__(self, "team_id", self.team_id or None)
        object.__setattr__(self, "user_id", self.user_id or None)
        page = self.frontend_url or (DEFAULT_FRONTEND_URL if self.base_url == DEFAULT_BASE_URL else "")
        object.__setattr__(self, "frontend_url", page if page.startswith(("https://", "http://")) else None)

    @property
    def api_root(self) -> str:
        """The base address of control-plane paths."""
        return self.base_url + API_PREFIX

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, home: Path | None = None) -> Config:
        """Read the configuration as the official SDK does.

        Raises:
            ConfigurationError: ``PRIME_CONTEXT`` names a context that does not exist or can't be read,
                or the base URL is not an http(s) address.
        """
        env = os.environ if environ is None else environ
        folder = prime_folder(home)
        values = _read_object(folder / "config.json") or {}
        context = env.get("PRIME_CONTEXT", "").strip() or None
        if context is not None:
            values = _overlay(values, context, folder)

        def pick(key: str, *names: str) -> str:
            for name in names:
                if env.get(name):
                    return env[name]
            found = values.get(key)
            return found if isinstance(found, str) else ""

        # An empty PRIME_TEAM_ID means "personal" and overrides the file's team.
        team = env["PRIME_TEAM_ID"] if "PRIME_TEAM_ID" in env else pick("team_id")
        # The file's frontend URL belongs to the file's base URL.
        elsewhere = any(env.get(name) for name in ("PRIME_API_BASE_URL", "PRIME_BASE_URL"))
        page = env.get("PRIME_FRONTEND_URL", "") if elsewhere else pick("frontend_url", "PRIME_FRONTEND_URL")
        return cls(
            api_key=pick("api_key", "PRIME_API_KEY").strip(),
            base_url=pick("base_url", "PRIME_API_BASE_URL", "PRIME_BASE_URL") or DEFAULT_BASE_URL,
            team_id=team.strip(),
            user_id=pick("user_id", "PRIME_USER_ID").strip(),
            context=context,
            frontend_url=page.strip().rstrip("/"),
        )

    def with_changes(
        self, *, api_key: str | None = None, base_url: str | None = None, team_id: str | None = None
    ) -> Config:
        """Return a copy with the given fields replaced; None leaves a field as it is."""
        changes: dict[str, Any] = {"api_key": api_key, "base_url": base_url, "team_id": team_id}
        if base_url is not None:
            changes["frontend_url"] = ""  # another platform has another web console
        return replace(self, **{key: value for key, value in changes.items() if value is not None})


def prime_folder(home: Path | None = None) -> Path:
    """Return the folder of the ``prime`` command; a non-existent one for a user without a home directory."""
    try:
        return (home or Path.home()) / ".prime"
    except RuntimeError:
        return Path(os.devnull, ".prime")


def usable_key(key: str) -> str:
    """Return a key without surrounding whitespace.

    Raises:
        ConfigurationError: it can't be sent in a header. The message does not contain it.
    """
    if not isinstance(key, str):
        raise ConfigurationError(f"the API key must be a string, not {type(key).__name__}")
    cleaned = key.strip()
    if not all("!" <= character <= "~" for character in cleaned):
        raise ConfigurationError(
            "the API key contains spaces or invalid characters; copy it again, or log in with `prime login`"
        )
    return cleaned


def normalise_base_url(url: str) -> str:
    """Strip a trailing ``/`` and one trailing ``/api/v1``.

    Raises:
        ConfigurationError: it is not an http(s) address with a host, or contains a user name or password.
    """
    if "@" in url:
        # The URL is not shown: the part before the @ may be a password.
        raise ConfigurationError(
            "the base URL contains a user name or password; remove them from PRIME_API_BASE_URL and set PRIME_API_KEY"
        )
    cleaned = url.strip().rstrip("/").removesuffix(API_PREFIX).rstrip("/")
    try:
        parts = urlsplit(cleaned)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"the base URL {url!r} is not an http:// or https:// address; set PRIME_API_BASE_URL to one"
        )
    return cleaned


def _read_object(path: Path) -> dict[str, object] | None:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _overlay(values: dict[str, object], context: str, folder: Path) -> dict[str, object]:
    """Apply ``PRIME_CONTEXT``: ``production`` resets address and team, other names are files."""
    if context.lower() == "production":
        return {**values, "base_url": DEFAULT_BASE_URL, "team_id": ""}
    if not _CONTEXT_NAME.fullmatch(context):
        raise ConfigurationError(
            f"PRIME_CONTEXT={context!r} is not a valid context name: use letters, digits, '_' and '-'"
        )
    path = folder / "environments" / f"{context}.json"
    overlay = _read_object(path)
    if overlay is None:
        raise ConfigurationError(
            f"PRIME_CONTEXT names {context!r}, but ~/.prime/environments/{context}.json "
            "is missing or is not a JSON object; unset PRIME_CONTEXT or create the file"
        )
    return {**values, **overlay}
