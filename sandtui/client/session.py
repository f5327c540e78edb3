"""How a call is carried out: identity, retries, deadlines, limits and gateway tokens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from sandtui import __version__
from sandtui.client.call import Call, StreamedBody
from sandtui.client.calls import sandboxes
from sandtui.client.config import Config
from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    CommandTimeoutError,
    MalformedReplyError,
    SandboxClientError,
    SandboxNotRunningError,
    UnauthorizedError,
    not_running_error,
)
from sandtui.client.limits import RateLimiter
from sandtui.client.models import CreatedSandbox, ErrorContext, GatewayToken, Sandbox
from sandtui.client.models.sandbox import FINISHED_STATUSES, SandboxStatus
from sandtui.client.observe import Observer, Watched
from sandtui.client.port import Port, Sink, TransportFault, WireReply, WireRequest
from sandtui.client.read_only import refuse_change
from sandtui.client.replies import error_from, hide, no_reply, output_so_far, retry_after
from sandtui.client.retry import RetryPolicy, may_repeat_fault, may_repeat_status
from sandtui.client.tokens import TokenCache

if TYPE_CHECKING:
    from sandtui.client.channels import ChannelSource

T = TypeVar("T")

USER_AGENT = f"sandtui/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))}"

CONFLICT_DELAYS = (0.25, 0.5, 1.0)
"""Seconds between tries while a running sandbox's gateway is not ready yet (WIRE.md 3.1)."""

SLOWEST = 10_000
"""Bytes a second that a transfer must make on the whole: a platform that lets them drip holds nobody for ever."""

LARGEST_FILE = 200_000_000
"""Bytes that one response may bring: the largest file (WIRE.md 3)."""

MOST_KINDS = 100_000
"""Sandboxes whose kind is remembered; what is forgotten costs a request."""

GONE = frozenset({"sandbox_not_found", "sandbox_terminated"})
"""What a gateway says of a sandbox that is no more."""

OnTimeout = Callable[[str], SandboxClientError]


@dataclass(slots=True)
class Session:
    """One identity at one platform, over one port. All flows share it.

    ``vm`` remembers which sandboxes are VMs: they take commands another way. ``lacks_batch_status`` remembers
    that the platform is an older one. ``observer`` hears of each request (:mod:`sandtui.client.observe`).
    ``channels`` opens SSH channels into containers, if the client has any.
    """

    config: Config
    port: Port
    tokens: TokenCache
    retry: RetryPolicy
    limiter: RateLimiter | None
    vm: dict[str, bool] = field(default_factory=dict)
    lacks_batch_status: bool = False
    user_agent: str = USER_AGENT
    require_auth: bool = True
    observer: Observer | None = None
    channels: ChannelSource | None = None

    @classmethod
    def open(cls, config: Config, port: Port, token_folder: Path | None) -> Session:
        """Start a session; nothing is sent yet."""
        # The limits are the hosted platform's; a platform on this machine has none.
        local = urlsplit(config.base_url).hostname in {"127.0.0.1", "localhost", "::1"}
        limiter = None if local else RateLimiter()
        return cls(config, port, TokenCache(config, port.lock, token_folder), RetryPolicy(), limiter)

    def note(self, sandbox: Sandbox) -> None:
        """Remember what is needed of a sandbox that was seen."""
        if sandbox.is_finished:
            # Its kind is of no use any more: a long-lived client would remember every sandbox that ever was.
            self.vm.pop(sandbox.id, None)
        else:
            if len(self.vm) >= MOST_KINDS:
                self.vm.clear()
            self.vm[sandbox.id] = sandbox.vm
        if isinstance(sandbox, CreatedSandbox) and sandbox.gateway_auth is not None:
            self.tokens.put(sandbox.id, sandbox.gateway_auth)

    def forget(self, sandbox_id: str) -> None:
        """Forget a sandbox that is gone."""
        self.tokens.forget(sandbox_id)
        self.vm.pop(sandbox_id, None)

    async def is_vm(self, sandbox_id: str) -> bool:
        """Return whether a sandbox is a VM, asking the platform at most once."""
        known = self.vm.get(sandbox_id)
        if known is None:
            sandbox = await self.control(sandboxes.get_sandbox(sandbox_id), sandbox_id)
            self.note(sandbox)
            # Not asked of the notes: a platform that answers with another id would not be found there.
            known = self.vm[sandbox_id] = sandbox.vm
        return known

    async def control(self, call: Call[T], sandbox_id: str | None = None) -> T:
        """Carry out a call of the control plane.

        Raises:
            APIError: one of its classes, by the reply's status.
        """
        if not self.config.api_key and self.require_auth:
            raise UnauthorizedError("there is no API key", method=call.method, path=call.path)
        key = self.config.api_key
        reply = await self._exchange(call, self.config.api_root, key, sandbox_id, None)
        if not 200 <= reply.status_code < 300:
            raise error_from(reply, call.method, call.path, sandbox_id, self.secrets(key, call))
        return self._read(call, reply, key)

    async def gateway(self, sandbox_id: str, call: Call[T], on_timeout: OnTimeout, sink: Sink | None = None) -> T:
        """Carry out a call of a sandbox's gateway (the table of WIRE.md 3.1).

        The body of a success goes to ``sink`` when there is one. A 401 fetches one new token; a 409 of a
        sandbox that is running is tried again shortly.

        Raises:
            SandboxNotRunningError: the sandbox has ended.
            SandboxClientError: what ``on_timeout`` makes, when the work did not end in time.
            APIError: any other refusal.
        """
        renewed = False
        conflicts = iter(CONFLICT_DELAYS)
        while True:
            token = await self.token(sandbox_id)
            try:
                reply = await self._exchange(call, token.base, token.token, sandbox_id, sink)
            except APITimeoutError as timeout:
                await self.raise_if_ended(sandbox_id)
                raise on_timeout(timeout.message) from None
            if 200 <= reply.status_code < 300:
                return self._read(call, reply, token.token)
            error = error_from(reply, call.method, call.path, sandbox_id, self.secrets(token.token, call))
            if reply.status_code == 401:
                self.tokens.drop(sandbox_id, token)
                if renewed:
                    raise APIError(
                        f"the gateway refuses even a new token: {error.message}",
                        status_code=401,
                        method=call.method,
                        path=call.path,
                        sandbox_id=sandbox_id,
                    )
                renewed = True
                continue
            if reply.status_code == 408:
                await self.raise_if_ended(sandbox_id)
                failure = on_timeout(error.message)
                if isinstance(failure, CommandTimeoutError):
                    failure.stdout, failure.stderr = output_so_far(reply)
                raise failure
            if error.error_type in GONE:
                raise await self.gone(sandbox_id)
            if reply.status_code == 409:
                context = await self.error_context(sandbox_id)
                if context.status not in {SandboxStatus.RUNNING, None}:
                    raise not_running_error(sandbox_id, context.status, context.error_type, context.error_message)
                delay = next(conflicts, None)
                if delay is not None:
                    await self.port.sleep(delay)
                    continue
            raise error

    async def once(self, call: Call[T], token: GatewayToken, sandbox_id: str) -> T:
        """Carry out a gateway call with a token of its own.

        Raises:
            APIError: the gateway refused.
        """
        reply = await self._exchange(call, token.base, token.token, sandbox_id, None)
        if not 200 <= reply.status_code < 300:
            raise error_from(reply, call.method, call.path, sandbox_id, self.secrets(token.token, call))
        return self._read(call, reply, token.token)

    async def error_context(self, sandbox_id: str) -> ErrorContext:
        """Ask why a sandbox is not running. A question that fails is answered with 'unknown'."""
        try:
            return await self.control(sandboxes.get_error_context(sandbox_id), sandbox_id)
        except APIError:
            return ErrorContext()

    async def token(self, sandbox_id: str) -> GatewayToken:
        """Return a token for a sandbox's gateway; of many that ask at once, in all processes, only one fetches it."""
        token = self.tokens.get(sandbox_id)
        if token is not None:
            return token
        async with self.tokens.alone(sandbox_id, self.port.sleep):
            token = self.tokens.get(sandbox_id)
            if token is None:
                token = await self.control(sandboxes.authorize_gateway(sandbox_id), sandbox_id)
                self.tokens.put(sandbox_id, token)
            return token

    async def raise_if_ended(self, sandbox_id: str) -> None:
        """Say that the sandbox has ended, if that is why something failed.

        Raises:
            SandboxNotRunningError: it has.
        """
        context = await self.error_context(sandbox_id)
        if context.status in FINISHED_STATUSES:
            raise not_running_error(sandbox_id, context.status, context.error_type, context.error_message)

    async def gone(self, sandbox_id: str) -> SandboxNotRunningError:
        """Return the error for a sandbox that the gateway does not know any more."""
        self.forget(sandbox_id)
        context = await self.error_context(sandbox_id)
        status = context.status if context.status in FINISHED_STATUSES else SandboxStatus.TERMINATED
        kind = context.error_type or "SANDBOX_NOT_FOUND"
        return not_running_error(sandbox_id, status, kind, context.error_message)

    def request(self, call: Call[T], base: str, secret: str, sink: Sink | None = None) -> WireRequest:
        """Return what goes over the wire for a call."""
        headers = {"Content-Type": call.content_type, "User-Agent": self.user_agent}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        # A file takes as long as it takes, within reason; its timeout is for each wait.
        size = call.body.length if isinstance(call.body, StreamedBody) else 0 if sink is None else LARGEST_FILE
        deadline = call.timeout + size / SLOWEST
        return WireRequest(call.method, base + call.path, call.query_pairs, headers, call.body, call.timeout, deadline)

    def secrets(self, secret: str, call: Call[T] | None = None) -> tuple[str, ...]:
        """Return all that no error about a call may hold."""
        return (secret, self.config.api_key, *(call.secrets if call is not None else ()))

    def watched(self, request: WireRequest, secrets: tuple[str, ...]) -> Watched:
        """Return what tells of a request that is made inside its block."""
        return Watched(request, self.observer, secrets, self.config.api_key)

    def _read(self, call: Call[T], reply: WireReply, secret: str) -> T:
        try:
            return call.read(reply.content)
        except MalformedReplyError as error:
            # The names of fields are the platform's too.
            error.message = hide(error.message, self.secrets(secret, call))
            error.args = (error.message,)
            raise

    async def _exchange(
        self, call: Call[T], base: str, secret: str, sandbox_id: str | None, sink: Sink | None
    ) -> WireReply:
        if self.config.read_only:
            refuse_change(call.method, call.path)
        if base.startswith("http:") and self.config.base_url.startswith("https:"):
            # A token opens the sandbox to whoever reads it.
            raise APIError(
                f"the platform names a gateway without encryption: {base}; nothing was sent",
                method=call.method,
                path=call.path,
                sandbox_id=sandbox_id,
            )
        request = self.request(call, base, secret, sink)
        with self.watched(request, self.secrets(secret, call)) as watched:
            return await self._attempts(call, request, secret, sandbox_id, sink, watched)

    async def _attempts(
        self,
        call: Call[T],
        request: WireRequest,
        secret: str,
        sandbox_id: str | None,
        sink: Sink | None,
        watched: Watched,
    ) -> WireReply:
        started = self.port.monotonic()
        attempt = 0
        while True:
            attempt += 1
            failure: APIError | None = None
            pause_at_least = None
            if call.rate is not None and self.limiter is not None:
                wait = self.limiter.reserve(call.rate, self.port.monotonic())
                if wait > 0:
                    await self.port.sleep(wait)
            watched.attempts, watched.reply = attempt, None
            try:
                watched.reply = reply = await self.port.send(request, sink)
            except TransportFault as fault:
                failure = no_reply(fault, call, self.config.base_url, sandbox_id, self.secrets(secret, call))
                repeat = may_repeat_fault(fault.sent, fault.timeout, call.repeat)
                # So much has arrived that its receiver would rather go on than start again.
                repeat = repeat and (sink is None or sink.may_restart)
            else:
                pause_at_least = retry_after(reply)
                repeat = may_repeat_status(reply.status_code, call.repeat)
                if not repeat:
                    return reply
            pause = self.retry.delay(attempt, pause_at_least)
            spent = self.port.monotonic() - started
            if not repeat or attempt >= self.retry.attempts or spent + pause > max(self.retry.deadline, call.timeout):
                if failure is not None:
                    raise failure
                return reply
            await self.port.sleep(pause)
