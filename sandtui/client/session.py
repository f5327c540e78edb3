"""Executes calls: identity, retries, deadlines, limits and gateway tokens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
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
from sandtui.client.gateway_access import GatewayAccess
from sandtui.client.leases import Lease
from sandtui.client.limits import RateLimiter
from sandtui.client.models import CreatedSandbox, ErrorContext, GatewayToken, Sandbox
from sandtui.client.models.sandbox import FINISHED_STATUSES, SandboxStatus
from sandtui.client.observer import Observer, Watched
from sandtui.client.port import ChannelSource, Port, Sink, TransportFault, WireRequest, WireResponse
from sandtui.client.read_only import refuse_change
from sandtui.client.responses import error_from, no_response, output_so_far, redact, retry_after
from sandtui.client.retry import RetryPolicy, may_repeat_fault, may_repeat_status
from sandtui.client.share import Share
from sandtui.client.tokens import TokenCache

T = TypeVar("T")

USER_AGENT = f"sandtui/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))}"

CONFLICT_DELAYS = (0.25, 0.5, 1.0)
"""Pauses in seconds between attempts while a running sandbox's gateway is not ready (WIRE.md 3.1)."""

MIN_RATE = 10_000
"""Minimum average rate of a transfer in bytes per second, against servers that send too slowly."""

MAX_FILE = 200_000_000
"""Size of the largest file in one response, in bytes (WIRE.md 3)."""

MAX_KINDS = 100_000
"""Maximum number of sandboxes whose kind is cached; looking one up costs a request."""

GONE = frozenset({"sandbox_not_found", "sandbox_terminated"})
"""Error codes of a gateway for a sandbox that no longer exists."""

OnTimeout = Callable[[str], SandboxClientError]


@dataclass(slots=True)
class Session:
    """One identity at one platform, over one port. Shared by all flows of a client.

    ``vm`` caches which sandboxes are VMs, since they take commands over another protocol. ``lacks_batch_status`` is set
    once an older platform is detected. ``observer`` gets a report of each request (:mod:`sandtui.client.observer`).
    ``channels`` opens SSH channels into containers, if available. ``leases`` are those that are open, innermost last.
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
    share: Share | None = field(init=False, default=None)
    leases: list[Lease] = field(default_factory=list)
    lan_joins: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """The network and the tags of new sandboxes that join it once they run."""

    def __post_init__(self) -> None:
        if self.config.only_labels:
            self.share = Share(self.config.only_labels)

    @classmethod
    def open(cls, config: Config, port: Port, token_folder: Path | None) -> Session:
        """Create a session; nothing is sent yet."""
        # These are the limits of the hosted platform; a local one has none.
        local = urlsplit(config.base_url).hostname in {"127.0.0.1", "localhost", "::1"}
        limiter = None if local else RateLimiter()
        return cls(config, port, TokenCache(config, port.lock, token_folder), RetryPolicy(), limiter)

    def note(self, sandbox: Sandbox) -> None:
        """Cache what later calls need to know about a sandbox."""
        if sandbox.is_finished:
            # Not needed any more: a long-lived client would accumulate every sandbox it ever saw.
            self.vm.pop(sandbox.id, None)
            self.lan_joins.pop(sandbox.id, None)
        else:
            if len(self.vm) >= MAX_KINDS:
                self.vm.clear()
            self.vm[sandbox.id] = sandbox.vm
        if isinstance(sandbox, CreatedSandbox) and sandbox.gateway_auth is not None:
            self.tokens.put(sandbox.id, sandbox.gateway_auth)

    def forget(self, sandbox_id: str) -> None:
        """Drop what is cached about a deleted sandbox."""
        self.tokens.forget(sandbox_id)
        self.vm.pop(sandbox_id, None)
        self.lan_joins.pop(sandbox_id, None)

    async def is_vm(self, sandbox_id: str) -> bool:
        """Return whether a sandbox is a VM; at most one request per sandbox."""
        known = self.vm.get(sandbox_id)
        if known is None:
            sandbox = await self.control(sandboxes.get_sandbox(sandbox_id), sandbox_id)
            self.note(sandbox)
            # Set under the requested id: the platform might return another one.
            known = self.vm[sandbox_id] = sandbox.vm
        return known

    async def control(self, call: Call[T], sandbox_id: str | None = None) -> T:
        """Execute a call of the control plane.

        Raises:
            APIError: a subclass by the response's status.
        """
        if not self.config.api_key and self.require_auth:
            raise UnauthorizedError("there is no API key", method=call.method, path=call.path)
        key = self.config.api_key
        response = await self._exchange(call, self.config.api_root, key, sandbox_id, None)
        if not 200 <= response.status_code < 300:
            raise error_from(response, call.method, call.path, sandbox_id, self.secrets(key, call))
        return self._read(call, response, key)

    async def open_call(self, url: str, call: Call[T]) -> T:
        """Execute a call to an address that the platform returned and that needs no key.

        Raises:
            APIError: a subclass by the response's status.
        """
        response = await self._exchange(call, url, "", None, None)
        if not 200 <= response.status_code < 300:
            raise error_from(response, call.method, call.path, None, self.secrets("", call))
        return self._read(call, response, "")

    async def gateway(self, sandbox_id: str, call: Call[T], on_timeout: OnTimeout, sink: Sink | None = None) -> T:
        """Execute a call of a sandbox's gateway (the table in WIRE.md 3.1).

        A successful body goes to ``sink``, if given. On 401 a new token is fetched once; a 409 of a running sandbox is
        retried shortly.

        Raises:
            SandboxNotRunningError: the sandbox has ended.
            SandboxClientError: the error made by ``on_timeout``, if the call timed out.
            APIError: any other error.
        """
        access = self.gateway_access(sandbox_id)
        conflicts = iter(CONFLICT_DELAYS)
        while True:
            token = await access.token()
            try:
                response = await self._exchange(call, token.base, token.token, sandbox_id, sink)
            except APITimeoutError as timeout:
                await self.raise_if_ended(sandbox_id)
                raise on_timeout(timeout.message) from None
            if 200 <= response.status_code < 300:
                return self._read(call, response, token.token)
            error = error_from(response, call.method, call.path, sandbox_id, self.secrets(token.token, call))
            if response.status_code == 401:
                if access.refused():
                    continue
                raise APIError(
                    f"the gateway refused a new token: {error.message}",
                    status_code=401,
                    method=call.method,
                    path=call.path,
                    sandbox_id=sandbox_id,
                )
            if response.status_code == 408:
                await self.raise_if_ended(sandbox_id)
                failure = on_timeout(error.message)
                if isinstance(failure, CommandTimeoutError):
                    failure.stdout, failure.stderr = output_so_far(response)
                raise failure
            if error.error_type in GONE:
                raise await self.gone(sandbox_id)
            if response.status_code == 409:
                context = await self.error_context(sandbox_id)
                if context.status not in {SandboxStatus.RUNNING, None}:
                    raise not_running_error(sandbox_id, context.status, context.error_type, context.error_message)
                delay = next(conflicts, None)
                if delay is not None:
                    await self.port.sleep(delay)
                    continue
            raise error

    async def once(self, call: Call[T], token: GatewayToken, sandbox_id: str) -> T:
        """Execute a gateway call with a given token.

        Raises:
            APIError: the gateway refused.
        """
        response = await self._exchange(call, token.base, token.token, sandbox_id, None)
        if not 200 <= response.status_code < 300:
            raise error_from(response, call.method, call.path, sandbox_id, self.secrets(token.token, call))
        return self._read(call, response, token.token)

    async def error_context(self, sandbox_id: str) -> ErrorContext:
        """Ask why a sandbox is not running. If that fails, the reason is unknown."""
        try:
            return await self.control(sandboxes.get_error_context(sandbox_id), sandbox_id)
        except APIError:
            return ErrorContext()

    def gateway_access(self, sandbox_id: str) -> GatewayAccess:
        """Return the access of one call to a sandbox's gateway."""

        async def fetch() -> GatewayToken:
            return await self.control(sandboxes.authorize_gateway(sandbox_id), sandbox_id)

        return GatewayAccess(sandbox_id, self.tokens, fetch, self.port.sleep)

    async def raise_if_ended(self, sandbox_id: str) -> None:
        """Check whether a failure is due to the sandbox having ended.

        Raises:
            SandboxNotRunningError: it has ended.
        """
        context = await self.error_context(sandbox_id)
        if context.status in FINISHED_STATUSES:
            raise not_running_error(sandbox_id, context.status, context.error_type, context.error_message)

    async def gone(self, sandbox_id: str) -> SandboxNotRunningError:
        """Return the error for a sandbox that the gateway no longer knows."""
        self.forget(sandbox_id)
        context = await self.error_context(sandbox_id)
        status = context.status if context.status in FINISHED_STATUSES else SandboxStatus.TERMINATED
        kind = context.error_type or "SANDBOX_NOT_FOUND"
        return not_running_error(sandbox_id, status, kind, context.error_message)

    def request(self, call: Call[T], base: str, secret: str, sink: Sink | None = None) -> WireRequest:
        """Return the HTTP request for a call."""
        headers = {"Content-Type": call.content_type, "User-Agent": self.user_agent}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        # The timeout of a transfer is per wait; its deadline depends on the size.
        size = call.body.length if isinstance(call.body, StreamedBody) else 0 if sink is None else MAX_FILE
        deadline = call.timeout + size / MIN_RATE
        return WireRequest(call.method, base + call.path, call.query_pairs, headers, call.body, call.timeout, deadline)

    def secrets(self, secret: str, call: Call[T] | None = None) -> tuple[str, ...]:
        """Return the strings to redact in errors of a call."""
        return (secret, self.config.api_key, *(call.secrets if call is not None else ()))

    def watched(self, request: WireRequest, secrets: tuple[str, ...]) -> Watched:
        """Return a context that reports a request."""
        return Watched(request, self.observer, secrets, self.config.api_key)

    def _read(self, call: Call[T], response: WireResponse, secret: str) -> T:
        try:
            read = call.read(response.content)
            return read if self.share is None else self.share.visible(call, read)
        except MalformedReplyError as error:
            # Field names come from the platform too.
            error.message = redact(error.message, self.secrets(secret, call))
            error.args = (error.message,)
            raise

    async def _exchange(
        self, call: Call[T], base: str, secret: str, sandbox_id: str | None, sink: Sink | None
    ) -> WireResponse:
        if self.config.read_only:
            refuse_change(call.method, call.path)
        if self.share is not None:
            call = self.share.limited(call, sandbox_id)
        if base.startswith("http:") and self.config.base_url.startswith("https:"):
            # Whoever reads the token can use the sandbox.
            raise APIError(
                f"the platform returned an unencrypted gateway address: {base}; nothing was sent",
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
    ) -> WireResponse:
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
            watched.attempts, watched.response = attempt, None
            try:
                watched.response = response = await self.port.send(request, sink)
            except TransportFault as fault:
                failure = no_response(fault, call, self.config.base_url, sandbox_id, self.secrets(secret, call))
                repeat = may_repeat_fault(fault.sent, fault.timeout, call.repeat)
                # So much has arrived that the caller prefers to resume.
                repeat = repeat and (sink is None or sink.may_restart)
            else:
                pause_at_least = retry_after(response)
                repeat = may_repeat_status(response.status_code, call.repeat)
                if not repeat:
                    return response
            pause = self.retry.delay(attempt, pause_at_least)
            spent = self.port.monotonic() - started
            if not repeat or attempt >= self.retry.attempts or spent + pause > max(self.retry.deadline, call.timeout):
                if failure is not None:
                    raise failure
                return response
            await self.port.sleep(pause)
