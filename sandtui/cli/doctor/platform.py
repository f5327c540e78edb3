"""Checks the settings, the key, the connection, the clock and the permissions of the key."""

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

MAX_CLOCK_OFFSET = 60.0
"""Tokens are renewed a minute early: a clock that is off by more costs further requests, for tokens or refused."""

CONNECT_SECONDS = 10.0


async def examine(
    paths: Paths, profile: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Finding]:
    """Run the checks in order; a failure skips those that depend on it."""
    try:
        settings = load_settings(paths.settings)
    except SettingsError as error:
        yield Finding("settings", "error", str(error), "Fix the line, or move the file away.")
        return
    yield _settings(paths, settings)
    for problem in read_keymap(settings.keys).problems:
        yield Finding("keys", "warning", problem, "`sandtui keys` prints all ids and keys.")
    try:
        context = choose(settings, profile)
        config = None if context.kind == "local" else await asyncio.to_thread(resolve, context)
    except ConfigurationError as error:
        yield Finding("key", "error", str(error), "`sandtui config check` lists the contexts.")
        return
    if config is None:
        words = f"{context.name}: the local platform, started on demand"
        yield Finding("context", "ok", words, "Set PRIME_API_KEY or a profile to use another platform.")
        return
    yield Finding("context", "ok", f"{context.name}: {config.base_url}, team {config.team_id or 'personal'}")
    if not config.api_key:
        fix = "Set PRIME_API_KEY, run `prime login`, or give the profile a key (`sandtui config init`)."
        yield Finding("key", "error", "no API key", fix)
        return
    yield Finding("key", "ok", f"found, {len(config.api_key)} characters")
    async for finding in _connection(config, transport):
        yield finding


def _settings(paths: Paths, settings: Settings) -> Finding:
    if not paths.settings.exists():
        fix = "`sandtui config init` writes one that explains every setting."
        return Finding("settings", "ok", "no settings file; using defaults", fix)
    return Finding(
        "settings",
        "ok",
        f"{paths.settings}: valid, {len(settings.profiles)} profile{'s' * (len(settings.profiles) != 1)}",
    )


async def _connection(config: Config, transport: httpx.AsyncBaseTransport | None) -> AsyncIterator[Finding]:
    began = time.monotonic()
    try:
        way = transport or environment_transport()
        async with httpx.AsyncClient(transport=way, timeout=CONNECT_SECONDS, trust_env=False) as plain:
            reply = await plain.get(config.base_url)
    except ConfigurationError as error:
        yield Finding("connection", "error", str(error), "Change the variable, or unset it.")
        return
    except httpx.HTTPError as error:
        fix = "Check the network, the proxy (HTTPS_PROXY, NO_PROXY) and the address."
        text = f"cannot reach {config.base_url}: {error or type(error).__name__}"
        yield Finding("connection", "error", text, fix)
        return
    took = (time.monotonic() - began) * 1000
    yield Finding("connection", "ok", f"{config.base_url} answers in {took:.0f} ms")
    yield _clock(reply.headers.get("Date", ""), datetime.now(UTC))
    client = AsyncSandboxClient(config=config, transport=transport, keep_tokens=False)
    try:
        page = await asyncio.wait_for(client.list(per_page=1), CONNECT_SECONDS * 2)
    except UnauthorizedError as error:
        yield Finding("permission", "error", str(error), "Create a new key, or run `prime login`.")
    except PermissionDeniedError as error:
        yield Finding(
            "permission", "error", str(error), "The key needs the `sandbox` scope: ask the owner of the team."
        )
    except (SandboxClientError, TimeoutError) as error:
        yield Finding("permission", "error", str(error) or "timed out", "Try again later.")
    else:
        yield Finding("permission", "ok", f"can list sandboxes ({page.total:,})")
    finally:
        await client.aclose()


def _clock(date: str, now: datetime) -> Finding:
    try:
        off = (now - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return Finding("clock", "ok", "not reported by the platform")
    if abs(off) > MAX_CLOCK_OFFSET:
        words = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the platform's"
        return Finding("clock", "error", words, "Synchronize it: timedatectl set-ntp true")
    return Finding("clock", "ok", f"within {abs(off):.0f} s of the platform's")
