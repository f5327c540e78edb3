"""Every feature's stylesheet: read by the app, and about widgets that the feature has."""

import re
from pathlib import Path

import pytest
from textual.screen import Screen

from sandtui.ui import app
from sandtui.ui.app import SandtuiApp
from tests.ui.every_screen import EVERY_SCREEN, opened
from tests.ui.world import World

UI = Path(app.__file__).parent
SHEETS = sorted(UI.rglob("*.tcss"))
PARSED_AT_ONCE = 64
"""Textual keeps the rules of that many stylesheets; with one more it would parse all of them for each new widget."""


def test_the_app_reads_every_stylesheet():
    assert sorted(SandtuiApp.CSS_PATH) == SHEETS


@pytest.mark.parametrize("screen", EVERY_SCREEN, ids=lambda screen: screen.__name__)
def test_no_screen_has_a_stylesheet_that_is_parsed_when_it_opens(screen: type[Screen]):
    assert not screen.CSS
    assert not screen.CSS_PATH


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.stem)
def test_a_stylesheet_is_about_widgets_of_its_own_folder(sheet: Path):
    rules = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
    selectors = re.sub(r"\{.*?\}", "", rules, flags=re.DOTALL)
    named = set(re.findall(r"#([\w-]+)", selectors))
    code = "\n".join(path.read_text() for path in sheet.parent.rglob("*.py"))
    assert {name for name in named if not re.search(rf"(?<![\w-]){name}(?![\w-])", code)} == set()


async def test_the_rules_of_all_stylesheets_are_kept_once_parsed():
    world = World()
    async with world.run_test(size=(120, 36)) as pilot:
        for kind in EVERY_SCREEN:
            await opened(pilot, kind)
            world.services.navigator.go_to_fleet()
        assert len(world.stylesheet.source) < PARSED_AT_ONCE
