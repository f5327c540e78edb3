"""Without colours, and with 16: cursor, marks, status, focus, errors and buttons are told apart by other means."""

import pytest
from textual.widgets import Button, Input, OptionList

from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.jobs.screen import JobsScreen
from sandtui.ui.theme.themes import SIXTEEN
from tests.probes import strips
from tests.ui.every_screen import EVERY_SCREEN, opened
from tests.ui.world import World, settled, until

STATUS_SIGNS = {"RUNNING": "●", "PENDING": "◌", "PROVISION": "◐", "PAUSED": "‖", "ERROR": "✖", "TERMINATED": "○"}


@pytest.fixture(params=["no colours", "16 colours"])
def plain(request, monkeypatch):
    """An app as it is in such a terminal."""
    if request.param == "no colours":
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("COLORTERM", raising=False)
    return World()


def rows(app):
    """Return the lines of the screen, each as parts: text, and whether it is bold, underlined, turned round.

    No filter of Textual's for colours touches these.
    """
    _, height = app.size
    lines = strips(app.screen)
    assert len(lines) == height
    return [
        [
            (segment.text, bool(style.bold), bool(style.underline), bool(style.reverse))
            for segment in strip
            if (style := segment.style) is not None and segment.text
        ]
        for strip in lines
    ]


def text(row):
    return "".join(part for part, *_ in row)


def reversed_text(row):
    return "".join(part for part, _, _, reverse in row if reverse)


def the_row(app, words):
    return next(row for row in rows(app) if words in text(row))


async def test_only_the_cursor_is_reversed(plain):
    async with plain.run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await pilot.press("j")
        await pilot.pause()
        name = app.screen.target.sandbox.name
        turned = [row for row in rows(app) if any(map(str.isalnum, reversed_text(row)))]
        assert len(turned) == 1
        assert name in reversed_text(turned[0])
        # Away from the list it stays to be seen, but not as what has the keys.
        await pilot.press("slash")
        await until(pilot, lambda: app.screen.query_one("#filter", Input).has_focus)
        row = next(row for row in rows(app) if "▌" in text(row) and name in text(row))
        assert not [part for part, _, _, reverse in row if reverse and name in part]
        assert any(underline for part, _, underline, _ in row if name in part)


@pytest.mark.parametrize("kind", EVERY_SCREEN, ids=lambda kind: kind.__name__)
async def test_what_is_reversed_is_one_bar_of_one_color(plain, kind):
    async with plain.run_test(size=(120, 36)) as pilot:
        app = await opened(pilot, kind)
        await pilot.pause()
        for strip in strips(app.screen):
            # Textual draws the thumb of a scroll bar in reverse, too.
            words = [segment for segment in strip if any(map(str.isalnum, segment.text))]
            turned = {(each.style.color, each.style.bgcolor) for each in words if each.style and each.style.reverse}
            assert len(turned) <= 1, strip.text


async def test_a_mark_has_a_sign_of_its_own(plain):
    async with plain.run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        name = app.screen.target.sandbox.name
        before = text(the_row(app, name))
        await pilot.press("space", "j")
        await pilot.pause()
        after = text(the_row(app, name))
        assert before != after
        assert "✓" in after


async def test_a_status_is_a_sign_and_a_word(plain):
    async with plain.run_test(size=(160, 36)) as pilot:
        app = await settled(pilot)
        shown = [text(row) for row in rows(app)]
        for word in {row.status for row in app.services.platform.session.store}:
            lines = [line for line in shown if f" {word[:9]}" in line]
            sign = STATUS_SIGNS.get(word[:9])
            assert sign is None or not lines or all(f"{sign} {word[:9]}" in line for line in lines if "▌" not in line)
        assert any("● RUNNING" in line for line in shown)


async def test_what_is_said_says_how_bad_it_is(plain):
    async with plain.run_test(size=(120, 36), notifications=True) as pilot:
        app = await settled(pilot)
        for words, severity in (("all is well", "information"), ("look out", "warning"), ("it broke", "error")):
            app.services.notifier.notify(words, severity)
        await until(pilot, lambda: any("it broke" in text(row) for row in rows(app)))
        assert "✖ it broke" in text(the_row(app, "it broke"))
        assert "▲ look out" in text(the_row(app, "look out"))
        assert "▲" not in text(the_row(app, "all is well"))


async def test_the_button_that_enter_presses_is_reversed(plain):
    async with plain.run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog))
        await until(pilot, lambda: app.screen.query_one("#cancel", Button).has_focus)
        await pilot.pause()
        turned = "".join(reversed_text(row) for row in rows(app))
        assert "Cancel" in turned
        assert "Delete 1" not in turned
        await pilot.press("tab")
        await pilot.pause()
        turned = "".join(reversed_text(row) for row in rows(app))
        assert "Delete 1" in turned
        assert "Cancel" not in turned


MENUS = ("fleet.many", "fleet.views", "fleet.group", "fleet.columns", "fleet.copy_more", "app.help")


@pytest.mark.parametrize("menu", MENUS)
async def test_what_is_chosen_in_a_menu_is_the_only_bar(plain, menu):
    async with plain.run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        app.services.run_action(menu)
        await until(pilot, lambda: app.screen.query(OptionList))
        await pilot.press("down")
        await pilot.pause()
        options = app.screen.query_one(OptionList)
        chosen = options.get_option_at_index(options.highlighted).prompt
        [turned] = [row for row in rows(app) if any(map(str.isalnum, reversed_text(row)))]
        assert reversed_text(turned).split() == str(chosen).split()


async def test_the_pane_that_has_the_keys_has_a_heavy_border(plain):
    async with plain.run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await pilot.pause()
        first = text(the_row(app, " Background jobs "))
        assert first.startswith("┏")
        await pilot.press("slash")
        await pilot.pause()
        assert text(the_row(app, " Background jobs ")).startswith("╭")


def test_16_colours_have_a_theme_of_their_own_colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM", raising=False)
    app = World()
    assert app.console.color_system == "standard"
    assert app.theme == SIXTEEN.name
    app.folder.cleanup()
