"""NAME, ID or QUERY: one resolver for all subcommands, tried through `get`, the simplest of them."""

import pytest

from sandtui.cli.targets import check_words, is_query
from sandtui.cli.usage import UsageError
from tests.cli.fleet_server import row


@pytest.fixture
def names(fleet):
    fleet.rows = [
        row(1, name="web"),
        row(2, name="web-2"),
        row(3, name="trainer"),
        row(4, name="trainer", status="PENDING"),
        row(5, name="old", status="TERMINATED"),
        row(6, name="old", labels=["run=43"]),
        row(7, name="my box"),
    ]
    return fleet


@pytest.mark.parametrize(
    "word", ["#x", "status:error", "age>2h", "-mine", "!#x", "name~a", "a b", "web*", "(a)", "mine", ""]
)
def test_these_are_filters(word):
    assert is_query(word)
    assert is_query("") and is_query("two words")


@pytest.mark.parametrize("word", ["web", "-web", "!web", "web-2", "sbx_0001abcd", "a.b", "Größe", "x_y"])
def test_these_are_names(word):
    assert not is_query(word)


@pytest.mark.parametrize(
    ("typed", "meant"), [("trianer", "trainer"), ("we", "web, web-2"), ("web-3", "web"), ("TRAINER", "trainer")]
)
def test_an_unknown_name_lists_the_nearest(names, sandtui, typed, meant):
    done = sandtui("get", typed)
    assert (done.code, done.out) == (2, "")
    assert f'no sandbox named "{typed}"' in done.err
    assert meant in done.err


def test_a_name_like_none_suggests_nothing(names, sandtui):
    assert "did you mean" not in sandtui("get", "zzzz").err


def test_an_ambiguous_name_lists_ids(names, sandtui):
    done = sandtui("get", "trainer")
    assert done.code == 2
    assert '"trainer" is ambiguous (2 sandboxes); use an id:' in done.err
    assert "\n  sbx_0003abcd  RUNNING  run=42\n  sbx_0004abcd  PENDING  run=42\n" in done.err


def test_a_name_that_was_used_again_is_that_of_the_living(names, sandtui):
    assert "sbx_0006abcd" in sandtui("get", "old").out


def test_an_exact_name_wins_over_those_that_begin_so(names, sandtui):
    assert "sbx_0001abcd" in sandtui("get", "web").out


def test_a_filter_may_stand_for_one(names, sandtui):
    assert "my box" in sandtui("get", 'name:"my box"').out
    assert "sbx_0006abcd" in sandtui("get", "#run=43").out


def test_a_filter_that_matches_nothing_says_what_it_was(names, sandtui):
    done = sandtui("get", "#nosuch age<1h")
    assert done.code == 2
    assert "matches the filter: #nosuch age<1h" in done.err


@pytest.mark.parametrize("words", [["#a", "#b"], ["web", "status:error", "#b"], [""], ["colour:red"]])
def test_words_that_mean_nothing_are_refused_before_connecting(names, sandtui, words):
    with pytest.raises(UsageError):
        check_words(words)
    assert sandtui("get", *words).code == 2
    assert names.requests == []
