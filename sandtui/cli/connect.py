"""Turns a context into a connection; apart from `sandtui.local`, only this starts the local platform."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sandtui.cli.progress import waiting
from sandtui.cli.usage import complain
from sandtui.client.errors import ConfigurationError
from sandtui.config.paths import read_text, write_private
from sandtui.fleet.inventory.connection import ConnectError, Connection, Offer
from sandtui.local.settings import LocalError, NothingIsolatesError, PlatformSettings, engine_settings

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from sandtui.client import Config
    from sandtui.config.contexts import Context


_YES: Final = "yes\n"


async def connect_to(context: Context, *, read_only: bool = False, answer: Path | None = None) -> Connection:
    """Return the connection of a context; start the local platform if needed.

    Where nothing isolates sandboxes, it is started only with the user's consent. ``answer`` is the file that remembers
    it, None for a command, which asks nobody.

    Raises:
        ConnectError: there is no key, or the local platform cannot be started.
    """
    from sandtui.config.contexts import resolve
    from sandtui.fleet.commands.line.redaction import add_secrets

    def finished(connection: Connection) -> Connection:
        add_secrets(connection.config.api_key)
        config = replace(connection.config, read_only=read_only or context.read_only)
        return replace(connection, config=config, production=context.production)

    if context.kind == "local":
        connection = await _local(context, finished, answer)
    else:
        try:
            # May run key_command.
            connection = _remote(await asyncio.to_thread(resolve, context), context)
        except ConfigurationError as error:
            raise ConnectError(str(error)) from error
    return finished(connection)


async def connect_command(arguments: Namespace) -> Connection:
    """Return the connection of a subcommand; warn on standard error about missing isolation.

    Raises:
        ConnectError: see :func:`connect_to`.
    """
    local = arguments.context.kind == "local"
    async with waiting("starting the local platform" if local else "connecting"):
        connection = await connect_to(arguments.context, read_only=arguments.read_only)
    if connection.warning:
        complain(f"warning: {connection.note}")
    return connection


def _remote(config: Config, context: Context) -> Connection:
    from sandtui.client.toolkit import DEFAULT_BASE_URL

    place = "production" if config.base_url == DEFAULT_BASE_URL else urlsplit(config.base_url).netloc
    named = context.name if context.kind == "profile" else config.context
    return Connection(config, " · ".join([config.team_id or "personal", named or place]))


async def _local(context: Context, finished: Callable[[Connection], Connection], answer: Path | None) -> Connection:

    async def accept() -> Connection:
        assert answer is not None
        # Saved first, so that the question is not asked again if the start fails.
        with suppress(OSError):
            await asyncio.to_thread(write_private, answer, _YES)
        return finished(await _local(context, finished, answer))

    async def decline() -> None:
        assert answer is not None
        with suppress(OSError):
            await asyncio.to_thread(write_private, answer, "no\n")

    try:
        if (settings := _engine_settings(context)) is not None:
            return await _platform(settings, context.name)
        try:
            return await _platform(PlatformSettings())
        except NothingIsolatesError as error:
            if answer is None:
                raise
            said = await asyncio.to_thread(read_text, answer)
            if said == _YES:
                return await _platform(PlatformSettings(driver="process"))
            question = (
                "Start plain processes anyway? They can read and change everything that you can on this machine, and "
                "use its network. Your answer is remembered."
            )
            offer = Offer("No isolation available", question, "Start", accept, decline, bool(said))
            raise ConnectError(str(error), "Retry to choose whether to start plain processes.", offer) from error
    except LocalError as error:
        raise ConnectError(
            str(error),
            "See `docker context ls` and `sandtui help local`."
            if context.profile.engine
            else "Set PRIME_API_KEY to use the Prime platform, or see `sandtui local status`.",
        ) from error


def _engine_settings(context: Context) -> PlatformSettings | None:
    """Return the settings of the platform over the engine that a context names, if it does."""
    profile = context.profile
    if not profile.engine and not profile.engine_runtime:
        return None
    try:
        certificates = Path(profile.engine_certificates).expanduser() if profile.engine_certificates else None
    except (RuntimeError, ValueError) as error:
        raise LocalError(f"engine_certificates of {context.name!r}: {error}.") from None
    origin = f"the context {context.name!r}"
    return engine_settings(profile.engine, profile.engine_runtime, origin=origin, certificates=certificates)


async def _platform(settings: PlatformSettings, name: str = "local") -> Connection:
    from sandtui.client import Config
    from sandtui.local import service

    endpoint = await asyncio.to_thread(service.ensure, settings)
    return Connection(
        Config(api_key=endpoint.api_key, base_url=endpoint.base_url),
        f"{name} · {endpoint.driver}",
        note=endpoint.warning,
        warning=bool(endpoint.warning),
        isolated=endpoint.driver != "process",
    )
