"""Sandboxes without a network: requested as each generation expects it, and verified."""

from __future__ import annotations

from sandtui.client.calls import access
from sandtui.client.errors import APIError, InvalidRequestError, SandboxClientError
from sandtui.client.flows.sandboxes import Sandboxes
from sandtui.client.models import CreateSandboxRequest, Sandbox, StartCommand
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.client.session import Session

APPLY_SECONDS = 15.0
"""Seconds to wait until a network policy is in force."""

_APPLY_PAUSE = 0.5


async def ensure_isolated(session: Session, sandbox: Sandbox) -> None:
    """Verify that a sandbox requested without a network has none; otherwise delete it.

    Raises:
        APIError: it has a network, or the platform does not confirm that it has none; the sandbox was deleted.
    """
    port = session.port
    try:
        problem = await _isolation_problem(session, sandbox)
    except BaseException:
        # Cancelled: a sandbox that may have a network must not be left running.
        await port.shielded(_delete_created(session, sandbox.id))
        raise
    if problem is None:
        return
    outcome = await port.shielded(_delete_created(session, sandbox.id))
    raise APIError(f"network_access=False could not be ensured ({problem}); {outcome}", sandbox_id=sandbox.id)


async def _isolation_problem(session: Session, sandbox: Sandbox) -> str | None:
    if not sandbox.vm:
        if "network_access" not in sandbox.model_fields_set:
            return "the platform did not confirm it"
        return "the platform ignored it" if sandbox.network_access else None
    if sandbox.network_allowlist == []:
        return None
    port = session.port
    try:
        response = await session.control(access.set_egress(sandbox.id, [], None), sandbox.id)
        deadline = port.monotonic() + APPLY_SECONDS
        while not response.applied:
            if port.monotonic() > deadline:
                return f"its policy is not in force after {APPLY_SECONDS:g} s"
            await port.sleep(_APPLY_PAUSE)
            response = await session.control(access.get_egress(sandbox.id), sandbox.id)
    except APIError as error:
        return error.message
    return None if response.policy.allowlist == [] else "the platform holds another policy"


async def _delete_created(session: Session, sandbox_id: str) -> str:
    """Delete a sandbox and describe the result."""
    try:
        await Sandboxes(session).delete(sandbox_id)
    except SandboxClientError as error:
        return f"sandbox {sandbox_id} could not be deleted either: delete it ({error.message})"
    return "the sandbox was deleted again"


def for_generation(request: CreateSandboxRequest) -> CreateSandboxRequest:
    """Return the request in the form for the sandbox's generation (WIRE.md 0, 2.3).

    A VM starts an executable without a shell, and has a network policy where a container has a flag.

    Raises:
        InvalidRequestError: it has network lists for a container; only VMs support them.
    """
    if not request.vm:
        if request.network_allowlist is not None or request.network_denylist is not None:
            raise InvalidRequestError("network lists need a VM (vm=True); a container has network_access only")
        return request
    if request.guaranteed:
        raise InvalidRequestError("guaranteed is for containers; leave it out with vm=True")
    command = request.start_command
    if command == DEFAULT_START_COMMAND:
        command = None  # a VM needs none to stay alive
    elif isinstance(command, str):
        command = StartCommand(executable="/bin/sh", args=["-c", command])
    changes: dict[str, object] = {"start_command": command, "network_access": None}
    if not request.network_access:
        changes["network_allowlist"] = []
    return request.model_copy(update=changes)
