"""Writes the names, ids and labels that shells complete: ``python -m sandtui.cli.fleet_names [--context X|--local]``.

It starts no local platform and runs no command that would print a key: a key press must have no such effects.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.cli.live_completion import FRESH_SECONDS, names_file
from sandtui.config.paths import Paths, write_private

if TYPE_CHECKING:
    from sandtui.client import Config
    from sandtui.config.contexts import Context
    from sandtui.fleet.inventory.row import Row

MOST = 20_000
"""Sandboxes at most; a file that takes long to read completes nothing in time."""

_PLAIN = re.compile(r"[^\s\x00-\x1f\x7f-\x9f'\"\\$`!]+")
"""What a shell can insert as it is; names with other characters are left out."""


def save_names(line: list[str], rows: Iterable[Row]) -> None:
    """Write the file of a command line's context; a failure is ignored."""
    lines: list[str] = []
    for row in rows:
        if row.sandbox.is_finished or len(lines) >= MOST or not _PLAIN.fullmatch(row.id):
            continue
        name = row.name if _PLAIN.fullmatch(row.name) else ""
        lines.append("\t".join([row.id, name, *filter(_PLAIN.fullmatch, row.sandbox.labels)]))
    with suppress(OSError):
        write_private(Path(names_file(line)), "\n".join([*lines, ""]))


def main(line: list[str]) -> int:
    """Write the file of the context that the arguments choose."""
    path = Path(names_file(line))
    mark = path.with_suffix(".lock")
    # Several tabs in a row ask once.
    if mark.exists() and time.time() - mark.stat().st_mtime < FRESH_SECONDS:
        return 0
    with suppress(OSError):
        write_private(mark, f"{os.getpid()}\n")
        asyncio.run(_renew(line, path))
    mark.unlink(missing_ok=True)
    return 0


async def _renew(line: list[str], path: Path) -> None:
    from sandtui.cli.options import Options
    from sandtui.cli.targets import everyone
    from sandtui.cli.usage import UsageError
    from sandtui.client import AsyncSandboxClient, SandboxClientError
    from sandtui.config.contexts import contexts
    from sandtui.config.settings import SettingsError, load_settings

    try:
        settings = load_settings(Paths.of_user().settings)
        names = [each.name for each in contexts(settings) if _PLAIN.fullmatch(each.name)]
        write_private(Path(f"{path}.contexts"), "\n".join([*names, ""]))
        context = "" if "--context" not in line else line[line.index("--context") + 1]
        config = _config(Options(local="--local" in line, profile=context or None).context(settings))
        if config is None:
            return
        async with asyncio.timeout(30), AsyncSandboxClient(config=config) as client:
            save_names(line, await everyone(client, ended=False))
    except (UsageError, SettingsError, SandboxClientError, TimeoutError):
        return


def _config(context: Context) -> Config | None:
    from sandtui.client import Config
    from sandtui.config.contexts import resolve
    from sandtui.local.service import find
    from sandtui.local.settings import PlatformSettings

    profile = context.profile
    if context.kind == "local":
        running = None if profile.engine or profile.engine_runtime else find(PlatformSettings())
        return None if running is None else Config(api_key=running.api_key, base_url=running.base_url)
    return None if profile.key_command or profile.key_keyring else resolve(context)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
