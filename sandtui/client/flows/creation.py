"""Creating sandboxes and waiting until they are ready."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from sandtui.client.calls import sandboxes
from sandtui.client.errors import SandboxClientError
from sandtui.client.flows.base import Flows
from sandtui.client.flows.isolation import ensure_isolated, for_generation
from sandtui.client.flows.networks import join_pending
from sandtui.client.flows.sandboxes import Sandboxes
from sandtui.client.flows.waits import BUILD_SECONDS, WaitBudget, time_budget, wait_reachable, wait_running
from sandtui.client.leases import Lease, with_lease
from sandtui.client.models import CreateSandboxRequest, Sandbox
from sandtui.client.session import Session
from sandtui.leases import GRACE_SECONDS

LOG = logging.getLogger("sandtui.client")

ABANDON_SECONDS = 10.0
"""Seconds to wait for the result of a cancelled creation."""


class Creation(Flows):
    """Operations that create a sandbox and wait for it."""

    async def create(
        self,
        request: CreateSandboxRequest,
        *,
        on_abandoned: Callable[[Sandbox], object] | None = None,
        delete_abandoned: bool = False,
    ) -> Sandbox:
        """Create a sandbox and return it at once, typically PENDING.

        Every request has an idempotency key, so that a lost response does not lead to a second sandbox.

        A cancelled call waits up to 10 seconds for the response. A sandbox that is created nevertheless, then or later,
        is deleted if ``delete_abandoned`` is set; otherwise it is passed to ``on_abandoned``, or logged to
        ``sandtui.client``.

        Raises:
            PaymentRequiredError: the balance is too low.
            RequestRejectedError: the platform rejected fields; see ``fields``.
            APIError: any other error, also if the platform ignored ``network_access=False``: then the sandbox is
                deleted again, since its programs were meant to run without a network.
        """
        made: list[Sandbox] = []
        has_left = False

        async def make() -> None:
            made.append(await self._create(request))
            if has_left:
                await leave(made[0])

        async def leave(sandbox: Sandbox) -> None:
            if not (request.network_access or delete_abandoned):
                await ensure_isolated(self._session, sandbox)
            await abandon(self._session, sandbox, on_abandoned, delete_abandoned)

        try:
            await self._session.port.shielded(make(), grace=ABANDON_SECONDS)
        except BaseException:
            has_left = True
            if made:
                await self._session.port.shielded(leave(made[0]))
            raise
        if not request.network_access:
            await ensure_isolated(self._session, made[0])
        return made[0]

    def lease(self, label: str, grace: float = GRACE_SECONDS, folder: Path | None = None) -> Lease:
        """Take a lease, for ``with`` or ``async with``: what the block creates can be found when this process dies.

        Each sandbox gets ``label``, such as ``run=42``, and another label that names user, host and process.
        Once the process has ended, or its host was silent for ``grace`` seconds, the dashboard shows what is left as
        orphaned, and ``sandtui reap`` ends it; nothing is deleted otherwise. ``folder`` holds the signs of life, by
        default in the state directory.

        Raises:
            InvalidRequestError: the label is empty, or the grace less than a second.
        """
        return Lease(self._session, label, grace, folder)

    async def _create(self, request: CreateSandboxRequest) -> Sandbox:
        config = self._session.config
        changes: dict[str, object] = {"labels": with_lease(self._session, request.labels)}
        if request.idempotency_key is None:
            changes["idempotency_key"] = secrets.token_hex(16)
        if request.team_id is None and config.team_id is not None:
            changes["team_id"] = config.team_id
        sent = for_generation(request.model_copy(update=changes))
        sandbox = await self._session.control(sandboxes.create_sandbox(sent))
        self._session.note(sandbox)
        if request.lan_network_id is not None:
            self._session.lan_joins[sandbox.id] = request.lan_network_id, tuple(request.lan_tags or ())
        return sandbox

    async def wait_for_creation(
        self,
        sandbox_id: str,
        max_attempts: int = 60,
        stability_checks: int = 1,
        image_build_timeout_seconds: float = BUILD_SECONDS,
    ) -> None:
        """Wait until a sandbox is RUNNING and answers a command, and has joined the LAN network of its request.

        The time limit is that of ``max_attempts`` polls: 1 s for the first five, then 2 s each. While the platform
        builds the image, ``image_build_timeout_seconds`` applies instead.

        Raises:
            SandboxNotRunningError: it ended (subclasses tell why), or was not ready in time.
            APIError: a request failed.
        """
        budget = time_budget(max_attempts)
        await wait_running(self._session, sandbox_id, WaitBudget(budget, image_build_timeout_seconds))
        await wait_reachable(self._session, sandbox_id, budget, stability_checks)
        await join_pending(self._session, sandbox_id)


async def abandon(
    session: Session, sandbox: Sandbox, on_abandoned: Callable[[Sandbox], object] | None, delete: bool
) -> None:
    """Delete or report a sandbox whose creation was cancelled."""
    if delete:
        try:
            await Sandboxes(session).delete(sandbox.id)
        except SandboxClientError as error:
            LOG.warning(
                "sandbox %s was created although its creation was cancelled, and could not be deleted: %s",
                sandbox.id,
                error,
            )
        else:
            return
    if on_abandoned is not None:
        on_abandoned(sandbox)
    elif not delete:
        LOG.warning("sandbox %s was created although its creation was cancelled; it keeps running", sandbox.id)
