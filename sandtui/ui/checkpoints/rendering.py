"""The lines of the tree: guides, a sign, a name, and what is known of it."""

from __future__ import annotations

from datetime import datetime

from sandtui.client import SandboxCheckpoint
from sandtui.client.models.checkpoints import DURABLE
from sandtui.fleet.checkpoints.board import CheckpointBoard
from sandtui.fleet.checkpoints.tree import Node, TreeLine
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.status import glyph, status_style
from sandtui.ui.rendering.text import Piece, Role, cut, fit, fit_middle, width_of
from sandtui.ui.rendering.units import age, short_size

STATE, SIZE, AGE, MADE = 10, 7, 6, 14
"""Cells of the columns beside the tree."""

LEAST_NAME = 20
"""Cells that are left for a name, however deep it is."""

FOLDED, CUT = "▸ ", "⋯"

STATES: dict[str, tuple[str, str, Role]] = {
    "PENDING": ("◌", "PENDING", "waiting"),
    "FROZEN": ("◐", "COPYING", "info"),
    DURABLE: ("◆", "DURABLE", "good"),
    "FAILED": ("✖", "FAILED", "bad"),
    "DELETING": ("⌫", "DELETING", "dim"),
}


def state_style(state: str) -> tuple[str, str, Role]:
    """Return sign, word and role of the state of a checkpoint; an unknown one is shown as it is."""
    return STATES.get(state, ("?", clean(state)[:STATE], "waiting"))


def head(width: int) -> list[Piece]:
    """Return the column headings."""
    tree = tree_width(width)
    text = f"  {'NAME':<{tree}} {'STATE':<{STATE}} {'SIZE':>{SIZE}} {'AGE':>{AGE}}  MADE FROM IT"
    return [Piece(fit(text, max(0, width - 1)), "dim")]


def tree_width(width: int) -> int:
    """Return the cells for guides and names in a panel as wide as this."""
    return max(LEAST_NAME, width - STATE - SIZE - AGE - MADE - 9)


def guides(line: TreeLine, room: int) -> str:
    """Return the guides before a node. Of a deep one the outermost levels are cut off."""
    levels = line.guides
    if not levels:
        return ""
    most = max(1, room // 2 - 2)
    shown = levels if len(levels) <= most else levels[len(levels) - most :]
    above = "".join("│ " if more else "  " for more in shown[:-1])
    own = "├ " if shown[-1] else "└ "
    # How deep it is can't be seen any more.
    return (f"{CUT}{len(levels)} " if len(levels) > most else "") + above + own


def line(each: TreeLine, width: int, now: datetime) -> list[Piece]:
    """Return one line, without the sign of the cursor and of a mark."""
    node, tree = each.node, tree_width(width)
    before = guides(each, tree - LEAST_NAME)
    fold = FOLDED if each.is_folded else ""
    room = tree - width_of(before) - width_of(fold) - 2
    sign, state = _sign_and_state(node)
    pieces = [
        Piece(before, "dim"),
        Piece(fold, "key"),
        sign,
        Piece(" "),
        Piece(fit_middle(clean(_name(node)), room), _name_role(node)),
        Piece(" "),
        Piece(fit(state.text, STATE), state.role),
        Piece(" "),
        _size(node),
        Piece(" "),
        _right(age(_created(node), now), AGE),
        Piece("  "),
    ]
    left = max(0, width - sum(width_of(piece.text) for piece in pieces) - 3)
    return [*pieces, *cut(_made(each), left)]


def _name(node: Node) -> str:
    if node.row is not None:
        return node.row.sandbox.name or node.id
    return node.id


def _name_role(node: Node) -> Role:
    if node.is_sandbox:
        return "bright" if node.row is not None else "dim"
    return "text" if node.checkpoint is not None else "dim"


def _sign_and_state(node: Node) -> tuple[Piece, Piece]:
    if node.is_sandbox:
        if node.row is None:
            return Piece("○", "dim"), Piece("deleted", "dim")
        style = status_style(node.row.status)
        return glyph(node.row.status), Piece(style.word, "dim" if style.role == "struck" else style.role)
    if node.checkpoint is None:
        return Piece("◇", "dim"), Piece("deleted", "dim")
    sign, word, role = state_style(node.checkpoint.state)
    return Piece(sign, role), Piece(word, role)


def _size(node: Node) -> Piece:
    if node.checkpoint is None or node.checkpoint.state != DURABLE:
        return Piece(" " * SIZE)
    return Piece(fit(short_size(node.checkpoint.occupied_bytes), SIZE, right=True))


def _created(node: Node) -> datetime | None:
    if node.checkpoint is not None:
        return node.checkpoint.created_at
    return node.row.sandbox.created_at if node.row is not None else None


def _right(piece: Piece, width: int) -> Piece:
    return Piece(fit(piece.text, width, right=True), piece.role)


def _made(each: TreeLine) -> list[Piece]:
    node = each.node
    if node.checkpoint is not None and node.checkpoint.error:
        return [Piece(clean(node.checkpoint.error), "bad")]
    count = len(node.children)
    if not count:
        return []
    noun = "checkpoint" if node.is_sandbox else "sandbox"
    plural = "s" if node.is_sandbox else "es"
    text = f"{count:,} {noun}{plural if count != 1 else ''}"
    more = f" +{each.hidden - count:,}" if each.hidden > count else ""
    return [Piece(text + more, "dim")]


def summary(board: CheckpointBoard) -> list[Piece]:
    """Return the number of checkpoints, their size, and how many are not done."""
    each = board.checkpoints.values()
    if not each:
        return []
    durable = [one for one in each if one.state == DURABLE]
    size = short_size(sum(one.occupied_bytes for one in durable))
    pieces = [Piece(f"◆ {len(durable):,} durable · {size}", "good")]
    if under_way := len(board.pending):
        pieces.append(Piece(f"   ◐ {under_way:,} under way", "info"))
    if broken := sum(one.state == "FAILED" for one in each):
        pieces.append(Piece(f"   ✖ {broken:,} failed", "bad"))
    return pieces


def named(checkpoint: SandboxCheckpoint, sandbox: str, now: datetime) -> str:
    """Return a checkpoint as a question names it."""
    size = f" · {short_size(checkpoint.occupied_bytes)}" if checkpoint.state == DURABLE else ""
    return f"{checkpoint.id} of {sandbox}{size} · {age(checkpoint.created_at, now).text} old"
