"""SSH sessions: the keys that may log in, the user names and the expiry (client/WIRE.md 7)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.lifecycle import Lifecycle

DEFAULT_TTL: Final = 900
MAX_TTL: Final = 3600
MAX_SESSIONS: Final = 100
"""The most open sessions of a sandbox."""

PublicKey = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class SessionBody(wire.RequestBody):
    """The body of a new session; the VM form includes the public key."""

    public_key: PublicKey | None = None
    ttl_seconds: int | None = Field(default=None, ge=1, le=MAX_TTL)


class AuthorizeBody(wire.RequestBody):
    """The body that authorizes a key for a session of the container form."""

    session_id: wire.SandboxId
    public_key: PublicKey
    ttl_seconds: int | None = None


@dataclass(frozen=True)
class SshSession:
    """A session; its id is the user name of the login."""

    id: str
    sandbox_id: str
    exposure_id: str
    ttl_seconds: int
    expires_at: datetime
    key: bytes | None = None


class SshSessions:
    """The open sessions. They end with the platform, which carries their connections."""

    def __init__(self, lifecycle: Lifecycle, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, SshSession] = {}
        self.on_close: list[Callable[[str], Awaitable[None]]] = []
        """Called with the id of a session that was closed before its expiry."""
        lifecycle.on_end.append(self._sandbox_ended)

    def add(self, sandbox_id: str, body: SessionBody) -> SshSession:
        """Open a session."""
        now = self._clock.now()
        self._sessions = {name: session for name, session in self._sessions.items() if session.expires_at > now}
        if sum(session.sandbox_id == sandbox_id for session in self._sessions.values()) >= MAX_SESSIONS:
            raise wire.problem(
                HTTPStatus.TOO_MANY_REQUESTS, f"A sandbox can have at most {MAX_SESSIONS} open SSH sessions."
            )
        ttl = body.ttl_seconds or DEFAULT_TTL
        key = None if body.public_key is None else read_key(body.public_key)
        name = f"ssh-{secrets.token_hex(16)}"
        expires = now + timedelta(seconds=ttl)
        session = SshSession(name, sandbox_id, f"exp_{secrets.token_hex(10)}", ttl, expires, key)
        self._sessions[name] = session
        return session

    def authorize(self, sandbox_id: str, session_id: str, public_key: str) -> None:
        """Authorize a key for a session of this sandbox."""
        session = self.find(session_id)
        if session is None or session.sandbox_id != sandbox_id:
            raise wire.problem(HTTPStatus.NOT_FOUND, "SSH session not found or expired")
        self._sessions[session_id] = replace(session, key=read_key(public_key))

    def find(self, session_id: str) -> SshSession | None:
        """Return a session that has not expired, or None."""
        session = self._sessions.get(session_id)
        return None if session is None or session.expires_at <= self._clock.now() else session

    def admits(self, session_id: str, key: bytes) -> SshSession | None:
        """Return the session that a key is authorized for, or None."""
        session = self.find(session_id)
        if session is None or session.key is None or not hmac.compare_digest(session.key, key):
            return None
        return session

    async def close(self, session: SshSession) -> None:
        """Close a session and its connections."""
        self._sessions.pop(session.id, None)
        for closed in self.on_close:
            await closed(session.id)

    async def _sandbox_ended(self, sandbox_id: str) -> None:
        for session in [one for one in self._sessions.values() if one.sandbox_id == sandbox_id]:
            await self.close(session)


def read_key(text: str) -> bytes:
    """Return the binary form of a public key in OpenSSH format."""
    import asyncssh

    try:
        return asyncssh.import_public_key(text).public_data
    except (asyncssh.KeyImportError, ValueError) as error:
        raise wire.invalid("public_key", "must be a public key in OpenSSH format") from error
