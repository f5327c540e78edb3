"""How a call is carried out: identity, retries, deadlines and gateway tokens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sandtui import __version__
from sandtui.client import calls
from sandtui.client.call import Call
from sandtui.client.config import Config
from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    ConnectionFailedError,
    SandboxClientError,
    SandboxNotRunningError,
    UnauthorizedError,
    not_running_error,
)
from sandtui.client.models import ErrorContext, GatewayToken
from sandtui.client.models.sandbox import FINISHED_STATUSES, SandboxStatus
from sandtui.client.port import Port, TransportFault, WireReply, WireRequest
from sandtui.client.replies import error_from, retry_after
from sandtui.client.retry import RetryPolicy, may_repeat_fault, may_repeat_status
from sandtui.client.tokens import TokenCache

T = TypeVar("T")

USER_AGENT = f"sandtui/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))}"

CONFLICT_DELAYS = (0.25, 0.5, 1.0)
"""Seconds between tries while a running sandbox's gateway is not ready yet (wire.md 3.1)."""

OnTimeout = Callable[[str], SandboxClientError]


@dataclass(slots=True)
class Session:
    """One identity at one platform, over one port. All flows share it."""

    config: Config
    port: Port
    tokens: TokenCache
    retry: RetryPolicy

    @classmethod
    def open(cls, config: Config, port: Port, token_folder: Path | None) -> Session:
        """Start a session; nothing is sent yet."""
        return cls(config, port, TokenCache(config, port.lock, token_folder), RetryPolicy())

    async def control(self, call: Call[T], sandbox_id: str | None = None) -> T:
        """Carry out a call of the control plane.

        Raises:
            APIError: one of its classes, by the reply's status.
        """
        if not self.config.api_key:
            raise UnauthorizedError("there is no API key", method=call.method, path=call.path)
        reply = await self._exchange(call, self.config.api_root, self.config.api_key, sandbox_id)
        if not 200 <= reply.status_code < 300:
            raise error_from(reply, call.method, call.path, sandbox_id)
        return call.read(reply.content)

    async def gateway(self, sandbox_id: str, call: Call[T], on_timeout: OnTimeout) -> T:
        """Carry out a call of a sandbox's gateway (the table of wire.md 3.1).

        A 401 fetches one new token; a 409 of a sandbox that is running is tried again shortly.

        Raises:
            SandboxNotRunningError: the sandbox has ended.
            SandboxClientError: what ``on_timeout`` makes, when the work did not end in time.
            APIError: any other refusal.
        """
        fresh_tokens = 0
        conflicts = iter(CONFLICT_DELAYS)
        while True:
            token = await self._token(sandbox_id)
            try:
                reply = await self._exchange(call, token.base, token.token, sandbox_id)
            except APITimeoutError as timeout:
                await self._raise_if_ended(sandbox_id)
                raise on_timeout(timeout.message) from None
            if 200 <= reply.status_code < 300:
                return call.read(reply.content)
            error = error_from(reply, call.method, call.path, sandbox_id)
            if reply.status_code == 401 and not fresh_tokens:
                fresh_tokens += 1
                self.tokens.drop(sandbox_id)
                continue
            if reply.status_code == 401:
                raise APIError(error.message, status_code=401, method=call.method, path=call.path)
            if reply.status_code == 408:
                await self._raise_if_ended(sandbox_id)
                raise on_timeout(error.message)
            if error.error_type in {"sandbox_not_found", "sandbox_terminated"}:
                raise await self._gone(sandbox_id)
            if reply.status_code == 409:
                context = await self.error_context(sandbox_id)
                if context.status not in {SandboxStatus.RUNNING, None}:
                    raise not_running_error(sandbox_id, context.status, context.error_type, context.error_message)
                delay = next(conflicts, None)
                if delay is not None:
                    await self.port.sleep(delay)
                    continue
            raise error

    async def error_context(self, sandbox_id: str) -> ErrorContext:
        """Ask why a sandbox is not running. A question that fails is answered with 'unknown'."""
        try:
            return await self.control(calls.get_error_context(sandbox_id), sandbox_id)
        except APIError:
            return ErrorContext()

    async def _token(self, sandbox_id: str) -> GatewayToken:
        token = self.tokens.get(sandbox_id)
        if token is not None:
            return token
        async with self.tokens.lock(sandbox_id):
            token = self.tokens.get(sandbox_id)
            if token is None:
                token = await self.control(calls.authorize_gateway(sandbox_id), sandbox_id)
                self.tokens.put(sandbox_id, token)
            return token

    async def _raise_if_ended(self, sandbox_id: str) -> None:
        context = await self.error_context(sandbox_id)
        if context.status in FINISHED_STATUSES:
            raise not_running_error(sandbox_id, context.status, context.error_type, context.error_message)

    async def _gone(self, sandbox_id: str) -> SandboxNotRunningError:
        self.tokens.forget(sandbox_id)
        context = await self.error_context(sandbox_id)
        status = context.status if context.status in FINISHED_STATUSES else SandboxStatus.TERMINATED
        return not_running_error(sandbox_id, status, context.error_type or "SANDBOX_NOT_FOUND", context.error_message)

    async def _exchange(self, call: Call[T], base: str, secret: str, sandbox_id: str | None) -> WireReply:
        request = WireRequest(
            call.method,
            base + call.path,
            call.query_pairs,
            {
                "Authorization": f"Bearer {secret}",
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
            },
            call.body,
            call.timeout,
        )
        started = self.port.monotonic()
        attempt = 0
        while True:
            attempt += 1
            failure: APIError | None = None
            pause_at_least = None
            try:
                reply = await self.port.send(request)
            except TransportFault as fault:
                failure = _no_reply(fault, call, self.config.base_url, sandbox_id)
                repeat = may_repeat_fault(fault.sent, fault.timeout, call.repeat)
            else:
                pause_at_least = retry_after(reply)
                repeat = may_repeat_status(reply.status_code, call.repeat)
                if not repeat:
                    return reply
            pause = self.retry.delay(attempt, pause_at_least)
            spent = self.port.monotonic() - started
            if not repeat or attempt >= self.retry.attempts or spent + pause > self.retry.deadline:
                if failure is not None:
                    raise failure
                return reply
            await self.port.sleep(pause)


def _no_reply(fault: TransportFault, call: Call[T], base_url: str, sandbox_id: str | None) -> APIError:
    where = f"{call.method} {call.path}"
    if fault.timeout and fault.sent:
        return APITimeoutError(
            f"no reply to {where} within {call.timeout:g} s",
            method=call.method,
            path=call.path,
            sandbox_id=sandbox_id,
        )
    reason = "can't connect to" if not fault.sent else "the connection broke while talking to"
    return ConnectionFailedError(
        f"{reason} {base_url} ({where}): {fault}",
        sent=fault.sent,
        method=call.method,
        path=call.path,
        sandbox_id=sandbox_id,
    )
