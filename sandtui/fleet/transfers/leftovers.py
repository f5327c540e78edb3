"""What a transfer that did not end leaves behind: found by its id, which is in every temporary name.

In a sandbox that it sends to: files and archives on their way, beside their targets and in ``/tmp``. In one that it
fetches from: parts of large files beside them, and scripts, archives and links in ``/tmp``.
"""

from __future__ import annotations

from pathlib import Path

from sandtui.client import NotFoundError, SandboxNotRunningError
from sandtui.fleet.files.names import FilesError, parent
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.shell import Words


async def remove_there(side: SandboxSide, path: str, transfer_id: str) -> None:
    """Remove what a transfer has left in a sandbox: beside its source or target there, in it, and in ``/tmp``.

    Raises:
        FilesError: the sandbox could not be asked; one that is gone has nothing left.
    """
    words = Words()
    root, beside = words.add(path), words.add(parent(path))
    marks = f"\\( -name '.*.{transfer_id}.part*' -o -name '.sandtui-{transfer_id}*' \\)"
    try:
        reply = await side.run(
            f'{words.preamble}for d in {beside} /tmp; do (cd -- "$d" 2>/dev/null && '
            f"find . ! -name . -prune {marks} -exec rm -rf {{}} +); done; "
            f"(cd -- {root} 2>/dev/null && find . {marks} -prune -exec rm -rf {{}} +); true",
            path,
        )
    except FilesError as error:
        if isinstance(error.__cause__, (NotFoundError, SandboxNotRunningError)):
            return
        raise
    if reply.exit_code != 0:
        raise FilesError(f"{path}: {reply.stderr.strip()[-200:]}")


def remove_here(target: str, transfer_id: str) -> None:
    """Remove what a transfer has left on this machine, beside its target and in it."""
    root = Path(target)
    beside = list(root.parent.iterdir()) if root.parent.is_dir() else []
    inside = list(root.rglob(f".*.{transfer_id}.part*")) if root.is_dir() and not root.is_symlink() else []
    for path in [*beside, *inside]:
        if path.name.startswith(".") and f".{transfer_id}.part" in path.name:
            path.unlink(missing_ok=True)
