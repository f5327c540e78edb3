"""What holds on every screen of the program."""

import pytest

from sandtui.ui.chrome.screen import AppScreen
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
