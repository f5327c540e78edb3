"""What holds on every screen of the program."""

import pytest

from sandtui.ui.chrome.screen import AppScreen
from tests.ui.every_screen import EVERY_SCREEN

SCREENS = pytest.mark.parametrize("kind", EVERY_SCREEN, ids=lambda kind: kind.__name__)


def leaves(base):
    for each in base.__subclasses__():
        if each.__module__.startswith("sandtui."):
            yield from leaves(each)
            if each.SCOPE:
                yield each


def test_no_screen_is_left_out():
    assert {*leaves(AppScreen)} == {*EVERY_SCREEN}
