"""Our themes: contrast by WCAG, what is chosen is remembered, what moves."""

import itertools
import re
from pathlib import Path

import pytest
from textual.color import Color

import sandtui.ui
from sandtui.config.settings import read_settings
from sandtui.ui.activity.screen import ActivityScreen
from sandtui.ui.inventory.columns import COLUMNS_BY_ID
from sandtui.ui.inventory.table import FleetTable
from sandtui.ui.rendering.status import STATUS_STYLES
from sandtui.ui.theme.themes import DARK, LIGHT, SIXTEEN, THEMES, animation_level, first_theme
from sandtui.ui.widgets.output_view import OutputView
from tests.ui.world import World, settled, until

AA = 4.5
UNDER_THE_CURSOR = 0.15
INKS = ("text-muted", "text-success", "text-warning", "text-error", "text-accent", "text-primary")
GROUNDS = ("background", "surface", "panel")


def luminance(color):
    def linear(part):
        return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(part / 255) for part in color.rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(Color.parse(one)), luminance(Color.parse(other))))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(("ink", "ground"), itertools.product(("foreground", *INKS), GROUNDS))
def test_every_ink_can_be_read_on_every_ground(theme, ink, ground):
    color = getattr(theme, ink) if ink == "foreground" else theme.variables[ink]
    assert contrast(color, getattr(theme, ground)) >= AA


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("ink", INKS)
def test_every_ink_can_be_read_under_the_cursor_of_a_list(theme, ink):
    # What every list, table and output has under its cursor: see the last test.
    ground = Color.parse(theme.surface).blend(Color.parse(theme.primary), UNDER_THE_CURSOR)
    assert contrast(theme.variables[ink], ground.hex) >= AA


def test_which_theme_is_the_first():
    known = {"sandtui-dark", "sandtui-light", "nord"}
    assert first_theme("", "", known) == (DARK.name, "")
    assert first_theme("", "nord\n", known) == ("nord", "")
    assert first_theme("sandtui-light", "nord", known) == (LIGHT.name, "")
    assert first_theme("", "gone", known) == (DARK.name, "")
    name, problem = first_theme("gone", "nord", known)
    assert name == DARK.name
    assert '"gone"' in problem


@pytest.mark.parametrize(
    ("wanted", "environ", "level"),
    [
        (None, {}, "full"),
        (None, {"SSH_CONNECTION": "x"}, "none"),
        (True, {"SSH_CONNECTION": "x"}, "full"),
        (False, {}, "none"),
    ],
)
def test_nothing_moves_over_a_slow_link(wanted, environ, level):
    assert animation_level(wanted, environ) == level


async def test_the_theme_that_was_chosen_is_remembered():
    app = World(fleet=0)
    async with app.run_test() as pilot:
        await settled(pilot)
        app.theme = "nord"
        await until(pilot, lambda: app.paths.theme.exists() and app.paths.theme.read_text() == "nord")


def test_the_settings_say_which():
    settings = read_settings('[ui]\ntheme = "nord"\nanimations = false\n', "config.toml")
    assert (settings.ui.theme, settings.ui.animations) == ("nord", False)


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name, "nord"])
async def test_the_line_under_the_cursor_has_a_ground_of_its_own(theme):
    app = World(fleet=5)
    app.theme = theme
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        table = app.screen.query_one(FleetTable)
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ActivityScreen))
        view = app.screen.query_one(OutputView)
        for widget, name in ((view, "output-view--cursor"), (table, "fleet-table--cursor")):
            assert widget.get_component_rich_style(name).bgcolor != widget.rich_style.bgcolor


def test_no_line_has_a_stronger_background():
    """The range of a shell's scrollback is the one exception: its inks are the program's own."""
    folder = Path(sandtui.ui.__file__).parent
    sheets = [*folder.rglob("*.tcss"), *folder.rglob("*.py")]
    shares = {
        int(share) / 100
        for sheet in sheets
        for line in sheet.read_text().splitlines()
        if "terminal-view--range" not in line
        for share in re.findall(r"background: \$primary (\d+)%", line)
    }
    assert max(shares) == UNDER_THE_CURSOR


async def test_what_a_table_draws_dim_can_be_read_on_textuals_themes():
    world = World(fleet=3)
    async with world.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        table = world.screen.query_one(FleetTable)
        for name, theme in world.available_themes.items():
            world.theme = name
            await until(pilot, lambda theme=theme: world.current_theme is theme)
            _, ground = table.background_colors
            if ground.ansi is None:
                color = Color.from_rich_color(table.role_style("dim").color)
                assert contrast(color.hex, ground.hex) >= AA, name


def saturation(color):
    return Color.parse(color).hsl.s


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("ink", ["text-success", "text-accent", "text-muted"])
def test_what_is_well_is_quiet(theme, ink):
    loudest = min(saturation(theme.variables[name]) for name in ("text-error", "text-warning"))
    assert saturation(theme.variables[ink]) < loudest / 2


def test_with_16_colors_only_what_needs_attention_is_bright():
    bright = {"text-error", "text-warning", "text-primary"}
    for ink in INKS:
        parts = Color.parse(SIXTEEN.variables[ink]).rgb
        assert (255 in parts) is (ink in bright), ink


def test_only_what_needs_somebody_has_a_loud_color():
    loud = {status: style.role for status, style in STATUS_STYLES.items() if style.role in {"bad", "busy"}}
    assert loud == {"ERROR": "bad", "ORPHANED": "busy"}


async def test_a_failed_sandbox_is_not_dim_among_those_that_ended_well():
    app = World()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        table = app.screen.query_one(FleetTable)
        roles = {}
        for row in app.services.platform.session.store:
            for column in (COLUMNS_BY_ID["name"], COLUMNS_BY_ID["image"]):
                roles.setdefault(row.status, set()).add(column.cell(row, app.manual_clock.now())[0].role)
        assert roles["ERROR"] == roles["RUNNING"] == {"text"}
        assert roles["TERMINATED"] == {"dim"}
        assert table.role_style("bad").color != table.role_style("text").color
