"""Search with next and previous match, as every screen of lines has it."""

from types import SimpleNamespace
from typing import cast

import pytest
from textual.app import App

from sandtui.fleet.text.search import Lines
from sandtui.ui.dialogs.search import SearchControl, Searched
from sandtui.ui.rendering.text import Piece
from sandtui.ui.services.bundle import Services
from sandtui.ui.widgets.output_view import OutputView
from tests.ui.world import until

LINES = [f"line {number}{' Error [b]' if number % 10 == 3 else ''}" for number in range(50)]


class Host(App[None]):
    """Some lines and their search, with services that only take notes."""

    def __init__(self, *, follows: bool) -> None:
        super().__init__()
        self.lines = list(LINES)
        self.said: list[str] = []
        self.redrawn = 0
        self.view = OutputView(lambda number: self.search.marked([Piece(self.lines[number])]), follows=follows)
        notifier = SimpleNamespace(notify=self.said.append)
        services = SimpleNamespace(notifier=notifier, key_of=lambda action: f"<{action}>")
        self.search = SearchControl(self.view, cast(Services, services), "log", "Search the log", self.searched)

    def compose(self):
        yield self.view

    def on_mount(self) -> None:
        self.view.show(len(self.lines))

    def searched(self) -> Searched:
        def redraw() -> None:
            self.redrawn += 1
            self.view.refresh()

        return Searched(
            Lines.of(len(self.lines), self.lines.__getitem__),
            self.view.cursor,
            self.view.following,
            lambda line: self.view.go_to_text(line, self.search.needle),
            redraw,
        )

    async def ask(self, pilot, needle: str) -> None:
        screen = self.screen
        self.search.ask()
        await until(pilot, lambda: self.screen is not screen and bool(self.screen.query("#value")))
        await pilot.press(*("space" if letter == " " else letter for letter in needle), "enter")
        await until(pilot, lambda: self.screen is screen)

    @property
    def status(self) -> str:
        return "".join(piece.text for piece in self.search.status())


@pytest.mark.parametrize(("follows", "first", "place"), [(True, 43, "5 of 5"), (False, 3, "1 of 5")])
async def test_the_first_match_is_the_newest_where_the_end_is_followed(follows, first, place):
    app = Host(follows=follows)
    async with app.run_test(size=(60, 20)) as pilot:
        await app.ask(pilot, "error")
        await until(pilot, lambda: app.view.cursor == first)
        assert app.status == f"search: error  {place}  <log.next_hit> next, <log.previous_hit> previous  "


async def test_next_and_previous_go_round_and_count():
    app = Host(follows=False)
    async with app.run_test(size=(60, 20)) as pilot:
        await app.ask(pilot, "error")
        seen = [(app.view.cursor, app.search.search.status)]
        for step in (1, -1, -1, 1):
            app.search.go(step)
            seen.append((app.view.cursor, app.search.search.status))
        assert seen == [(3, "1 of 5"), (13, "2 of 5"), (3, "1 of 5"), (43, "5 of 5"), (3, "1 of 5")]
        assert app.redrawn == 5
        assert not app.said


async def test_without_a_search_the_key_for_one_is_told():
    app = Host(follows=False)
    async with app.run_test() as pilot:
        await pilot.pause()
        app.search.go(1)
        app.search.go(-1)
        assert app.said == ["Press <log.search> to search"] * 2
        assert app.search.status() == []
        assert app.view.cursor == 0


async def test_no_match_is_told_and_moves_nothing():
    app = Host(follows=False)
    async with app.run_test() as pilot:
        await app.ask(pilot, "error")
        await app.ask(pilot, "zz")
        await until(pilot, lambda: bool(app.said))
        assert app.said == ["No match for zz"]
        assert app.view.cursor == 3
        assert " of " not in app.status


async def test_what_has_come_while_the_text_was_typed_is_searched():
    app = Host(follows=False)
    async with app.run_test() as pilot:
        screen = app.screen
        app.search.ask()
        await until(pilot, lambda: app.screen is not screen and bool(app.screen.query("#value")))
        app.lines.append("at last")
        app.view.show(len(app.lines))
        await pilot.press(*"last", "enter")
        await until(pilot, lambda: app.view.cursor == 50)


async def test_closing_the_question_keeps_the_search():
    app = Host(follows=False)
    async with app.run_test() as pilot:
        await app.ask(pilot, "error")
        screen = app.screen
        app.search.ask()
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert app.search.needle == "error"


async def test_matches_are_marked_and_all_else_keeps_its_colour():
    app = Host(follows=False)
    async with app.run_test() as pilot:
        pieces = [Piece("an Error", "bad"), Piece(" here")]
        assert app.search.marked(pieces) == pieces
        await app.ask(pilot, "error")
        assert app.search.marked(pieces) == [Piece("an ", "bad"), Piece("Error", "key"), Piece(" here")]
