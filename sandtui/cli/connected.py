"""Runs the work of a subcommand on its platform: connects, reports errors and chooses the exit code."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sandtui.cli.connect import connect_command
from sandtui.cli.usage import FAILURE, NOT_REACHED, complain
from sandtui.client.errors import (
    APITimeoutError,
    ConnectionFailedError,
    RateLimitedError,
    SandboxClientError,
    ServerError,
    UnauthorizedError,
)
from sandtui.fleet.inventory.connection import ConnectError, Connection

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient

UNREACHABLE = (APITimeoutError, ConnectionFailedError, RateLimitedError, ServerError, UnauthorizedError)
"""The errors after which it is not known what the platform holds."""

PlatformWork = Callable[["AsyncSandboxClient", "Connection"], Awaitable[int]]


def run_connected(arguments: argparse.Namespace, work: PlatformWork) -> int:
    """Connect as the arguments say and run ``work(client, connection)``; return its exit code.

    An error of the client ends the work: 3 where the platform was not reached, else 1. ``work`` catches those of a
    single sandbox itself and goes on with the others.

    Raises:
        UsageError: by the work.
    """
    return asyncio.run(_run(arguments, work))


async def _run(arguments: argparse.Namespace, work: PlatformWork) -> int:
    from sandtui.client import AsyncSandboxClient

    try:
        connection = await connect_command(arguments)
        async with AsyncSandboxClient(config=connection.config) as client:
            return await work(client, connection)
    except ConnectError as error:
        complain(f"{error} {error.advice}" if error.advice else error)
        return NOT_REACHED
    except SandboxClientError as error:
        complain(error)
        return exit_code_of(error)


def exit_code_of(error: SandboxClientError) -> int:
    """Return the exit code of a command that an error of the client ended."""
    return NOT_REACHED if isinstance(error, UNREACHABLE) else FAILURE
