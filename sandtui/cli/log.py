"""``--log [FILE]``: the debug log, for the dashboard and every subcommand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sandtui.cli.usage import UsageError, complain
from sandtui.config.paths import Paths
from sandtui.saving import with_home


def run_logged(file: str, words: Sequence[str], run: Callable[[], int]) -> int:
    """Run something with a debug log, in ``file`` or the default one; return the exit code.

    Raises:
        UsageError: the file cannot be written.
    """
    from sandtui.config.debug_log import LogError, debug_log, loggable_arguments

    path = with_home(Path(file)) if file else Paths.of_user().debug_log
    try:
        with debug_log(path, loggable_arguments(words)):
            code = run()
    except LogError as error:
        raise UsageError(str(error)) from None
    complain(f"debug log written to {path}")
    return code
