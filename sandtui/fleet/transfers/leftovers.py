"""Removal of the temporary files of an unfinished transfer: its id is part of every temporary name.

In the target sandbox: partial files and archives, beside their targets and in ``/tmp``. In the source sandbox: parts
of large files beside them, and scripts, archives and links in ``/tmp``.
"""

from __future__ import annotations

from pathlib import Path

from sandtui.client import NotFoundError, SandboxNotRunningError
from sandtui.fleet.files.names import FilesError, parent
from sandtui.fleet.files.remote import SandboxFileSystem
from sandtui.fleet.files.shell import ShellArguments


async def remove_in_sandbox(side: SandboxFileSystem, path: str, transfer_id: str) -> None:
    """Remove a transfer's temporary files in a sandbox: beside its source or target, below it, and in ``/tmp``.

    Raises:
        FilesError: the command failed; a sandbox that is gone is no error.
    """
    arguments = ShellArguments()
    root, beside = arguments.add(path), arguments.add(parent(path))
    marks = f"\\( -name '.*.{transfer_id}.part*' -o -name '.sandtui-{transfer_id}*' \\)"
    try:
        response = await side.run(
            f'{arguments.preamble}for d in {beside} /tmp; do (cd -- "$d" 2>/dev/null && '
            f"find . ! -name . -prune {marks} -exec rm -rf {{}} +); done; "
            f"(cd -- {root} 2>/dev/null && find . {marks} -prune -exec rm -rf {{}} +); true",
            path,
        )
    except FilesError as error:
        if isinstance(error.__cause__, (NotFoundError, SandboxNotRunningError)):
            return
        raise
    if response.exit_code != 0:
        raise FilesError(f"{path}: {response.stderr.strip()[-200:]}")


def remove_local(target: str, transfer_id: str) -> None:
    """Remove a transfer's temporary files on this machine, beside its target and below it."""
    root = Path(target)
    beside = list(root.parent.iterdir()) if root.parent.is_dir() else []
    inside = list(root.rglob(f".*.{transfer_id}.part*")) if root.is_dir() and not root.is_symlink() else []
    for path in [*beside, *inside]:
        if path.name.startswith(".") and f".{transfer_id}.part" in path.name:
            path.unlink(missing_ok=True)
