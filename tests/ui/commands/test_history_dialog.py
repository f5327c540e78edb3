"""What was looked for comes back to a dialog only while it is open."""

from textual.widgets import OptionList

from sandtui.ui.commands.history_dialog import HistoryDialog
from tests.ui.world import NOW, World, settled, until


async def test_a_search_that_ends_after_the_dialog_was_left_is_dropped(monkeypatch):
    answers, drawn = [], []
    app = World()
    async with app.run_test() as pilot:
        await settled(pilot)
        dialog = HistoryDialog(None, "", NOW, lambda text, where, found: answers.append(found))
        app.push_screen(dialog)
        await until(pilot, lambda: answers)
        monkeypatch.setattr(OptionList, "clear_options", lambda _: drawn.append("options"))
        answers[-1]([])
        assert drawn == ["options"]
        dialog.action_close()
        await until(pilot, lambda: dialog not in app.screen_stack and not dialog.is_running)
        answers[-1]([])
        assert drawn == ["options"]
