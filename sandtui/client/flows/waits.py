"""Waiting until a sandbox is RUNNING and reachable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    CommandTimeoutError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    SandboxClientError,
    SandboxNotRunningError,
    ServerError,
    not_running_error,
)
from sandtui.client.flows.commands import Commands
from sandtui.client.flows.sandboxes import Sandboxes
from sandtui.client.models import SandboxStatus
from sandtui.client.models.sandbox import FINISHED_STATUSES
from sandtui.client.rpc import RPCError
from sandtui.client.session import Session

BUILD_SECONDS = 3000.0
"""Default time limit for the build of an image, in seconds (WIRE.md 5)."""

BUILD_PAUSE = 10.0
PROBE_COMMAND = "echo 'sandbox ready'"
PROBE_TIMEOUT = 10
_FIRST_POLLS, _FIRST_DELAY, _LATER_DELAY = 5, 1.0, 2.0
_FREQUENT_POLLS, _FREQUENT_DELAY = 8, 0.4
_NOT_YET = frozenset({"aborted", "deadline_exceeded", "unavailable"})


@dataclass(slots=True)
class WaitBudget:
    """The time left to wait for a sandbox, in seconds, with a separate budget while its image is built."""

    budget: float
    build_budget: float
    waited: float = 0.0
    built: float = 0.0

    def lasts(self, pause: float, *, building: bool) -> bool:
        """Whether the budget allows another pause."""
        return self.built + pause <= self.build_budget if building else self.waited + pause <= self.budget

    def spend(self, seconds: float, *, building: bool) -> None:
        """Charge elapsed time."""
        if building:
            self.built += seconds
        else:
            self.waited += seconds

    def reason(self, *, building: bool) -> str:
        """Describe the exceeded budget."""
        if building:
            return f"its image was not built in {self.build_budget:.0f} s"
        return f"it did not reach RUNNING in {self.budget:.0f} s"


async def wait_running(session: Session, sandbox_id: str, remaining: WaitBudget) -> None:
    """Poll a sandbox until it is RUNNING.

    Raises:
        SandboxNotRunningError: it ended, or was not RUNNING in time.
    """
    port = session.port
    polls = 0
    while True:
        sandbox = await Sandboxes(session).get(sandbox_id)
        if sandbox.status == SandboxStatus.RUNNING:
            return
        if sandbox.status in FINISHED_STATUSES:
            raise not_running_error(
                sandbox_id,
                sandbox.status,
                sandbox.error_type,
                sandbox.error_message or sandbox.termination_reason,
            )
        building = is_building(sandbox.status, sandbox.pending_image_build_id)
        polls += 0 if building else 1
        pause = BUILD_PAUSE if building else poll_pause(polls)
        if not remaining.lasts(pause, building=building):
            raise not_running_error(sandbox_id, sandbox.status, None, remaining.reason(building=building))
        before = port.monotonic()
        await port.sleep(pause)
        remaining.spend(port.monotonic() - before, building=building)


async def wait_reachable(
    session: Session, sandbox_id: str, budget: float, checks: int, left: Callable[[], bool] = lambda: False
) -> None:
    """Run the probe until it succeeds ``checks`` times; stop when ``left`` returns true."""
    port = session.port
    deadline = port.monotonic() + budget
    good = 0
    pause = 0.1
    while not left():
        try:
            await Commands(session).execute_command(sandbox_id, PROBE_COMMAND, timeout=PROBE_TIMEOUT)
        except SandboxClientError as error:
            if not await _may_come(session, sandbox_id, error):
                raise
            if port.monotonic() + pause > deadline:
                await session.raise_if_ended(sandbox_id)
                raise SandboxNotRunningError(
                    f"sandbox {sandbox_id} is RUNNING, but its gateway did not answer "
                    f"in {budget:.0f} s: {error.message}",
                    status=SandboxStatus.RUNNING,
                    sandbox_id=sandbox_id,
                    error_type="GATEWAY_REACHABILITY_TIMEOUT",
                ) from error
            await port.sleep(pause)
            pause = min(pause * 2, _LATER_DELAY)
        else:
            good += 1
            if good >= checks:
                return
            await port.sleep(0.5)


async def _may_come(session: Session, sandbox_id: str, error: SandboxClientError) -> bool:
    """Whether a failed probe may succeed shortly."""
    if isinstance(error, RPCError):
        return error.code in _NOT_YET
    if isinstance(error, SandboxNotRunningError):
        # The gateway may not know a sandbox yet that the platform reports as RUNNING.
        if error.error_type != "SANDBOX_NOT_FOUND":
            return False
        try:
            return (await Sandboxes(session).get(sandbox_id)).status not in FINISHED_STATUSES
        except APIError:
            return False
    passing = (CommandTimeoutError, ConflictError, ServerError, ConnectionFailedError, APITimeoutError)
    return isinstance(error, passing)


def is_building(status: str, pending_image_build_id: str | None) -> bool:
    """Whether a sandbox is waiting for the build of its image."""
    return status == SandboxStatus.PENDING and bool(pending_image_build_id)


def poll_pause(polls: int) -> float:
    """Return the pause after a number of polls, in seconds.

    A local sandbox starts in milliseconds and a hosted one in seconds, so polling starts fast: pauses of up to 0.4 s
    for eight polls, then 1 s, and later 2 s, as in the SDK.
    """
    if polls <= _FREQUENT_POLLS:
        return min(_FREQUENT_DELAY, 0.05 * (1 << polls))
    return _FIRST_DELAY if polls <= _FREQUENT_POLLS + _FIRST_POLLS else _LATER_DELAY


def time_budget(max_attempts: int) -> float:
    """Return the duration of ``max_attempts`` polls in seconds.

    Raises:
        InvalidRequestError: it is below 1.
    """
    if max_attempts < 1:
        raise InvalidRequestError("max_attempts must be at least 1")
    early = min(max_attempts, _FIRST_POLLS)
    return early * _FIRST_DELAY + (max_attempts - early) * _LATER_DELAY
