"""Menus and the palette in a window in which no line of them has room."""

import pytest

from tests.ui.world import World, settled


@pytest.mark.parametrize("menu", ["ctrl+p", "question_mark", "v", "Y", "c"])
async def test_pages_of_a_menu_that_has_no_room(menu):
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press(menu)
        await pilot.pause()
        opened = app.screen
        assert opened is not app.front
        for size in ((3, 2), (1, 1), (120, 36)):
            await pilot.resize_terminal(*size)
            await pilot.press("pageup", "pagedown", "pagedown")
            assert app.screen is opened
