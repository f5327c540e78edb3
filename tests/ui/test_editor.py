"""An editor belongs to the screen that asked for it: once that has been left, none opens and nothing comes back."""

import asyncio
from pathlib import Path

import pytest

from sandtui.fleet.files.preview import FileReader
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.files.edit_flow import edit
from tests.ui.world import World, settled, until, wait_a_turn


@pytest.fixture(autouse=True)
def editor(monkeypatch):
    monkeypatch.setenv("EDITOR", "my-editor")


class Editor:
    """Stands for the program that gets the terminal; ``meanwhile`` is what happens while it has it."""

    def __init__(self, monkeypatch, meanwhile):
        self.opened = []
        self._meanwhile = meanwhile
        monkeypatch.setattr("sandtui.ui.services.terminal.run_in_terminal", self._run)

    async def _run(self, app, command):
        self.opened.append(command[0])
        Path(command[-1]).write_text("memory_gb = 8\n")
        await self._meanwhile(app)
        return 0


async def leave(app):
    app.pop_screen()
    while isinstance(app.screen, CreateScreen):
        await asyncio.sleep(0)


async def form(pilot):
    app = await settled(pilot)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.is_open)
    return app


async def over(app):
    """Wait without the pilot, which would wait for answers of widgets that go away meanwhile."""
    while [worker for worker in app.workers if worker.group in {"editor", "edit"}]:
        await wait_a_turn()


async def test_a_form_that_was_left_takes_nothing_from_the_editor(monkeypatch):
    editor = Editor(monkeypatch, leave)
    app = World(fleet=0)
    async with app.run_test() as pilot:
        await form(pilot)
        app.screen.action_edit()
        await over(app)
        assert editor.opened
        assert not isinstance(app.screen, CreateScreen)


async def test_no_editor_opens_for_a_form_that_was_left_at_once(monkeypatch):
    editor = Editor(monkeypatch, leave)
    app = World(fleet=0)
    async with app.run_test() as pilot:
        await form(pilot)
        taken = []
        app.services.terminal.edit_text("text", "name.toml", taken.append)
        await leave(app)
        await over(app)
        assert (editor.opened, taken) == ([], [])


async def test_a_file_is_changed_but_a_screen_that_was_left_hears_nothing(monkeypatch, tmp_path):
    editor = Editor(monkeypatch, leave)
    file = tmp_path / "file"
    file.write_text("before\n")
    app = World(fleet=0)
    async with app.run_test() as pilot:
        await form(pilot)
        told = []
        edit(
            app, app.services, FileReader(app.services.platform.session.client, None, str(file)), lambda: told.append(1)
        )
        await over(app)
        assert editor.opened
        assert (file.read_text(), told) == ("memory_gb = 8\n", [])
