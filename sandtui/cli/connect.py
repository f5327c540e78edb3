"""From a context to a connection; the only place, besides `sandtui.local` itself, that starts the local platform."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandtui.client import Config
    from sandtui.config.contexts import Context
    from sandtui.fleet.session import Connection


async def connect_to(context: Context, *, read_only: bool = False) -> Connection:
    """Return the connection of a context; the local platform is started when needed.

    Raises:
        ConnectError: there is no key, or the local platform can't be started.
    """
    from sandtui.client.errors import ConfigurationError
    from sandtui.config.contexts import resolve
    from sandtui.fleet.commandline.masking import name_secrets
    from sandtui.fleet.session import ConnectError

    if context.kind == "local":
        connection = await _local()
    else:
        try:
            # This may run the command that prints the key.
            connection = _remote(await asyncio.to_thread(resolve, context), context)
        except ConfigurationError as error:
            raise ConnectError(str(error)) from error
    name_secrets(connection.config.api_key)
    config = replace(connection.config, read_only=read_only or context.read_only)
    return replace(connection, config=config, production=context.production)


def _remote(config: Config, context: Context) -> Connection:
    from urllib.parse import urlsplit

    from sandtui.client.toolkit import DEFAULT_BASE_URL
    from sandtui.fleet.session import Connection

    place = "production" if config.base_url == DEFAULT_BASE_URL else urlsplit(config.base_url).netloc
    named = context.name if context.kind == "profile" else config.context
    return Connection(config, " · ".join([config.team_id or "personal", named or place]))


async def _local() -> Connection:
    from sandtui.client import Config
    from sandtui.fleet.session import ConnectError, Connection
    from sandtui.local import service
    from sandtui.local.settings import LocalError, Settings

    try:
        endpoint = await asyncio.to_thread(service.ensure, Settings())
    except LocalError as error:
        raise ConnectError(
            str(error),
            "Set PRIME_API_KEY to use the Prime platform, or see `sandtui local status`.",
        ) from error
    return Connection(
        Config(api_key=endpoint.api_key, base_url=endpoint.base_url),
        f"local · {endpoint.driver}",
        note=endpoint.warning,
        warning=bool(endpoint.warning),
    )
