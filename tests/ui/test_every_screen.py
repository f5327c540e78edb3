"""What holds on every screen of the program."""

import pytest
from textual.css.stylesheet import Stylesheet

from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.jobs.screen import JobsScreen
from tests.ui.every_screen import EVERY_SCREEN, opened
from tests.ui.world import World, settled, until

SCREENS = pytest.mark.parametrize("kind", EVERY_SCREEN, ids=lambda kind: kind.__name__)


def leaves(base):
    for each in base.__subclasses__():
        if each.__module__.startswith("sandtui."):
            yield from leaves(each)
            if each.SCOPE:
                yield each


def test_no_screen_is_left_out():
    assert {*leaves(AppScreen)} == {*EVERY_SCREEN}


@pytest.mark.parametrize(("width", "fitting"), [(80, "-narrow"), (99, "-narrow"), (100, "-wide"), (120, "-wide")])
async def test_the_styles_of_a_screen_are_those_of_its_width_from_the_beginning(monkeypatch, width, fitting):
    restyled = []
    update = AppScreen.update_classes

    def watched(screen, classes, *more, **options):
        if any(screen.has_class(name) is not wanted for name, wanted in classes.items()):
            restyled.append(type(screen))
        return update(screen, classes, *more, **options)

    monkeypatch.setattr(AppScreen, "update_classes", watched)
    world = World(fleet=3)
    async with world.run_test(size=(width, 30)) as pilot:
        await settled(pilot)
        await opened(pilot, JobsScreen)
        assert world.screen.has_class(fitting)
        assert restyled == []
        await pilot.resize_terminal(60 if width >= 100 else 140, 30)
        await until(pilot, lambda: not world.screen.has_class(fitting))
        assert restyled


async def test_a_screen_that_opens_has_its_widgets_styled_once(monkeypatch):
    again = []
    update = Stylesheet.update_nodes

    def watched(sheet, nodes, *more, **options):
        nodes = list(nodes)
        again.append(len(nodes))
        return update(sheet, nodes, *more, **options)

    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        monkeypatch.setattr(Stylesheet, "update_nodes", watched)
        await opened(pilot, CreateScreen)
        await pilot.pause()
        assert world.screen.query_one("#form").has_class("-active")
        assert world.screen.query_one("#form").styles.border_title_style.bold
        assert len([*world.screen.walk_children()]) > 40
        assert max(again) < 3, "a field whose text is checked, and no whole panel or screen"
