"""Running commands in a sandbox."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sandtui.client import calls
from sandtui.client.errors import CommandTimeoutError, InvalidRequestError, SandboxNotRunningError
from sandtui.client.models import CommandResponse
from sandtui.client.session import Session

DEFAULT_TIMEOUT = 300
"""Seconds that a command may take when the caller says nothing (wire.md 3)."""

MAX_TIMEOUT = 900
"""Seconds that a command may take at most (seed guide, "Long-Running Commands")."""

_ENVIRONMENT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Commands:
    """The calls that run something."""

    _session: Session

    async def execute_command(
        self,
        sandbox_id: str,
        command: str,
        working_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: int | None = None,
        user: str | None = None,
    ) -> CommandResponse:
        """Run ``command`` in the sandbox's shell and return its output and exit code.

        ``timeout`` is in seconds, 300 by default and 900 at most; ``user`` is a name or uid,
        optionally ``USER:GROUP``. A command whose request may have arrived is never sent twice.

        Raises:
            InvalidRequestError: an argument breaks a rule; nothing was sent.
            CommandTimeoutError: the command did not end in time.
            SandboxNotRunningError: the sandbox has ended; its subclasses say why.
            APIError: any other refusal.
        """
        seconds = DEFAULT_TIMEOUT if timeout is None else timeout
        check_command(command, env, seconds)
        call = calls.execute(sandbox_id, command, working_dir=working_dir, env=env, timeout=seconds, user=user)

        def too_slow(_reason: str) -> CommandTimeoutError:
            return CommandTimeoutError(
                f"the command did not end within {seconds} s", sandbox_id=sandbox_id, command=command
            )

        try:
            return await self._session.gateway(sandbox_id, call, too_slow)
        except SandboxNotRunningError as error:
            error.command = command
            raise


def check_command(command: str, env: Mapping[str, str] | None, timeout: int) -> None:
    """Refuse a command that no platform would run.

    Raises:
        InvalidRequestError: it is empty or holds a NUL byte, a variable's name is no shell
            identifier, or the timeout is outside 1 to 900 seconds.
    """
    if not command.strip():
        raise InvalidRequestError("the command is empty")
    if "\0" in command:
        raise InvalidRequestError("the command holds a NUL byte")
    if not 1 <= timeout <= MAX_TIMEOUT:
        raise InvalidRequestError(
            f"a command may take 1 to {MAX_TIMEOUT} seconds, not {timeout}; run longer work as a background job"
        )
    for key in env or {}:
        if not _ENVIRONMENT_KEY.fullmatch(key):
            raise InvalidRequestError(
                f"{key!r} is not the name of an environment variable: letters, digits and _, not starting with a digit"
            )
