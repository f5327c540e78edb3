"""When a gateway's token is fetched and when it is renewed: for requests, command sessions and processes alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandtui.client.models import GatewayToken
from sandtui.client.tokens import TokenCache


@dataclass(slots=True)
class GatewayAccess:
    """The access of one call to a sandbox's gateway. Its token is renewed once, if the gateway refuses it.

    ``fetch`` asks the platform for a token; ``sleep`` waits for another process that is asking already.
    """

    sandbox_id: str
    tokens: TokenCache
    fetch: Callable[[], Awaitable[GatewayToken]]
    sleep: Callable[[float], Awaitable[None]]
    _in_use: GatewayToken | None = None
    _may_renew: bool = True

    async def token(self) -> GatewayToken:
        """Return the token for the next attempt."""
        self._in_use = await self.tokens.obtain(self.sandbox_id, self.fetch, self.sleep)
        return self._in_use

    def accepted(self) -> None:
        """Note that the gateway took the token and has begun the work: the call must not be repeated."""
        self._may_renew = False

    def refused(self) -> bool:
        """Drop the token that the gateway refused; return whether to try once more with another."""
        self.tokens.drop(self.sandbox_id, self._in_use)
        may_renew, self._may_renew = self._may_renew, False
        return may_renew
