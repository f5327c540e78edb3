"""Rendering of the shell tabs and the status line."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.fleet.shells import LiveShell, ShellState
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.key_bindings import KeyOf
from sandtui.ui.rendering.text import Piece, Role, fit, fit_middle
from sandtui.ui.rendering.units import duration

NAME = 20
TITLE = 40

SIGNS: dict[ShellState, tuple[str, Role]] = {
    ShellState.CONNECTING: ("◌", "waiting"),
    ShellState.RUNNING: ("●", "good"),
    ShellState.ENDED: ("○", "dim"),
    ShellState.LOST: ("✖", "bad"),
}


def tabs(shells: Sequence[LiveShell], front: LiveShell | None) -> list[Piece]:
    """Return the tab line, scrolled so that the front tab is visible."""
    pieces = []
    index = shells.index(front) if front in shells else 0
    for number, shell in list(enumerate(shells, 1))[max(0, index - 2) :]:
        glyph, role = SIGNS[shell.state]
        chosen = shell is front
        name = clean(shell.name)
        pieces += [
            Piece("▌" if chosen else " ", "key"),
            Piece(f"{glyph} ", role),
            Piece(f"{number} {fit_middle(name, min(NAME, len(name)))}", "bright" if chosen else "dim"),
            Piece(" ⏺" if shell.recorder is not None else "", "bad"),
            Piece("  "),
        ]
    return pieces


def title(shell: LiveShell) -> list[Piece]:
    """Return the title set by the program; untrusted text, so it gets its own area."""
    text = clean(shell.terminal.title)
    return [Piece(fit(text, min(TITLE, len(text))), "dim")] if text else []


def state(shell: LiveShell, typing: bool, below: int, key: KeyOf) -> tuple[list[Piece], list[Piece]]:
    """Return the left and right part of the status line."""
    right: list[Piece] = []
    if shell.recorder is not None:
        right.append(Piece(f"⏺ {duration(shell.recorder.seconds)}  ", "bad"))
    if below:
        right.append(Piece(f"{below:,} lines below  ", "info"))
    if shell.warning and shell.is_open:
        right.append(Piece("host key not checked  ", "dim"))
    if shell.state is ShellState.CONNECTING:
        return [Piece("◌ connecting …", "waiting")], right
    if shell.state is ShellState.LOST:
        again = key("terminal.again" if typing else "shell.again")
        return [Piece(f"✖ {again} reconnect · {clean(shell.problem) or 'connection lost'}", "bad")], right
    if shell.state is ShellState.ENDED:
        good = shell.exit_code == 0
        again, back = key("shell.again"), key("shell.back")
        text = f"shell exited with code {shell.exit_code} · {again} reconnect · {back} back"
        return [Piece(f"{'✓' if good else '✖'} {text}", "good" if good else "bad")], right
    if shell.copy_wanted:
        size = f"{len(shell.copy_wanted):,} characters"
        out = f"{key('terminal.out')} then " if typing else ""
        how = f"{out}{key('shell.allow_copy')}: allow"
        return [Piece(f"▲ program wants to copy {size} to your clipboard ({how})", "busy")], right
    if typing:
        out, send = key("terminal.out"), key("shell.send_key")
        sends = f"{out} {send} send {out}"
        return [Piece(f"attached: every key goes to the shell · {sends}", "dim")], right
    return [Piece("detached: the shell keeps running", "info")], right
