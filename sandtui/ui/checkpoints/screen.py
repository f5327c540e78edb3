"""The checkpoint screen: the tree of sandboxes, their checkpoints, and what was made from each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from sandtui.client import SandboxCheckpoint, SandboxClientError
from sandtui.client.models.checkpoints import DURABLE
from sandtui.fleet.checkpoints.board import CheckpointBoard
from sandtui.fleet.checkpoints.sides import Side
from sandtui.fleet.checkpoints.tree import Node, TreeLine, build, lines
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.checkpoints.rendering import head, line, named, summary
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import SandboxesChanged
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Piece, sentence_case
from sandtui.ui.rendering.units import duration, short_size
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_actions import SANDBOX_ACTIONS, RowActions
from sandtui.ui.widgets.row_list import RowList
from sandtui.ui.widgets.row_marks import MARK_ACTIONS, RowMarks

WHAT = "checkpoints"
NAMED = 5
"""Checkpoints that a question names; the others are counted."""

LIST_SECONDS = 30.0
"""Interval between listings while the screen is open: checkpoints are taken elsewhere too."""

MOST_LISTED = 500
"""Of more sandboxes the checkpoints are listed only when the user asks."""

TIP = "newest of a running"
"""In the platform's reason why it keeps the newest checkpoint of a running sandbox."""


class CheckpointsScreen(AppScreen):
    """The tree. ``sandbox_ids`` are shown even without checkpoints; the cursor begins on the first of them."""

    SCOPE = "checkpoints"
    BINDINGS: ClassVar[list[BindingType]] = bindings("checkpoints")
    AUTO_FOCUS = "#checkpoints"

    def __init__(self, services: Services, sandbox_ids: Sequence[str] = ()) -> None:
        super().__init__(services)
        self._wanted = tuple(sandbox_ids)
        self._placed = False
        self._everything = False
        self._folded: set[tuple[bool, str]] = set()
        self.tree_lines: list[TreeLine] = []
        self._keys: list[tuple[bool, str]] = []
        self._roots: list[Node] = []
        self.marks = RowMarks(
            lambda: self.view, lambda: [each.node.key for each in self.tree_lines], self._marks_changed
        )
        self.marks.attach(self)
        self.row_actions = RowActions(services.sandboxes, self._named, "Select a row first", self._current)
        self.row_actions.attach(self, "open_sandbox", "shell", "logs", "files", "exec")

    def compose_body(self) -> Iterable[Widget]:
        yield Input(placeholder="filter: name, id, state, label", compact=True, id="checkpoints-filter")
        with Vertical(id="checkpoints-panel", classes="panel"):
            yield ChromeLine(id="checkpoints-head")
            yield RowList(self._line, id="checkpoints")

    def crumbs(self) -> list[str]:
        return ["Fleet", "Checkpoints"]

    @property
    def board(self) -> CheckpointBoard:
        """The checkpoints."""
        return self.services.platform.need_session().checkpoints

    @property
    def view(self) -> RowList:
        """The view of the tree."""
        return self.query_one(RowList)

    @property
    def filter_field(self) -> Input:
        """The filter."""
        return self.query_one(Input)

    @property
    def node(self) -> Node | None:
        """The node under the cursor."""
        cursor = self.view.cursor
        return self.tree_lines[cursor].node if cursor < len(self.tree_lines) else None

    @property
    def chosen(self) -> list[Node]:
        """What an action is for: the marked nodes, or the one under the cursor."""
        keys = set(self.marks.chosen)
        return [each for each in self._every_node() if each.key in keys]

    @property
    def sandboxes(self) -> Sequence[str]:
        return self._named()

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scope; none while the filter has the focus."""
        return () if self.filter_field.has_focus else (self.SCOPE,)

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        key, board = self.services.key_of, self.board
        left = [*self.marks.status(key("checkpoints.mark"), key("checkpoints.back")), *summary(board)]
        if not board.load_state.is_loaded or board.listed_at is None:
            return left, []
        ago = duration(max(0.0, self.services.clock.monotonic() - board.listed_at))
        return left, [Piece("listing…", "info") if board.is_asking else Piece(f"listed {ago} ago", "dim")]

    def on_mount(self) -> None:
        self.filter_field.display = False
        self.listen(self.board.on_change, self._changed)
        self._draw()
        self.action_reload()

    def on_screen_resume(self) -> None:
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def tick(self) -> None:
        """Update the ages, ask for what is under way, and list all again when that is due."""
        super().tick()
        if self.is_covered or self.services.platform.session is None:
            return
        self.view.refresh()
        board, session = self.board, self.services.platform.need_session()
        if board.pending:
            self.run_flow(board.poll(), "checkpoints-poll")
        due = board.listed_at is not None and self.services.clock.monotonic() - board.listed_at >= LIST_SECONDS
        if due and not board.is_asking and not board.unsupported and len(session.store) <= MOST_LISTED:
            self.action_reload()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        if not self.is_covered:
            self._draw()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        self.update_chrome()

    def on_output_view_cursor_moved(self, _: OutputView.CursorMoved) -> None:
        self.update_chrome()

    def on_output_view_edge_reached(self, message: OutputView.EdgeReached) -> None:
        """Fold the node under the cursor at the left edge, or go to what it hangs on; unfold it at the right one."""
        node = self.node
        if node is None:
            return
        if message.step > 0:
            self._folded.discard(node.key)
        elif node.children and node.key not in self._folded:
            self._folded.add(node.key)
        else:
            self._go_to_parent()
        self._draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.view.focus()

    # What is possible

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if not self.query("#checkpoints") or self.services.platform.session is None:
            return ""
        key = self.services.key_of
        needs_node = action in {"take", "restore", "fork", "compare", "delete", "copy", *SANDBOX_ACTIONS}
        if needs_node and self.node is None:
            if reason := why_not_loaded(self.board.load_state, WHAT, key("checkpoints.reload")):
                return reason
            return self.board.unsupported or f"Nothing here: {key('checkpoints.active')} shows all sandboxes"
        if action in MARK_ACTIONS and not self._keys:
            return "Nothing to mark"
        if action == "fold" and not any(each.node.children for each in self.tree_lines):
            return "Nothing to fold"
        check = {
            "take": self._why_not_take,
            "restore": self._why_not_restore,
            "fork": self._why_not_fork,
            "compare": self._why_not_compare,
            "delete": self._why_not_delete,
        }.get(action)
        if check is not None:
            return check()
        if action in SANDBOX_ACTIONS:
            return self.row_actions.why_not(action)
        return self.marks.why_not(action, key("checkpoints.mark"))

    def _why_not_take(self) -> str:
        if any(each.row is not None and each.row.status == "RUNNING" for each in self._sandbox_nodes()):
            return ""
        return "Not running: only a running sandbox has files to take"

    def _why_not_restore(self) -> str:
        node = self.node
        if node is None or node.is_sandbox:
            return f"Select a checkpoint: {self.services.key_of('checkpoints.take')} takes one of a sandbox"
        return _why_unusable(node)

    def _why_not_fork(self) -> str:
        node = self.node
        if node is None or not node.is_sandbox:
            return self._why_not_restore()
        return self.row_actions.why_not("fork")

    def _why_not_compare(self) -> str:
        sides = self._sides()
        if isinstance(sides, str):
            return sides
        return ""

    def _why_not_delete(self) -> str:
        kinds = {each.is_sandbox for each in self.chosen}
        if len(kinds) > 1:
            return "Both sandboxes and checkpoints are marked: mark only one kind to delete"
        if kinds == {True}:
            return self.row_actions.why_not("delete")
        if not any(each.checkpoint is not None for each in self.chosen):
            return "This checkpoint was deleted already"
        return ""

    # Actions

    def action_reload(self) -> None:
        self.run_flow(self.board.refresh(), "checkpoints")

    def action_take(self) -> None:
        rows = [each.row for each in self._sandbox_nodes() if each.row is not None and each.row.status == "RUNNING"]
        what = rows[0].sandbox.name if len(rows) == 1 else f"each of {len(rows):,} sandboxes"

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self._take(rows)

        text = f"Take a checkpoint of {what}? Its processes stand still while the files are copied."
        self.app.push_screen(AskDialog("Take a checkpoint", text, "Take", danger=False), on_result)

    def _take(self, rows: Sequence[Row]) -> None:
        board, notifier = self.board, self.services.notifier

        async def flow() -> None:
            for row in rows:
                try:
                    begun = await board.take(row.id)
                except SandboxClientError as error:
                    notifier.notify(f"No checkpoint of {row.sandbox.name}: {error}", "error")
                else:
                    if len(rows) == 1 and self.is_open:
                        self._draw()
                        self._go_to((False, begun.id))

        self.run_flow(flow(), "checkpoints-take")

    def action_restore(self) -> None:
        node = self.node
        if node is not None and node.checkpoint is not None:
            self.services.navigator.open_restore(node.checkpoint)

    def action_fork(self) -> None:
        """Fork the marked sandboxes or the current one; of a checkpoint create any number of sandboxes."""
        node = self.node
        if node is not None and node.checkpoint is not None:
            self.services.sandboxes.fork_from(node.checkpoint)
        else:
            self.services.sandboxes.fork([each.id for each in self._sandbox_nodes()])

    def action_compare(self) -> None:
        sides = self._sides()
        if not isinstance(sides, str):
            self.services.navigator.open_comparison(*sides)

    def action_delete(self) -> None:
        chosen = self.chosen
        if all(each.is_sandbox for each in chosen):
            self.row_actions.run("delete")
            return
        found = [each.checkpoint for each in chosen if each.checkpoint is not None]
        found.sort(key=lambda each: (-each.depth, each.id))
        now = self.services.clock.now()
        size = sum(each.occupied_bytes for each in found)
        many = f"{len(found):,} checkpoints, {short_size(size)} together"
        texts = [f"Delete {many}:" if len(found) > 1 else "Delete this checkpoint:"]
        texts += [f"  {named(each, self._name_of(each.sandbox_id), now)}" for each in found[:NAMED]]
        texts += [f"  and {len(found) - NAMED:,} more"] if len(found) > NAMED else []
        made, them = sum(len(each.children) for each in chosen), "them" if len(found) > 1 else "it"
        stay = f" {made:,} sandbox{'es' * (made != 1)} made from {them} stay." if made else ""
        texts.append(f"Nothing can be created from {them} any more.{stay}")

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self._delete(found)

        dialog = AskDialog("Delete checkpoints", "\n".join(texts), f"Delete {len(found)}")
        self.app.push_screen(dialog, on_result)

    def _delete(self, found: Sequence[SandboxCheckpoint]) -> None:
        board, notifier = self.board, self.services.notifier

        async def flow() -> None:
            failures = await board.delete([each.id for each in found])
            if deleted := len(found) - len(failures):
                notifier.notify(f"Deleted {deleted:,} checkpoint{'s' * (deleted != 1)}")
            for checkpoint_id, reason in list(failures.items())[:NAMED]:
                take = self.services.key_of("checkpoints.take")
                advice = f" ({take} takes a newer one; then this one can go)" if TIP in reason else ""
                notifier.notify(f"{checkpoint_id} not deleted: {reason}{advice}", "error")
            if len(failures) > NAMED:
                notifier.notify(f"{len(failures) - NAMED:,} more not deleted", "error")

        # It goes on when the screen closes.
        self.services.work.start(flow(), "checkpoints-delete")

    def action_copy(self) -> None:
        self.services.clipboard.copy(" ".join(each.id for each in self.chosen))

    def action_active(self) -> None:
        self._everything = not self._everything
        self._draw()

    def action_fold(self) -> None:
        """Fold all roots, or unfold everything."""
        foldable = {each.key for each in self._every_node() if each.children}
        self._folded = set() if self._folded & foldable else foldable
        self._draw()

    def action_filter(self) -> None:
        self.filter_field.display = True
        self.filter_field.focus()

    def action_back(self) -> None:
        """Leave the filter, cancel the range, clear the filter, then the marks, then go back."""
        field = self.filter_field
        if field.has_focus:
            self.view.focus()
        elif self.marks.has_range:
            self.marks.undo()
        elif field.value:
            field.value = ""
        elif not self.marks.undo():
            self.app.pop_screen()
        field.display = bool(field.value) or field.has_focus

    # Nodes

    def _every_node(self) -> Iterable[Node]:
        stack = list(self._roots)
        while stack:
            node = stack.pop()
            yield node
            stack += node.children

    def _sandbox_nodes(self) -> list[Node]:
        """Return the chosen sandboxes; of a checkpoint under the cursor the one that it is of."""
        chosen = self.chosen
        if not self.marks.marked and len(chosen) == 1 and not chosen[0].is_sandbox:
            return [each for each in self._every_node() if each.is_sandbox and each.id == chosen[0].sandbox_id]
        return [each for each in chosen if each.is_sandbox]

    def _named(self) -> Sequence[str]:
        return list(dict.fromkeys(each.sandbox_id for each in self.chosen if each.sandbox_id))

    def _current(self) -> Sequence[str]:
        node = self.node
        return [node.sandbox_id] if node is not None and node.sandbox_id else []

    def _name_of(self, sandbox_id: str) -> str:
        row = self.services.platform.need_session().store.get(sandbox_id)
        return row.sandbox.name if row is not None else sandbox_id

    def _sides(self) -> tuple[Side, Side] | str:
        """Return what to compare, the older first, or why nothing can be."""
        mark = self.services.key_of("checkpoints.mark")
        marked = [each for each in self._every_node() if each.key in set(self.marks.marked)]
        if marked and len(marked) != 2:
            return f"{len(marked):,} marked: mark two to compare"
        pair = marked or [each for each in (self._parent_of(self.node), self.node) if each is not None]
        if len(pair) != 2:
            return f"Nothing to compare it with: mark two with {mark}"
        # The files of a sandbox are those of now.
        pair.sort(key=lambda each: (each.is_sandbox, each.created, each.id))
        for each in pair:
            if reason := _why_unreadable(each):
                return reason
        first, second = (self._side(each) for each in pair)
        return first, second

    def _side(self, node: Node) -> Side:
        name = self._name_of(node.sandbox_id)
        return Side(name if node.is_sandbox else f"{name} {node.id}", node.sandbox_id, node.checkpoint)

    def _parent_of(self, node: Node | None) -> Node | None:
        """Return what a node is compared with: a checkpoint with the one before, else with its sandbox."""
        if node is None:
            return None
        above = next((each for each in self._every_node() if node in each.children), None)
        if above is None or node.is_sandbox:
            return above
        place = above.children.index(node)
        return above.children[place - 1] if place else above

    def _go_to_parent(self) -> None:
        cursor = self.view.cursor
        depth = len(self.tree_lines[cursor].guides)
        if (up := next((i for i in range(cursor, -1, -1) if len(self.tree_lines[i].guides) < depth), None)) is not None:
            self.view.go_to(up)

    def _go_to(self, key: tuple[bool, str]) -> None:
        if key in self._keys:
            self.view.go_to(self._keys.index(key))

    # Drawing

    def _line(self, number: int) -> list[Piece]:
        if not self.tree_lines:
            return self._empty()
        if number >= len(self.tree_lines):
            return []
        each = self.tree_lines[number]
        here = number == self.view.cursor
        sign = Piece("▌", "key") if here else Piece(" ")
        return [sign, self.marks.sign(each.node.key), *line(each, self._width, self.services.clock.now())]

    @property
    def _width(self) -> int:
        return self.view.size.width or self.size.width

    def _empty(self) -> list[Piece]:
        key, board = self.services.key_of, self.board
        if unknown := load_pieces(board.load_state, WHAT, key("checkpoints.reload")):
            return unknown
        if board.unsupported:
            return [Piece(" No checkpoints   ", "bright"), Piece(clean(board.unsupported), "dim")]
        if self.filter_field.value:
            return [Piece(" No matches   ", "bright"), Piece(f"{key('checkpoints.back')} clears the filter", "dim")]
        text = f"{key('checkpoints.active')} shows all sandboxes, {key('checkpoints.take')} on one takes a checkpoint"
        return [Piece(" No checkpoints   ", "bright"), Piece(text, "dim")]

    def _marks_changed(self) -> None:
        self.view.refresh()
        self.update_chrome()

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        session = self.services.platform.session
        if not self.is_mounted or session is None or not self.query("#checkpoints"):
            return
        board, view = self.board, self.view
        shown = self._wanted if not board.unsupported else ()
        self._roots = build(session.store.rows, board.checkpoints, shown, everything=self._everything)
        self.tree_lines = lines(self._roots, self._folded, self.filter_field.value.strip())
        self._keys = [each.node.key for each in self.tree_lines]
        view.show_rows(self._keys)
        if not self._placed and self.tree_lines and self._wanted and board.load_state.is_loaded:
            self._placed = True
            self._go_to((True, self._wanted[0]))
        self.query_one("#checkpoints-head", ChromeLine).show(head(self._width), [])
        count = sum(not each.node.is_sandbox for each in self.tree_lines)
        everything = "with all sandboxes" if self._everything else ""
        show_frame(self.query_one("#checkpoints-panel"), sentence_case(f"{WHAT} {count:,}"), everything)
        self.update_chrome()


def _why_unusable(node: Node) -> str:
    if node.checkpoint is None:
        return "This checkpoint was deleted"
    if node.checkpoint.state == DURABLE:
        return ""
    why = f": {clean(node.checkpoint.error)}" if node.checkpoint.error else ""
    return f"The checkpoint is {clean(node.checkpoint.state)}, not {DURABLE}{why}"


def _why_unreadable(node: Node) -> str:
    if not node.is_sandbox:
        return _why_unusable(node)
    if node.row is not None and node.row.status == "RUNNING":
        return ""
    name = clean(node.row.sandbox.name) if node.row is not None else clean(node.id)
    return f"{name} is not running: only a running sandbox can be compared"
