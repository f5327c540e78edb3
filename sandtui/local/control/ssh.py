"""The control plane's calls for SSH sessions; one response serves both forms (client/WIRE.md 7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row
from sandtui.local.control.sandboxes import USER_NAMESPACE
from sandtui.local.gateway.tokens import GatewayTokens
from sandtui.local.settings import LocalError
from sandtui.local.ssh.on_demand import OnDemandSshServer
from sandtui.local.ssh.sessions import SessionBody, SshSessions


class SshRoutes:
    """Opens and closes SSH sessions."""

    def __init__(
        self,
        access: ApiKeyGuard,
        sessions: SshSessions,
        server: OnDemandSshServer,
        tokens: GatewayTokens,
        base_url: Callable[[], str],
    ) -> None:
        self._access = access
        self._sessions = sessions
        self._server = server
        self._tokens = tokens
        self._base_url = base_url

    def rows(self) -> list[Row]:
        """Return the calls."""
        return [
            ("POST", "/sandbox/{id}/ssh-session", self.open),
            ("DELETE", "/sandbox/{id}/ssh-session/{session}", self.close),
        ]

    async def open(self, request: Request) -> Response:
        """POST /sandbox/{id}/ssh-session."""
        self._access.sandbox(request)
        body = await wire.read_body(request, SessionBody)
        try:
            server = await self._server.get()
        except LocalError as error:
            raise wire.problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        # Asked after every wait: the sandbox may have ended meanwhile, and its session would outlive it.
        record = self._access.running(request)
        session = self._sessions.add(record.id, body)
        issued = session.expires_at - timedelta(seconds=session.ttl_seconds)
        token, _ = self._tokens.issue(record.id, issued)
        return wire.AsciiJSONResponse(
            {
                "session_id": session.id,
                "exposure_id": session.exposure_id,
                "sandbox_id": record.id,
                "host": server.host,
                "port": server.port,
                "external_endpoint": f"{server.host}:{server.port}",
                "expires_at": wire.timestamp(session.expires_at),
                "ttl_seconds": session.ttl_seconds,
                "gateway_url": self._base_url(),
                "user_ns": USER_NAMESPACE,
                "job_id": record.id,
                "token": token,
                "host_key": server.host_key,
            }
        )

    async def close(self, request: Request) -> Response:
        """DELETE /sandbox/{id}/ssh-session/{session}."""
        record = self._access.sandbox(request)
        session = self._sessions.find(request.path_params["session"])
        if session is None:
            # Clients repeat a close whose response was lost.
            return wire.AsciiJSONResponse(
                {"success": True, "message": "The SSH session is already closed, or was never opened"}
            )
        if session.sandbox_id != record.id:
            raise wire.problem(HTTPStatus.NOT_FOUND, "SSH session not found")
        await self._sessions.close(session)
        return wire.AsciiJSONResponse({"success": True, "message": f"SSH session {session.id} closed"})
