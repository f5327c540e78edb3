"""SSH sessions, egress policies, and images with their registries."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from urllib.parse import urlsplit

from sandtui.client.calls import access, gateway
from sandtui.client.checks import check_text
from sandtui.client.errors import APIError, InvalidRequestError, SandboxClientError
from sandtui.client.flows.base import Flows
from sandtui.client.models.access import (
    DockerImageCheckResponse,
    EgressPolicyReply,
    RegistryCredential,
    SSHSession,
)
from sandtui.client.models.gateway import GatewayToken
from sandtui.client.routes import is_this_machine

MAX_SSH_TTL = 3600


class Access(Flows):
    """Operations on SSH sessions, networks and images."""

    @property
    def is_platform_here(self) -> bool:
        """Whether the platform runs on this machine."""
        return is_this_machine(urlsplit(self._session.config.base_url).hostname or "")

    async def create_ssh_session(
        self, sandbox_id: str, ttl_seconds: int | None = None, *, public_key: str | None = None
    ) -> SSHSession:
        """Open an SSH session for ``ttl_seconds`` (900 by default, 3600 at most).

        For a VM the ``public_key`` (``ssh-ed25519 AAAA...``) is required. For a container the key is authorised
        afterwards: by this call if it is given, or by :meth:`authorize_ssh_key`.

        Raises:
            InvalidRequestError: the time is out of range, or the key for a VM is missing; nothing was sent.
        """
        if public_key is not None:
            check_text("public_key", public_key)
        if ttl_seconds is not None and (not isinstance(ttl_seconds, int) or not 1 <= ttl_seconds <= MAX_SSH_TTL):
            raise InvalidRequestError(f"an SSH session lasts 1 to {MAX_SSH_TTL} seconds, not {ttl_seconds!r}")
        vm = await self._session.is_vm(sandbox_id)
        if vm and public_key is None:
            raise InvalidRequestError("a VM's SSH session needs a public_key")
        call = access.create_ssh_session(sandbox_id, public_key if vm else None, ttl_seconds)
        session = await self._session.control(call, sandbox_id)
        if not vm and public_key is not None:
            try:
                await self.authorize_ssh_key(session, public_key)
            except BaseException:
                # Only this call knows the session: otherwise its exposure would stay until it expires.
                await self._session.port.shielded(self._close_quietly(sandbox_id, session.session_id))
                raise
        return session

    async def authorize_ssh_key(self, session: SSHSession, public_key: str) -> None:
        """Authorise a key for an SSH session of a container.

        Raises:
            InvalidRequestError: the session is that of a VM, whose key is set at creation.
        """
        if not (session.gateway_url and session.user_ns and session.job_id and session.token):
            raise InvalidRequestError("only an SSH session of a container takes a key after its creation")
        # The session has a token of its own, for this purpose only.
        token = GatewayToken(
            token=session.token,
            gateway_url=session.gateway_url,
            user_ns=session.user_ns,
            job_id=session.job_id,
            expires_at=session.expires_at,
        )
        call = gateway.authorize_key(session.session_id, public_key, session.ttl_seconds)
        await self._session.once(call, token, session.sandbox_id)

    async def _close_quietly(self, sandbox_id: str, session_id: str) -> None:
        with contextlib.suppress(SandboxClientError):
            await self.close_ssh_session(sandbox_id, session_id)

    async def close_ssh_session(self, sandbox_id: str, session_id: str) -> None:
        """Close an SSH session; no error if it no longer exists."""
        call = access.close_ssh_session(sandbox_id, session_id)
        try:
            await self._session.control(call, sandbox_id)
        except APIError as error:
            if error.status_code != 404:
                raise

    async def get_network(self, sandbox_id: str) -> EgressPolicyReply:
        """Return the egress policy of a VM."""
        return await self._session.control(access.get_egress(sandbox_id), sandbox_id)

    async def set_network(
        self, sandbox_id: str, *, allow: Sequence[str] | None = None, deny: Sequence[str] | None = None
    ) -> EgressPolicyReply:
        """Replace the egress policy of a VM: only ``allow``, or all but ``deny``; ``["*"]`` means everything.

        Entries are host names, ``*.`` wildcards, IPv4 addresses and networks. ``applied`` in the result tells
        whether the policy is in force already.

        Raises:
            InvalidRequestError: both or neither are given, or ``*`` is not the only entry; nothing was sent.
        """
        if (allow is None) == (deny is None):
            raise InvalidRequestError("give allow or deny, and not both")
        given = list(allow if allow is not None else deny or ())
        if "*" in given and len(given) > 1:
            raise InvalidRequestError("'*' means everything and must be the only entry")
        if given == ["*"]:
            # Everything allowed is an empty deny list, everything denied an empty allow list (WIRE.md 2.12).
            allow, deny = (None, []) if allow is not None else ([], None)
        return await self._session.control(access.set_egress(sandbox_id, allow, deny), sandbox_id)

    async def list_registry_credentials(self) -> list[RegistryCredential]:
        """Return the stored registry credentials, without secrets."""
        return (await self._session.control(access.list_registry_credentials())).credentials

    async def check_docker_image(
        self, image: str, registry_credentials_id: str | None = None
    ) -> DockerImageCheckResponse:
        """Check whether the platform can pull an image."""
        check_text("the image", image)
        return await self._session.control(access.check_docker_image(image, registry_credentials_id))
