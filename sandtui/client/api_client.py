"""The connection of the synchronous client, and arbitrary requests."""

from __future__ import annotations

from sandtui.client.async_port import AsyncPort
from sandtui.client.blocking import blocking, same
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.config import Config
from sandtui.client.errors import ConfigurationError
from sandtui.client.flows.raw import RawCalls
from sandtui.client.http_library import httpx
from sandtui.client.port import Port
from sandtui.client.session import Session


class APIClient:
    """An address, a key and the connections to it. Thread-safe.

    ``config`` is read from the environment and ``~/.prime`` when it is not given; ``api_key`` overrides its key.
    Without ``require_auth`` requests are sent even without a key. ``user_agent`` replaces the client's own.
    ``transport`` replaces the network, for tests.
    """

    def __init__(
        self,
        api_key: str | None = None,
        require_auth: bool = True,
        user_agent: str | None = None,
        *,
        config: Config | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.config = (config or Config.load()).with_changes(api_key=api_key)
        self.port = BlockingPort(transport)
        self.session = _session(self.config, self.port, require_auth, user_agent)
        self._flows = RawCalls(self.session)

    observe = same(RawCalls.observe)
    request = blocking(RawCalls.request)
    get = blocking(RawCalls.get)
    post = blocking(RawCalls.post)
    patch = blocking(RawCalls.patch)
    delete = blocking(RawCalls.delete)
    close = blocking(RawCalls.aclose)


class AsyncAPIClient(RawCalls):
    """The asynchronous version of :class:`APIClient`."""

    def __init__(
        self,
        api_key: str | None = None,
        require_auth: bool = True,
        user_agent: str | None = None,
        *,
        config: Config | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = (config or Config.load()).with_changes(api_key=api_key)
        self.port = AsyncPort(transport)
        self.session = _session(self.config, self.port, require_auth, user_agent)
        super().__init__(self.session)


def _session(config: Config, port: Port, require_auth: bool, user_agent: str | None) -> Session:
    session = Session.open(config, port, None)
    session.require_auth = require_auth
    if user_agent is not None:
        if not user_agent or not all(" " <= character <= "~" for character in user_agent):
            raise ConfigurationError("a user_agent is one line of visible ASCII")
        session.user_agent = user_agent
    return session
