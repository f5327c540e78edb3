"""The control plane: creates, lists and ends sandboxes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.api_key import ApiKeyGuard, Row, refuse
from sandtui.local.control.builds import Builds
from sandtui.local.control.checkpoints import Checkpoints
from sandtui.local.control.faults import SHIFT_KEY
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.control.networks import Networks
from sandtui.local.control.retention import LOG_IS_GONE
from sandtui.local.control.volumes import Volumes
from sandtui.local.drivers.base import Driver, Refused
from sandtui.local.gateway.tokens import GatewayTokens
from sandtui.local.settings import USER_ID
from sandtui.local.store.disk import Disk
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.registry import Filter, Registry

USER_NAMESPACE: Final = "sandboxes"
MAX_PER_PAGE: Final = 1000

# The order matters: these must match before /sandbox/{id}.
_NOT_OFFERED: Final = (("/tunnel{rest:path}", "Tunnels are"),)


class ControlPlane:
    """Answers everything below ``/api/v1``."""

    def __init__(
        self,
        access: ApiKeyGuard,
        registry: Registry,
        lifecycle: Lifecycle,
        driver: Driver,
        clock: Clock,
        tokens: GatewayTokens,
        base_url: Callable[[], str],
        disk: Disk,
        checkpoints: Checkpoints,
        volumes: Volumes,
        builds: Builds,
        networks: Networks,
    ) -> None:
        self._access = access
        self._registry = registry
        self._lifecycle = lifecycle
        self._driver = driver
        self._clock = clock
        self._tokens = tokens
        self._base_url = base_url
        self._disk = disk
        self._checkpoints = checkpoints
        self._volumes = volumes
        self._builds = builds
        self._networks = networks

    def rows(self) -> list[Row]:
        """Return the calls, the specific ones first."""
        return [
            ("POST", "/sandbox", self.create),
            ("GET", "/sandbox", self.list),
            ("DELETE", "/sandbox", self.delete_many),
            ("POST", "/sandbox/status:batchGet", self.statuses),
            *(("*", path, refuse(what)) for path, what in _NOT_OFFERED),
            ("GET", "/sandbox/{id}", self.get),
            ("DELETE", "/sandbox/{id}", self.delete),
            ("GET", "/sandbox/{id}/logs", self.logs),
            ("POST", "/sandbox/{id}/auth", self.authorize),
            ("GET", "/sandbox/{id}/error-context", self.error_context),
        ]

    async def create(self, request: Request) -> Response:
        """POST /sandbox."""
        body = await wire.read_body(request, wire.CreateBody)
        body.check_sizes()
        if body.checkpoint_id is not None:
            if self._driver.checkpoints is None:
                raise wire.not_offered(f"With the {self._driver.name} driver, checkpoints are")
            body.check_restore()
        if body.volumes and (refusal := self._volumes.refusal) is not None:
            raise wire.not_offered(refusal)
        if body.idempotency_key is not None:
            earlier = self._registry.by_idempotency_key(body.idempotency_key)
            if earlier is not None:
                return wire.AsciiJSONResponse(self._created(earlier, request), HTTPStatus.CREATED)
        checkpoint = None if body.checkpoint_id is None else self._checkpoints.durable(body.checkpoint_id)
        record = body.record(f"sbx_{secrets.token_hex(12)}", self._clock.now(), USER_ID, checkpoint)
        record = replace(record, driver=self._driver.name)
        self._volumes.attachments(body.volumes or (), record.team_id)
        try:
            self._driver.check(record)
        except Refused as refused:
            raise wire.invalid(refused.param, refused.details) from refused
        await asyncio.to_thread(self._disk.check)
        if record.checkpoint_id is not None:
            # Again: it may have been deleted meanwhile. From here on, the new sandbox keeps it.
            self._checkpoints.durable(record.checkpoint_id)
        if body.volumes:
            record = replace(record, volumes=self._volumes.attachments(body.volumes, record.team_id))
        if checkpoint is None:
            record = self._with_image(record)
        record = replace(record, lan_address=self._networks.take_address())
        try:
            await self._lifecycle.create(record)
        except BaseException:
            self._networks.release_address(record)
            raise
        return wire.AsciiJSONResponse(self._created(record, request), HTTPStatus.CREATED)

    async def list(self, request: Request) -> Response:
        """GET /sandbox."""
        query = request.query_params
        page = wire.number(request, "page", 1, 1, 1_000_000)
        per_page = wire.number(request, "per_page", 50, 1, MAX_PER_PAGE, "perPage")
        wanted = Filter(
            labels=frozenset(query.getlist("labels")),
            status=query.get("status") or None,
            is_active=_flag(request, "is_active"),
            team_id=query.get("team_id") or None,
            user_id=query.get("user_id") or None,
        )
        # Only an injected fault shifts a page, as sandboxes created between two requests would.
        offset = max(0, (page - 1) * per_page - int(request.scope.get(SHIFT_KEY, 0)))
        records, total = self._registry.select(wanted, offset, per_page)
        has_next = page * per_page < total
        return wire.AsciiJSONResponse(
            {
                "sandboxes": [wire.sandbox_response(record, _agent(request)) for record in records],
                "total": total,
                "page": page,
                "per_page": per_page,
                "perPage": per_page,
                "has_next": has_next,
                "hasNext": has_next,
            }
        )

    async def get(self, request: Request) -> Response:
        """GET /sandbox/{id}."""
        return wire.AsciiJSONResponse(wire.sandbox_response(self._access.sandbox(request), _agent(request)))

    async def delete(self, request: Request) -> Response:
        """DELETE /sandbox/{id}."""
        record = self._access.sandbox(request)
        if record.is_finished:
            return wire.AsciiJSONResponse({"success": True, "message": f"Sandbox {record.id} has already ended"})
        await self._lifecycle.end(record.id, "The sandbox was deleted.")
        return wire.AsciiJSONResponse({"success": True, "message": f"Sandbox {record.id} deleted"})

    async def delete_many(self, request: Request) -> Response:
        """DELETE /sandbox."""
        body = await wire.read_body(request, wire.BulkDeleteBody)
        # The scope narrows down the sandboxes that ids and labels select; alone, it selects all that it covers.
        scope = Filter(
            labels=frozenset(body.labels or ()),
            team_id=body.team_id or None,
            user_id=body.user_id or None,
        )
        failed = []
        if body.sandbox_ids is not None:
            ids = []
            for sandbox_id in dict.fromkeys(body.sandbox_ids):
                record = self._registry.get(sandbox_id)
                if record is None or not scope.matches(record):
                    failed.append({"sandbox_id": sandbox_id, "error": "Sandbox not found"})
                else:
                    ids.append(sandbox_id)
        else:
            active = replace(scope, is_active=True)
            ids = [record.id for record in self._registry.select(active, 0, len(self._registry))[0]]
        # All at once: for a large fleet, one by one would take longer than clients wait.
        await asyncio.gather(*(self._lifecycle.end(sandbox_id, "The sandbox was deleted.") for sandbox_id in ids))
        message = f"{len(ids)} deleted, {len(failed)} failed"
        return wire.AsciiJSONResponse({"succeeded": ids, "failed": failed, "message": message})

    async def logs(self, request: Request) -> Response:
        """GET /sandbox/{id}/logs."""
        record = self._access.sandbox(request)
        text = await self._driver.log(record)
        if not text and record.is_finished and self._driver.logs is not None:
            text = LOG_IS_GONE
        return wire.AsciiJSONResponse({"logs": text})

    async def authorize(self, request: Request) -> Response:
        """POST /sandbox/{id}/auth."""
        return wire.AsciiJSONResponse(self._gateway(self._access.sandbox(request)))

    async def error_context(self, request: Request) -> Response:
        """GET /sandbox/{id}/error-context."""
        return wire.AsciiJSONResponse(wire.error_context(self._access.sandbox(request)))

    async def statuses(self, request: Request) -> Response:
        """POST /sandbox/status:batchGet."""
        body = await wire.read_body(request, wire.StatusBody)
        statuses, errors = [], []
        for sandbox_id in body.sandbox_ids:
            record = self._registry.get(sandbox_id)
            if record is None:
                message = "Sandbox not found"
                errors.append({"sandbox_id": sandbox_id, "code": "NOT_FOUND", "message": message})
            else:
                statuses.append(wire.status_row(record))
        return wire.AsciiJSONResponse({"statuses": statuses, "errors": errors})

    def _with_image(self, record: SandboxRecord) -> SandboxRecord:
        """Return a new sandbox with the image of this platform that it is created from, if it is one."""
        image = self._builds.resolve(record.docker_image, record.team_id)
        if image is None:
            return record
        return replace(record, image_id=image.id, pending_image_build_id=None if image.is_finished else image.id)

    def _created(self, record: SandboxRecord, request: Request) -> dict[str, object]:
        # The newest SDK takes the token from here and skips its first call for one.
        return {**wire.sandbox_response(record, _agent(request)), "gatewayAuth": self._gateway(record)}

    def _gateway(self, record: SandboxRecord) -> dict[str, str]:
        token, expires = self._tokens.issue(record.id, self._clock.now())
        return {
            "token": token,
            "gateway_url": self._base_url(),
            "user_ns": USER_NAMESPACE,
            "job_id": record.id,
            "expires_at": wire.timestamp(expires),
        }


def _flag(request: Request, name: str) -> bool | None:
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise wire.invalid(name, "must be true or false")
    return text.lower() in ("true", "1")


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")
