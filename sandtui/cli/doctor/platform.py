"""The settings, the key, the platform behind it, its clock, and what the key may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from sandtui.cli.doctor.finding import Finding
from sandtui.client import AsyncSandboxClient, Config, SandboxClientError
from sandtui.client.errors import ConfigurationError, PermissionDeniedError, UnauthorizedError
from sandtui.client.toolkit import environment_transport
from sandtui.config.contexts import choose, resolve
from sandtui.config.paths import Paths
from sandtui.config.settings import Settings, SettingsError, load_settings
from sandtui.fleet.keymap import read_keymap

MOST_SECONDS_OFF = 60.0
"""Tokens are renewed a minute early: a clock that is further off makes every call fail."""

PATIENCE = 10.0


async def examine(
    paths: Paths, profile: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Finding]:
    """Look at all of it; what can't be looked at for want of something before it is left out."""
    try:
        settings = load_settings(paths.settings)
    except SettingsError as error:
        yield Finding("settings", "bad", str(error), "Mend the line, or move the file away.")
        return
    yield _settings(paths, settings)
    for problem in read_keymap(settings.keys).problems:
        yield Finding("keys", "so-so", problem, "`sandtui keys` prints all ids and keys.")
    try:
        context = choose(settings, profile)
        config = None if context.kind == "local" else await asyncio.to_thread(resolve, context)
    except ConfigurationError as error:
        yield Finding("key", "bad", str(error), "`sandtui config check` lists the contexts.")
        return
    if config is None:
        words = f"{context.name}: the local platform, started when it is needed"
        yield Finding("context", "good", words, "Set PRIME_API_KEY or a profile to work with another.")
        return
    yield Finding("context", "good", f"{context.name}: {config.base_url}, team {config.team_id or 'personal'}")
    if not config.api_key:
        mend = "Set PRIME_API_KEY, run `prime login`, or give the profile a key (`sandtui config init`)."
        yield Finding("key", "bad", "there is none", mend)
        return
    yield Finding("key", "good", f"found, {len(config.api_key)} characters")
    async for finding in _connection(config, transport):
        yield finding


def _settings(paths: Paths, settings: Settings) -> Finding:
    if not paths.settings.exists():
        mend = "`sandtui config init` writes one in which everything is explained."
        return Finding("settings", "good", "no file: all settings have their defaults", mend)
    return Finding("settings", "good", f"{paths.settings}: right, {len(settings.profiles)} profiles")


async def _connection(config: Config, transport: httpx.AsyncBaseTransport | None) -> AsyncIterator[Finding]:
    began = time.monotonic()
    try:
        way = transport or environment_transport()
        async with httpx.AsyncClient(transport=way, timeout=PATIENCE, trust_env=False) as plain:
            reply = await plain.get(config.base_url)
    except ConfigurationError as error:
        yield Finding("connection", "bad", str(error), "Change the variable, or unset it.")
        return
    except httpx.HTTPError as error:
        mend = "Check the network, a proxy (HTTPS_PROXY, NO_PROXY), and the address."
        yield Finding("connection", "bad", f"{config.base_url} can't be reached: {error or type(error).__name__}", mend)
        return
    took = (time.monotonic() - began) * 1000
    yield Finding("connection", "good", f"{config.base_url} answers in {took:.0f} ms")
    yield _clock(reply.headers.get("Date", ""), datetime.now(UTC))
    client = AsyncSandboxClient(config=config, transport=transport, keep_tokens=False)
    try:
        page = await asyncio.wait_for(client.list(per_page=1), PATIENCE * 2)
    except UnauthorizedError as error:
        yield Finding("permission", "bad", str(error), "Make a new key, or `prime login`.")
    except PermissionDeniedError as error:
        yield Finding("permission", "bad", str(error), "The key needs the `sandbox` scope; ask the team's owner.")
    except (SandboxClientError, TimeoutError) as error:
        yield Finding("permission", "bad", str(error) or "no answer in time", "Try again in a while.")
    else:
        yield Finding("permission", "good", f"sandboxes can be listed: {page.total:,}")
    finally:
        await client.aclose()


def _clock(date: str, now: datetime) -> Finding:
    try:
        off = (now - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return Finding("clock", "good", "the platform does not tell its time")
    if abs(off) > MOST_SECONDS_OFF:
        words = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the platform's"
        return Finding("clock", "bad", words, "Set it by the network: timedatectl set-ntp true")
    return Finding("clock", "good", f"{abs(off):.0f} s beside the platform's")
