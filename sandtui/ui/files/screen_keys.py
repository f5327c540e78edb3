"""What the keys do in the panes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path

from sandtui.fleet.files.entry import Entry
from sandtui.fleet.files.names import FilesError, check_name, is_text, join, parent
from sandtui.fleet.files.pane import UP, Pane
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.files.entries import permissions_text
from sandtui.ui.files.screen_panes import FilePanes
from sandtui.ui.rendering.units import size_text

NAMES_SHOWN = 5
SIDES_SHOWN = 30
NEEDS_ENTRY = frozenset(
    {"mark", "range", "rename", "view", "edit", "yank", "delete", "permissions", "measure", "copy", "copy_as"}
)


class FileKeys(FilePanes):
    """Moving, marking, and small changes; copying is in a part of its own."""

    @property
    def chosen(self) -> list[Entry]:
        """What an action is about: the marked entries, else the one under the cursor."""
        return self.pane.chosen(self.table(self.active).name_at_cursor)

    # Moving

    def action_open(self) -> None:
        """Enter the directory, or look at the file."""
        entry = self.entry
        if entry is None:
            return
        if entry.is_folder:
            self.go(self.active, self.pane.destination(entry))
        else:
            self.action_view()

    def action_up(self) -> None:
        """Go to the directory above."""
        if not self.pane.is_root:
            self.go(self.active, parent(self.pane.path))

    def action_go(self) -> None:
        """Ask for a path and go there."""
        pane, number = self.pane, self.active

        def answered(text: str | None) -> None:
            if text:
                whole = str(Path(text).expanduser()) if pane.side.sandbox_id is None else text
                self.go(number, posixpath.normpath(posixpath.join(pane.path, whole)))

        dialog = ValueDialog(f"Go to a path of {pane.title}", "a path", "/workspace, ../data", _no_nul)
        self.app.push_screen(dialog, answered)

    def action_same(self) -> None:
        """Bring the other pane to the same path."""
        self.go(1 - self.active, self.pane.path)

    def action_reload(self) -> None:
        """List both again."""
        self.reload()

    def action_side(self) -> None:
        """Choose whose files this pane shows."""
        number, session = self.active, self.services.platform.session
        rows = [] if session is None else [row for row in session.store if row.status == "RUNNING"]
        choices = [Choice("local", "l", "this machine")]
        choices += [Choice(row.id, "", row.sandbox.name, row.id) for row in rows[:SIDES_SHOWN]]

        def answered(answer: str | None) -> None:
            if answer:
                self.panes[number] = self.make_pane(None if answer == "local" else answer)
                self.table(number).show([], set())
                self.go(number, self.panes[number].path)

        self.app.push_screen(ChooseDialog("Show the files of", choices), answered)

    def action_bookmarks(self) -> None:
        """Go to a bookmark, or set or take away the one of this directory."""
        pane, number = self.pane, self.active
        known = self.services.bookmarks.of(pane.side.sandbox_id is None)
        here = "Take this bookmark away" if pane.path in known else "Set a bookmark here"
        choices = [Choice("here", "b", here, pane.path)]
        choices += [Choice(f"go {n}", str(n) if n < 10 else "", path) for n, path in enumerate(known, 1)]

        def answered(answer: str | None) -> None:
            if answer == "here":
                self.services.bookmarks.toggle(pane.side.sandbox_id is None, pane.path)
            elif answer:
                self.go(number, known[int(answer.removeprefix("go ")) - 1])

        self.app.push_screen(ChooseDialog("Bookmarks", choices), answered)

    # What is shown

    def action_hidden(self) -> None:
        """Hide or show names with a dot."""
        self._arrange(lambda pane: setattr(pane, "hidden", not pane.hidden))
        listing = self.pane.listing
        if listing is not None and not any(entry.is_hidden for entry in listing.entries):
            # Nothing on the screen tells it here.
            self.services.notifier.notify(
                f"Names that begin with a dot are {'shown' if self.pane.hidden else 'hidden'}; none here."
            )

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._arrange(Pane.next_order)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._arrange(lambda pane: setattr(pane, "descending", not pane.descending))

    def action_filter(self) -> None:
        """Type a filter."""
        # At once: what is typed next is for the field.
        self.set_focus(self.filter_field)

    def _arrange(self, change: Callable[[Pane], object]) -> None:
        change(self.pane)
        self.pane.arrange()
        self.draw_pane(self.active)

    # Marks

    def action_mark(self) -> None:
        """Mark or unmark the entry, or the range, and go to the next line."""
        table, entry = self.table(self.active), self.entry
        if table.has_anchor:
            self.pane.marks |= set(table.range_names) - {UP}
            table.set_anchor(False)
        elif entry is not None and entry.name != UP:
            self.pane.marks ^= {entry.name}
        self.draw_pane(self.active)
        table.action_move(1)

    def action_range(self) -> None:
        """Begin a range here; the second time mark it."""
        table = self.table(self.active)
        if table.has_anchor:
            self.action_mark()
        else:
            table.set_anchor(True)
            self.draw_chrome(self.active)

    def action_mark_all(self) -> None:
        """Mark all that is shown."""
        self.pane.marks |= {row.name for row in self.pane.rows} - {UP}
        self.draw_pane(self.active)

    def action_unmark(self) -> None:
        """Take all marks away."""
        self.pane.marks.clear()
        self.table(self.active).set_anchor(False)
        self.draw_pane(self.active)

    # Small changes

    def action_mkdir(self) -> None:
        """Ask for a name and make a directory."""
        pane, number = self.pane, self.active

        async def make(name: str) -> None:
            if await self._try(pane.side.make_folders([join(pane.path, name)]), "was not made"):
                pane.places[pane.path] = name
                await self._list(number, pane.path, fresh=True)

        def answered(name: str | None) -> None:
            if name:
                self.work(make(name))

        self.app.push_screen(ValueDialog(f"New directory in {pane.path}", "a name", "results", _bad_name), answered)

    def action_rename(self) -> None:
        """Ask for another name."""
        entry, pane, number = self.entry, self.pane, self.active
        if entry is None or entry.name == UP:
            return

        async def rename(name: str) -> None:
            if await self._try(pane.side.rename(join(pane.path, entry.name), name), "was not renamed"):
                pane.places[pane.path] = name
                await self._list(number, pane.path, fresh=True)

        def answered(name: str | None) -> None:
            if name and name != entry.name:
                self.work(rename(name))

        # What can't be typed is not offered for editing: the field would show it raw.
        old = entry.name if is_text(entry.name) and entry.name.isprintable() else ""
        dialog = ValueDialog(f"Rename {clean(entry.name)}", "a name", "results.json", _bad_name, old)
        self.app.push_screen(dialog, answered)

    def action_delete(self) -> None:
        """Ask, and delete."""
        chosen, pane, number = self.chosen, self.pane, self.active
        if not chosen:
            return
        names = ", ".join(clean(entry.name) + ("/" if entry.is_folder else "") for entry in chosen[:NAMES_SHOWN])
        more = f" and {len(chosen) - NAMES_SHOWN:,} more" if len(chosen) > NAMES_SHOWN else ""
        place = f"{clean(pane.title)} {clean(pane.path)}"
        folders = sum(entry.is_folder and not entry.target for entry in chosen)
        inside = " Directories go with all that is in them." if folders else ""

        async def remove() -> None:
            await self._try(pane.side.remove([join(pane.path, entry.name) for entry in chosen]), "was not deleted")
            pane.marks.clear()
            await self._list(number, pane.path, fresh=False)

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.work(remove())

        count = "1 entry" if len(chosen) == 1 else f"{len(chosen):,} entries"
        question = f"{names}{more}\nin {place}.{inside}".replace("\n", " ")
        self.app.push_screen(AskDialog(f"Delete {count}", question, "Delete"), answered)

    def action_permissions(self) -> None:
        """Ask for permissions and set them."""
        chosen, pane, number = self.chosen, self.pane, self.active
        if not chosen:
            return

        async def change(mode: int) -> None:
            paths = [join(pane.path, entry.name) for entry in chosen]
            await self._try(pane.side.set_permissions(paths, mode), "has its old permissions")
            await self._list(number, pane.path, fresh=False)

        def answered(text: str | None) -> None:
            if text:
                self.work(change(int(text, 8)))

        title = f"Permissions, now {permissions_text(chosen[0].mode)}"
        first = f"{chosen[0].permissions:03o}"
        self.app.push_screen(ValueDialog(title, "an octal number", "644, 755", _bad_mode, first), answered)

    def action_measure(self) -> None:
        """Count what is in the chosen directories."""
        pane, number = self.pane, self.active
        folders = [entry for entry in self.chosen if entry.is_folder]

        async def count() -> None:
            for entry in folders:
                try:
                    found = await pane.side.measure(join(pane.path, entry.name))
                except FilesError as error:
                    self.services.notifier.notify(f"The size of {clean(entry.name)} is not known: {error}", "error")
                    continue
                pane.sizes[entry.name] = found.size
                self.services.notifier.notify(
                    f"{clean(entry.name)}/ holds {size_text(found.size)} in {found.files:,} files."
                )
                if self.is_attached:
                    pane.arrange()
                    self.draw_pane(number)
                    self.table(number).redraw()

        if folders:
            self.work(count())

    def action_yank(self) -> None:
        """Copy the path."""
        if (entry := self.entry) is not None:
            self.services.clipboard.copy(self.pane.destination(entry))

    def action_view(self) -> None:
        """Look at the file."""
        raise NotImplementedError

    async def _try(self, work: object, words: str) -> bool:
        try:
            await work  # type: ignore[misc]
        except FilesError as error:
            self.services.notifier.notify(f"{clean(str(error))}: {words}", "error")
            return False
        return True


def _bad_name(text: str) -> str:
    try:
        check_name(text.strip())
    except FilesError as error:
        return str(error)
    return ""


def _bad_mode(text: str) -> str:
    good = 1 <= len(text.strip()) <= 4 and all(c in "01234567" for c in text.strip())
    return "" if good else "three or four digits from 0 to 7, such as 644"


def _no_nul(text: str) -> str:
    return "" if text.strip() and "\0" not in text else "a path is needed"
