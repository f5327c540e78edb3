"""How the fleet is looked at: views, groups, columns, and what of that is remembered."""

from __future__ import annotations

from textual.widgets import Input

from sandtui.fleet.inventory.groups import grouping, groupings
from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.saved_views import (
    BUILT_IN,
    EVERYTHING_KEY,
    REMOVE_KEY,
    SAVE_KEY,
    SavedView,
    check_key,
)
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.inventory.columns import SHOWN_FIRST
from sandtui.ui.inventory.columns_dialog import Answer, ColumnsDialog
from sandtui.ui.inventory.screen_keys import FleetKeys
from sandtui.ui.inventory.table import FleetTable

NO_GROUPS = "none"
FORGOTTEN = "f"


class FleetLooks(FleetKeys):
    """The actions that change what is shown and not what there is."""

    @property
    def preferences(self) -> Preferences:
        """What is remembered."""
        return self.services.preferences

    def apply_preferences(self) -> None:
        """Show the list as it was left."""
        chosen = self.preferences
        self.table.set_columns(chosen.columns or SHOWN_FIRST, chosen.widths)
        self._inspector = chosen.inspector
        self.set_class(not chosen.inspector, "-no-inspector")
        view = self._view
        if view is not None:
            if view.order.id != chosen.sort:
                view.sort_by(chosen.sort)
            if view.descending != chosen.descending:
                view.reverse()
            if view.active_only != chosen.active_only:
                view.active_only = chosen.active_only
                self.ask_soon()

    def remember(self) -> None:
        """Keep the order and what is hidden for the next time."""
        chosen, view = self.preferences, self._view
        chosen.inspector = self._inspector
        if view is not None:
            chosen.sort, chosen.descending, chosen.active_only = view.order.id, view.descending, view.active_only
        self.services.save_preferences()

    # Views

    def action_views(self) -> None:
        """Choose a view by its letter, or save this one."""
        saved = self.preferences.views
        choices = [Choice(EVERYTHING_KEY, EVERYTHING_KEY, "everything", "no filter, newest first")]
        choices += [Choice(view.key, view.key, view.name, view.words or view.query) for view in (*BUILT_IN, *saved)]
        note = f"{SAVE_KEY} saves the filter, order and groups of now · {REMOVE_KEY} forgets a saved one"

        def chosen(key: str | None) -> None:
            if key == SAVE_KEY:
                self._ask_letter()
            elif key == REMOVE_KEY:
                self._ask_which_to_forget()
            elif key:
                self.show_view(key)

        dialog = ChooseDialog("Views", choices, note, extra=((SAVE_KEY, SAVE_KEY), (REMOVE_KEY, REMOVE_KEY)))
        self.app.push_screen(dialog, chosen)

    def show_view(self, key: str) -> None:
        """Show a view by its letter."""
        view = next((each for each in (*BUILT_IN, *self.preferences.views) if each.key == key), None)
        wanted = view or SavedView(EVERYTHING_KEY, "everything", "")
        if key == FORGOTTEN:
            self.services.platform.learn_exposures()
        if self._view is not None:
            if self._view.order.id != wanted.sort:
                self._view.sort_by(wanted.sort)
            if self._view.descending != wanted.descending:
                self._view.reverse()
            self._view.group_by(grouping(wanted.group))
            if self._view.active_only:
                # A view shows all that its words name: with ended ones hidden, "broken" would be empty.
                self._view.active_only = False
                self.ask_soon()
                self.remember()
        field = self.query_one("#filter", Input)
        field.value = wanted.query
        # At once, not when the field tells: what follows is about the rows of the view.
        self.filter_by(wanted.query)
        self.leave_filter()
        # What the cursor was on may be anywhere in the other list, or nowhere.
        self.table.action_first()

    def _ask_letter(self) -> None:
        def answered(text: str | None) -> None:
            view = self._view
            if not text or view is None:
                return
            key, _, name = text.partition(" ")
            group = view.grouping.id if view.grouping is not None else ""
            saved = SavedView(
                key, name.strip() or view.query.text, view.query.text, view.order.id, view.descending, group
            )
            self.preferences.keep_view(saved)
            self.services.save_preferences()
            self.services.notifier.notify(f"Saved: {self.services.key_of('fleet.views')} {key} shows {saved.name}.")

        def check(text: str) -> str:
            return check_key(text.strip().partition(" ")[0])

        self.app.push_screen(ValueDialog("Save this view", "a letter, then a name", "g busy ones", check), answered)

    def _ask_which_to_forget(self) -> None:
        saved = self.preferences.views
        if not saved:
            self.services.notifier.refuse("There is no saved view to forget.", "views")
            return

        def answered(key: str | None) -> None:
            if key and self.preferences.drop_view(key):
                self.services.save_preferences()

        choices = [Choice(view.key, view.key, view.name, view.query) for view in saved]
        self.app.push_screen(ChooseDialog("Forget a view", choices), answered)

    # Groups

    def action_group(self) -> None:
        """Choose what rows are put together by."""
        view = self._view
        if view is None:
            return
        letters = "123456789"
        options = groupings(view.store.totals.labels)
        choices = [Choice(NO_GROUPS, "0", "no groups")]
        choices += [Choice(each.id, key, each.title) for key, each in zip(letters, options, strict=False)]
        choices += [Choice(each.id, "", each.title) for each in options[len(letters) :]]

        def chosen(group_id: str | None) -> None:
            if group_id:
                view.group_by(grouping(group_id))
                self.show_rows(by_user=True)
                self._show_first_group()

        self.app.push_screen(ChooseDialog("Group by", choices), chosen)

    def _show_first_group(self) -> None:
        """Begin at the top after grouping: beside the cursor's row the first heads would lie above the window."""
        if self._view is not None and self._view.grouping is not None:
            self.table.action_first()

    def action_fold(self) -> None:
        """Close all groups, or open them."""
        if self._view is not None and self._view.grouping is not None:
            self._view.toggle_all_groups()
            self.show_rows(by_user=True)

    # Columns and order

    def action_columns(self) -> None:
        """Choose the columns."""
        chosen = self.preferences

        def answered(answer: Answer | None) -> None:
            if answer is not None:
                chosen.columns, chosen.widths = answer
                self.table.set_columns(chosen.columns, chosen.widths)
                self.services.save_preferences()

        self.app.push_screen(ColumnsDialog(chosen.columns, chosen.widths), answered)

    def on_columns_view_column_resized(self, message: FleetTable.ColumnResized) -> None:
        """Keep the width that was pulled with the mouse."""
        chosen = self.preferences
        chosen.widths[message.column_id] = message.width
        self.table.set_columns(chosen.columns or SHOWN_FIRST, chosen.widths)
        self.services.save_preferences()

    def on_columns_view_sort_chosen(self, message: FleetTable.SortChosen) -> None:
        """Sort by the column whose head was clicked."""
        if self._view is not None:
            self._view.sort_by(message.column_id)
            self.remember()
            self.show_rows(by_user=True)

    def action_sort(self) -> None:
        """Take the next order."""
        super().action_sort()
        self.remember()

    def action_reverse(self) -> None:
        """Turn the order round."""
        super().action_reverse()
        self.remember()

    def action_active(self) -> None:
        """Hide or show what has ended."""
        super().action_active()
        self.ask_soon()
        self.remember()

    def action_inspector(self) -> None:
        """Hide or show the panel beside the list."""
        super().action_inspector()
        self.remember()
