import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.inventory.preferences import Preferences
from sandtui.fleet.inventory.query import parse
from sandtui.fleet.inventory.saved_views import BUILT_IN, SavedView, check_key


def test_what_is_kept_is_read_again():
    chosen = Preferences(["name", "age"], {"name": 30}, "name", False, True, False)
    chosen.keep_view(SavedView("g", "gpus", "gpus>0", "gpu", True, "image"))
    chosen.keep_view(SavedView("h", "hot", "left<5m"))
    assert Preferences.load(chosen.dump()) == chosen
    assert chosen.drop_view("g")
    assert not chosen.drop_view("g")
    assert [view.key for view in chosen.views] == ["h"]


def test_a_view_of_the_same_letter_is_replaced():
    chosen = Preferences()
    chosen.keep_view(SavedView("g", "one", "a"))
    chosen.keep_view(SavedView("g", "two", "b"))
    assert [view.name for view in chosen.views] == ["two"]


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"columns": 3, "widths": {"name": "wide"}, "sort": "colour", "views": {}},
        {"views": [3, {"key": "g"}, {"key": "m", "name": "x", "query": "a"}, {"key": "g", "name": "x", "query": "(a"}]},
        {"views": [{"key": "g", "name": "x", "query": "a", "sort": "colour"}], "descending": "yes"},
    ],
)
def test_what_cannot_be_used_is_left_out(values):
    assert Preferences.load(json.dumps(values)) == Preferences()


@given(st.text(max_size=60))
def test_any_text_is_read_as_preferences(text):
    assert isinstance(Preferences.load(text), Preferences)


def test_views_that_come_with_it_can_be_read_and_have_letters_of_their_own():
    assert len({view.key for view in BUILT_IN}) == len(BUILT_IN)
    for view in BUILT_IN:
        assert parse(view.query, me="usr")
        assert check_key(view.key), "its letter is taken"


@pytest.mark.parametrize(
    ("key", "good"), [("g", True), ("7", True), ("", False), ("gg", False), (".", False), ("m", False)]
)
def test_a_view_has_one_free_letter_or_digit(key, good):
    assert bool(check_key(key)) is not good
