"""What a transfer that did not end leaves behind: found by its id, which is in every temporary name."""

from __future__ import annotations

from pathlib import Path

from sandtui.fleet.files.names import FilesError, parent
from sandtui.fleet.files.remote import SandboxSide
from sandtui.fleet.files.shell import Words


async def remove_there(side: SandboxSide, target: str, transfer_id: str) -> None:
    """Remove what a transfer has left in a sandbox, beside its target and in it.

    Raises:
        FilesError: the sandbox could not be asked.
    """
    words = Words()
    root, beside = words.add(target), words.add(parent(target))
    marks = f"\\( -name '.*.{transfer_id}.part*' -o -name '.sandtui-{transfer_id}*' \\)"
    reply = await side.run(
        f'{words.preamble}for d in {beside} /tmp; do (cd -- "$d" 2>/dev/null && '
        f"find . ! -name . -prune {marks} -exec rm -rf {{}} +); done; "
        f"(cd -- {root} 2>/dev/null && find . {marks} -prune -exec rm -rf {{}} +); true",
        target,
    )
    if reply.exit_code != 0:
        raise FilesError(f"{target}: {reply.stderr.strip()[-200:]}")


def remove_here(target: str, transfer_id: str) -> None:
    """Remove what a transfer has left on this machine, beside its target and in it."""
    root = Path(target)
    beside = list(root.parent.iterdir()) if root.parent.is_dir() else []
    inside = list(root.rglob(f".*.{transfer_id}.part*")) if root.is_dir() and not root.is_symlink() else []
    for path in [*beside, *inside]:
        if path.name.startswith(".") and f".{transfer_id}.part" in path.name:
            path.unlink(missing_ok=True)
