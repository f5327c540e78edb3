"""What the keys do on the fleet: moving on, marks, order."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import Input

from sandtui.fleet.inventory.bulk_plan import DELETE, MEASURE, RUN
from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.query.use import is_unmeasured
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.view import FleetView
from sandtui.ui.inventory.copying import choose_copy, open_web_page
from sandtui.ui.inventory.screen_target import FleetTarget

MOST_SHELLS = 12


class FleetKeys(FleetTarget):
    """The actions of the fleet screen; the screen itself lays out and draws."""

    def show_rows(self, *, by_user: bool = False) -> None:
        """Draw the rows of the view as they are now."""
        raise NotImplementedError

    def ask_soon(self) -> None:
        """Ask the platform for what the filter names, once nobody types any more."""
        raise NotImplementedError

    def filter_by(self, text: str) -> None:
        """Show what matches."""
        raise NotImplementedError

    def show_marks(self) -> None:
        """Draw the marks as they are now."""
        raise NotImplementedError

    # One sandbox

    def action_open(self) -> None:
        """Show everything about the sandbox, or open and close the group."""
        line = self.table.cursor_line
        if isinstance(line, Group) and self._view is not None:
            self._view.toggle_group(line.id)
            self.show_rows(by_user=True)
        elif line is not None:
            self.services.navigator.open_detail(line.id)

    def action_exec(self) -> None:
        """Open the console of the sandbox, or the command line for all that are marked."""
        marked = self._view.marked if self._view is not None else []
        running = [row for row in marked if row.status == "RUNNING"]
        if len(running) > 1:
            if len(running) < len(marked):
                self.services.notifier.notify(
                    f"{len(marked) - len(running):,} of the marked do not run and are left out."
                )
            self.services.navigator.open_fan_out(running)
        elif marked and not running:
            self.services.notifier.refuse(self.services.bulk.why_none(RUN, marked), "exec")
        elif running:
            self.services.navigator.open_console(running[0].id)
        elif (row := self.target) is not None:
            self.services.navigator.open_console(row.id)

    def action_fan_outs(self) -> None:
        """Show the command that last ran on many."""
        self.services.navigator.open_latest_fan_out()

    def action_shell(self) -> None:
        """Open a shell."""
        rows = self._view.marked if self._view is not None and self._view.marks else [self.target]
        if len(rows) > MOST_SHELLS:
            self.services.notifier.notify(
                f"{len(rows):,} are marked: shells are opened in {MOST_SHELLS} at most.", "warning"
            )
        else:
            self.services.navigator.open_shells([row.id for row in rows if row is not None])

    def action_whole_shell(self) -> None:
        """Hand the terminal to a shell."""
        if (row := self.target) is not None:
            self.services.navigator.attach_shell(row.id)

    def action_recordings(self) -> None:
        """Show what was recorded."""
        self.services.navigator.open_recordings()

    def action_files(self) -> None:
        """Browse the files of the sandbox, or of all that are marked."""
        marked = self._view.marked if self._view is not None else []
        rows = marked or ([self.target] if self.target is not None else [])
        running = [row.id for row in rows if row.status == "RUNNING"]
        if running:
            self.services.navigator.open_files(running)
        else:
            why = self.services.bulk.why_none(RUN, rows) + " " if marked else ""
            self.services.notifier.refuse(f"{why}Files can be seen in a running sandbox: choose one first.", "files")

    def action_ports(self) -> None:
        """Show the exposed ports."""
        row = self.target
        marks = [*self._view.marks] if self._view is not None else []
        self.services.navigator.open_ports(row.id if row is not None else None, marks)

    def action_jobs(self) -> None:
        """Show the background jobs; a new one is for the marked, or for this one."""
        row, marks = self.target, self._view.marks if self._view is not None else ()
        self.services.navigator.open_jobs([*marks] or ([row.id] if row is not None else []))

    def action_logs(self) -> None:
        """Read the log, or those of the marked side by side."""
        if self._view is not None and self._view.marks:
            self.services.navigator.open_logs([row.id for row in self._view.marked])
        elif (row := self.target) is not None:
            self.services.navigator.open_log(row.id)

    def action_new(self) -> None:
        """Open the create form."""
        self.services.navigator.open_create()

    def action_clone(self) -> None:
        """Open the create form with the fields of this sandbox."""
        if (row := self.target) is not None:
            self.services.navigator.open_create(row.sandbox)

    def action_copy(self) -> None:
        """Copy the id."""
        if (row := self.target) is not None:
            self.services.clipboard.copy(row.id)

    def action_copy_more(self) -> None:
        """Choose what to copy."""
        if (row := self.target) is not None:
            choose_copy(self.app, self.services, row)

    def action_web(self) -> None:
        """Open the platform's web page."""
        if (row := self.target) is not None:
            open_web_page(self.services, row.id)

    # Marks

    def action_mark(self) -> None:
        """Mark the sandbox, the range or the group, and go to the next line."""
        view, line = self._view, self.table.cursor_line
        if view is None or line is None:
            return
        ranged = self.table.range_ids
        if ranged:
            view.mark(ranged)
            self.table.set_anchor(False)
        elif isinstance(line, Group):
            self._toggle_group_marks(view, line)
        else:
            view.toggle_mark(line.id)
        self.table.action_move(1)
        self.show_marks()

    def action_range(self) -> None:
        """Begin a range here; the second time mark it."""
        if self.table.range_ids:
            self.action_mark()
        else:
            self.table.set_anchor(True)
            self.show_marks()

    def action_mark_all(self) -> None:
        """Mark all that the filter shows."""
        if self._view is not None:
            self._view.mark_all()
            self.show_marks()

    def action_invert(self) -> None:
        """Mark what is not marked, of what the filter shows, and unmark the rest of it."""
        if self._view is not None:
            self._view.invert_marks()
            self.show_marks()

    def action_unmark(self) -> None:
        """Take all marks away."""
        if self._view is not None:
            self._view.unmark_all()
            self.table.set_anchor(False)
            self.show_marks()

    # Many

    def chosen_rows(self) -> Sequence[Row]:
        """Return the marked rows, or the one under the cursor when the user has put the cursor there."""
        if self._view is None:
            return []
        if self._view.marks:
            return self._view.marked
        row = self.target
        if row is not None and not self.table.armed:
            self.services.notifier.refuse("The list moved under the cursor: choose the sandbox again.", "delete")
            return []
        return [row] if row is not None else []

    def action_delete(self) -> None:
        """Ask, and delete the marked sandboxes or this one."""
        rows = self.chosen_rows()
        if rows:
            self.services.bulk.ask(DELETE, rows, self._hidden_marks())

    def action_many(self) -> None:
        """Choose what to do to the marked sandboxes, or to all that the filter shows."""
        view = self._view
        if view is None or not view.store.rows:
            return
        if view.marks:
            self.services.bulk.choose(view.marked, self._hidden_marks(), "Marked sandboxes")
        elif view.count:
            what = f"All that match {view.query.text}" if view.query else "All sandboxes"
            # Only a filter of labels alone names what the platform would delete by them.
            labels = view.query.labels if len(view.query.labels) == len(view.query.term.terms) else ()
            self.services.bulk.choose(view.rows, 0, what, labels)

    def action_measure(self) -> None:
        """Measure what the marked sandboxes use, or what the filter can't be answered for, or all that it shows."""
        view = self._view
        if view is None:
            return
        if view.marks:
            self.services.bulk.ask(MEASURE, view.marked, self._hidden_marks())
        else:
            rows = [row for row in view.measurable if is_unmeasured(row) or not view.unmeasured]
            self.services.bulk.ask(MEASURE, rows, shown={row.id for row in view.rows})

    def mark(self, sandbox_ids: Sequence[str]) -> None:
        """Mark these sandboxes and no others."""
        if self._view is not None:
            self._view.unmark_all()
            self._view.mark(sandbox_id for sandbox_id in sandbox_ids if sandbox_id in self._view.store)
            self.show_marks()

    def _hidden_marks(self) -> int:
        return self._view.marks_hidden if self._view is not None and self._view.marks else 0

    # The list

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter", Input).focus()

    def leave_filter(self) -> None:
        """Go back to the list, which is the one that was asked for: what the cursor is on counts as chosen."""
        self.table.arm()
        self.table.focus()

    def action_sort(self) -> None:
        """Take the next order."""
        if self._view is not None:
            self._view.sort_by_next()
            self.show_rows(by_user=True)

    def action_reverse(self) -> None:
        """Turn the order round."""
        if self._view is not None:
            self._view.reverse()
            self.show_rows(by_user=True)

    def action_active(self) -> None:
        """Hide or show what has ended."""
        if self._view is not None:
            self._view.active_only = not self._view.active_only
            self.show_rows(by_user=True)

    def action_inspector(self) -> None:
        """Hide or show the panel beside the list."""
        self._inspector = not self._inspector
        self.set_class(not self._inspector, "-no-inspector")

    def action_back(self) -> None:
        """Undo one step: leave the field, end the range, clear the filter, take the marks away."""
        field = self.query_one("#filter", Input)
        if field.has_focus:
            self.leave_filter()
        elif self.table.range_ids:
            self.table.set_anchor(False)
            self.show_marks()
        elif field.value:
            field.value = ""
        elif self._view is not None and self._view.marks:
            self.action_unmark()

    @staticmethod
    def _toggle_group_marks(view: FleetView, group: Group) -> None:
        inside = {row.id for row in group.rows}
        if inside <= view.marks:
            view.marks -= inside
        else:
            view.mark(inside)
