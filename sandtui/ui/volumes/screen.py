"""The volumes screen: volumes, who has them, and publishing the copy of a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from sandtui.client import SandboxClientError, Volume
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.text.sanitize import clean
from sandtui.fleet.volumes.board import VolumeBoard
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.key_bindings import bindings
from sandtui.ui.messages import SandboxesChanged
from sandtui.ui.rendering.loading import load_pieces, why_not_loaded
from sandtui.ui.rendering.text import Piece, sentence_case
from sandtui.ui.rendering.units import duration, short_size
from sandtui.ui.services.bundle import Services
from sandtui.ui.volumes.rendering import Columns, columns, head, line, summary
from sandtui.ui.widgets.panel import show_frame
from sandtui.ui.widgets.row_list import RowList
from sandtui.ui.widgets.row_marks import MARK_ACTIONS, RowMarks

WHAT = "volumes"
NONE_HERE = "This platform has no volumes"
NAMED = 5
"""Volumes that a question names, and failures that are told; the others are counted."""

LIST_SECONDS = 30.0
"""Interval between listings while the screen is open: volumes are published elsewhere too."""

UNDER_WAY = "being published"
"""In the platform's reason why it does not publish a volume twice at once: to insist does not help."""


class VolumesScreen(AppScreen):
    """Lists volumes. ``sandbox_ids`` are the sandboxes that one comes from: they are offered first to publish from."""

    SCOPE = "volumes"
    BINDINGS: ClassVar[list[BindingType]] = bindings("volumes")
    AUTO_FOCUS = "#volumes"

    def __init__(self, services: Services, sandbox_ids: Sequence[str] = ()) -> None:
        super().__init__(services)
        self._wanted = tuple(sandbox_ids)
        self._volumes: list[Volume] = []
        self._users: dict[str, list[Row]] = {}
        self._is_told = False
        """Whether the platform tells which sandboxes have which volumes."""
        self.marks = RowMarks(lambda: self.view, lambda: [each.id for each in self._volumes], self._marks_changed)
        self.marks.attach(self)

    def compose_body(self) -> Iterable[Widget]:
        with Vertical(id="volumes-panel", classes="panel"):
            yield ChromeLine(id="volumes-head")
            yield RowList(self._line, id="volumes")

    def crumbs(self) -> list[str]:
        return ["Fleet", "Volumes"]

    @property
    def board(self) -> VolumeBoard:
        """The volumes."""
        return self.services.platform.need_session().volumes

    @property
    def view(self) -> RowList:
        """The view of the list."""
        return self.query_one(RowList)

    @property
    def volume(self) -> Volume | None:
        """The volume under the cursor."""
        cursor = self.view.cursor
        return self._volumes[cursor] if cursor < len(self._volumes) else None

    @property
    def chosen(self) -> list[Volume]:
        """What an action is for: the marked volumes, or the one under the cursor."""
        keys = set(self.marks.chosen)
        return [each for each in self._volumes if each.id in keys]

    @property
    def sandboxes(self) -> Sequence[str]:
        return self._wanted

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        key, board = self.services.key_of, self.board
        left = [*self.marks.status(key("volumes.mark"), key("volumes.back")), *summary(board)]
        if board.problem:
            return left, [Piece(f"▲ not refreshed: {clean(board.problem)}", "busy")]
        if not board.load_state.is_loaded or board.listed_at is None:
            return left, []
        ago = duration(max(0.0, self.services.clock.monotonic() - board.listed_at))
        return left, [Piece("listing…", "info") if board.is_asking else Piece(f"listed {ago} ago", "dim")]

    def on_mount(self) -> None:
        self.listen(self.board.on_change, self._changed)
        self._draw()
        self.action_reload()

    def on_screen_resume(self) -> None:
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self._draw)

    def tick(self) -> None:
        """Update the ages, and list all again when that is due."""
        super().tick()
        if self.is_covered or self.services.platform.session is None:
            return
        self.view.refresh()
        board = self.board
        due = board.listed_at is not None and self.services.clock.monotonic() - board.listed_at >= LIST_SECONDS
        if due and not board.unsupported:
            self.action_reload()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        if not self.is_covered:
            self._draw()

    def on_row_list_moved(self, _: RowList.Moved) -> None:
        self.update_chrome()

    # What is possible

    def why_not(self, action: str) -> str:
        """Return why an action is not available, or an empty text."""
        if not self.query("#volumes") or self.services.platform.session is None:
            return ""
        key, board = self.services.key_of, self.board
        if action in {"new", "delete", "publish", "copy"} and board.unsupported:
            return f"{NONE_HERE}: {clean(board.unsupported)}"
        if action in {"delete", "publish", "copy"} and self.volume is None:
            unknown = why_not_loaded(board.load_state, WHAT, key("volumes.reload"))
            return unknown or f"No volumes: {key('volumes.new')} creates one"
        if action in MARK_ACTIONS and not self._volumes:
            return "Nothing to mark"
        if action == "publish":
            return self._why_not_publish()
        return self.marks.why_not(action, key("volumes.mark"))

    def _why_not_publish(self) -> str:
        volume = self.volume
        if volume is not None and volume.name in self.board.publishing:
            return f"{clean(volume.name)} is being published"
        if volume is not None and next(self._publishers(volume), None) is not None:
            return ""
        new = self.services.key_of("fleet.new")
        return f"No running sandbox has this volume to write: {new} in the fleet creates one"

    # Actions

    def action_reload(self) -> None:
        self.run_flow(self.board.refresh(), "volumes")

    def action_new(self) -> None:
        known = {each.name for each in self._volumes}

        def check(text: str) -> str:
            name = text.strip()
            if not name:
                return "a name is required"
            return f"{name} already exists: choose another name" if name in known else ""

        def on_result(name: str | None) -> None:
            if name:
                self.services.work.start(self._create(name), "volumes-change")

        self.app.push_screen(ValueDialog("New volume", "name", "data", check), on_result)

    async def _create(self, name: str) -> None:
        try:
            made = await self.board.create(name)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Volume {name} not created: {error}", "error")
            return
        self.services.notifier.notify(f"Created volume {name}: attach it in the create form with {name}:/PATH")
        if self.is_open:
            self._draw()
            self._go_to(made.id)

    def action_delete(self) -> None:
        chosen = self.chosen
        size = short_size(sum(each.occupied_bytes for each in chosen))
        many = (
            f"{len(chosen):,} volumes and their data, {size} together"
            if len(chosen) > 1
            else "this volume and its data"
        )
        texts = [f"Delete {many}:"]
        texts += [f"  {each.name} · {short_size(each.occupied_bytes)}{self._attached(each)}" for each in chosen[:NAMED]]
        texts += [f"  and {len(chosen) - NAMED:,} more"] if len(chosen) > NAMED else []
        texts.append("This can't be undone.")

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                # It goes on when the screen closes.
                self.services.work.start(self._delete(chosen), "volumes-change")

        self.app.push_screen(AskDialog("Delete volumes", "\n".join(texts), f"Delete {len(chosen)}"), on_result)

    async def _delete(self, chosen: Sequence[Volume]) -> None:
        notifier = self.services.notifier
        failures = await self.board.delete(chosen)
        if deleted := len(chosen) - len(failures):
            notifier.notify(f"Deleted {deleted:,} volume{'s' * (deleted != 1)}")
        for name, reason in list(failures.items())[:NAMED]:
            notifier.notify(f"Volume {name} not deleted: {reason}", "error")
        if len(failures) > NAMED:
            notifier.notify(f"{len(failures) - NAMED:,} more not deleted", "error")

    def action_publish(self) -> None:
        volume = self.volume
        if volume is None:
            return
        offered = sorted(self._publishers(volume), key=lambda row: (row.id not in self._wanted, -row.created, row.id))

        def find(text: str) -> list[Row]:
            word = text.strip()
            return [row for row in offered if word == row.id] or [row for row in offered if word == row.sandbox.name]

        def check(text: str) -> str:
            found = find(text)
            if not text.strip():
                return "name the sandbox whose copy becomes the newest version"
            if not found:
                return "no running sandbox of this name or id has the volume writable"
            return f"{len(found)} sandboxes have this name: give the id" if len(found) > 1 else ""

        def choices(word: str) -> list[str]:
            names = list(dict.fromkeys(each.sandbox.name or each.id for each in offered))
            # From one that is complete the arrow keys go to all others.
            return names if word in names else [name for name in names if word.lower() in name.lower()]

        def on_result(text: str | None) -> None:
            if text:
                (source,) = find(text)
                self.services.work.start(self._publish(source, volume), "volumes-change")

        first = offered[0]
        is_unique = sum(each.sandbox.name == first.sandbox.name for each in offered) == 1
        value = first.sandbox.name if is_unique and first.sandbox.name else first.id
        dialog = ValueDialog(f"Publish {volume.name} from", "sandbox", "writer", check, value, choices)
        self.app.push_screen(dialog, on_result)

    async def _publish(self, source: Row, volume: Volume, *, force: bool = False) -> None:
        notifier, name = self.services.notifier, volume.name
        try:
            await self.board.publish(source.id, volume, force=force)
        except SandboxClientError as error:
            if error.status_code == 409 and UNDER_WAY in str(error):
                key = self.services.key_of("volumes.publish")
                notifier.notify(f"Volume {name} not published: {error} ({key} again when that is over)", "error")
            elif error.status_code == 409 and not force and self.is_open:
                self._ask_to_replace(source, volume, str(error))
            else:
                notifier.notify(f"Volume {name} not published: {error}", "error")
        else:
            notifier.notify(f"Published {name} of {source.sandbox.name or source.id}: new sandboxes get this version")

    def _ask_to_replace(self, source: Row, volume: Volume, reason: str) -> None:
        """Tell of a conflict, and what can be done."""
        text = (
            f"{reason}\n\n"
            f"Someone has published {volume.name} since {source.sandbox.name or source.id} was created. Replacing it"
            " loses what they have changed. To keep both, create a sandbox with the newest version, copy your changes"
            " there, and publish that one."
        )

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                self.services.work.start(self._publish(source, volume, force=True), "volumes-change")

        self.app.push_screen(AskDialog("Newer version published", text, "Replace"), on_result)

    def action_copy(self) -> None:
        self.services.clipboard.copy(" ".join(each.name for each in self.chosen))

    def action_back(self) -> None:
        """Cancel the range, or clear the marks, or go back."""
        if not self.marks.undo():
            self.app.pop_screen()

    # Sandboxes

    def _publishers(self, volume: Volume) -> Iterator[Row]:
        """Yield the running sandboxes that may have the volume to write: all where the platform does not tell."""
        store = self.services.platform.need_session().store
        rows = self._users.get(volume.id, ()) if self._is_told else store
        return (row for row in rows if row.status == "RUNNING" and not _is_read_only(row, volume))

    def _attached(self, volume: Volume) -> str:
        users = self._users.get(volume.id, [])
        return f" · attached to {len(users):,} sandbox{'es' * (len(users) != 1)}" if users else ""

    def _find_users(self) -> dict[str, list[Row]]:
        """Return the sandboxes that have each volume, where the platform tells; the newest first."""
        by_name = {(each.name, each.team_id): each.id for each in self._volumes}
        users: dict[str, list[Row]] = {}
        self._is_told = False
        for row in self.services.platform.need_session().store:
            self._is_told = self._is_told or "volumes" in row.sandbox.model_fields_set
            for each in row.sandbox.volumes or ():
                volume_id = by_name.get((each.name, row.sandbox.team_id))
                if volume_id is not None and not row.sandbox.is_finished:
                    users.setdefault(volume_id, []).append(row)
        for rows in users.values():
            rows.sort(key=lambda row: (-row.created, row.id))
        return users

    # Drawing

    def _go_to(self, volume_id: str) -> None:
        ids = [each.id for each in self._volumes]
        if volume_id in ids:
            self.view.go_to(ids.index(volume_id))

    def _line(self, number: int) -> list[Piece]:
        if not self._volumes:
            return self._empty(number)
        if number >= len(self._volumes):
            return []
        each = self._volumes[number]
        here = number == self.view.cursor
        sign = Piece("▌", "key") if here else Piece(" ")
        users, is_publishing = self._users.get(each.id, ()), each.name in self.board.publishing
        now = self.services.clock.now()
        return [sign, self.marks.sign(each.id), *line(each, users, self._columns, now, is_publishing=is_publishing)]

    @property
    def _columns(self) -> Columns:
        return columns((each.name for each in self._volumes), self.view.size.width or self.size.width)

    def _empty(self, number: int) -> list[Piece]:
        key, board = self.services.key_of, self.board
        if unknown := load_pieces(board.load_state, WHAT, key("volumes.reload")):
            return unknown if number == 0 else []
        if board.unsupported:
            return [Piece(f" {NONE_HERE}", "bright")] if number == 0 else [Piece(f" {clean(board.unsupported)}", "dim")]
        text = f"{key('volumes.new')} creates one, for data that outlives sandboxes"
        return [Piece(" No volumes   ", "bright"), Piece(text, "dim")] if number == 0 else []

    def _marks_changed(self) -> None:
        self.view.refresh()
        self.update_chrome()

    def _changed(self) -> None:
        self.call_later(self._draw)

    def _draw(self) -> None:
        if not self.is_mounted or self.services.platform.session is None or not self.query("#volumes"):
            return
        board = self.board
        self._volumes = [] if board.unsupported else board.volumes
        self._users = self._find_users()
        ids = [each.id for each in self._volumes]
        self.marks.forget(lambda key: key not in ids)
        self.view.show_rows(ids, lines=2 if board.unsupported else None)
        self.query_one("#volumes-head", ChromeLine).show(head(self._columns) if ids else [], [])
        show_frame(self.query_one("#volumes-panel"), sentence_case(f"{WHAT} {len(ids):,}") if ids else "Volumes")
        self.update_chrome()


def _is_read_only(row: Row, volume: Volume) -> bool:
    return any(each.name == volume.name and each.read_only for each in row.sandbox.volumes or ())
