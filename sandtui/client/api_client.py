"""The connection of the synchronous client, and requests of the caller's own making."""

from __future__ import annotations

from sandtui.client.async_port import AsyncPort
from sandtui.client.blocking import blocking
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.config import Config
from sandtui.client.flows.raw import RawCalls
from sandtui.client.http_library import httpx
from sandtui.client.session import Session


class APIClient:
    """An address, a key and the connections to it; usable from several threads.

    ``config`` is read from the environment and ``~/.prime`` when it is not given; ``api_key`` overrides its key.
    ``transport`` replaces the network, for tests.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        config: Config | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.config = (config or Config.load()).with_changes(api_key=api_key)
        self.port = BlockingPort(transport)
        self._flows = RawCalls(Session.open(self.config, self.port, None))

    request = blocking(RawCalls.request)
    get = blocking(RawCalls.get)
    post = blocking(RawCalls.post)
    patch = blocking(RawCalls.patch)
    delete = blocking(RawCalls.delete)
    close = blocking(RawCalls.aclose)


class AsyncAPIClient(RawCalls):
    """The same for the event loop; see :class:`APIClient`."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        config: Config | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = (config or Config.load()).with_changes(api_key=api_key)
        self.port = AsyncPort(transport)
        super().__init__(Session.open(self.config, self.port, None))
