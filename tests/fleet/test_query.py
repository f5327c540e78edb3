import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.clock import ManualClock
from sandtui.fleet.query import QueryError, parse
from sandtui.fleet.store import FleetStore
from tests.fleet.factory import NOW, sandbox


def matching(text, *sandboxes):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    query = parse(text)
    return [row.sandbox.name for row in store if query.matches(row)]


FLEET = (
    sandbox(1, name="alpha", labels=["run=42", "rl"], docker_image="ubuntu:22.04"),
    sandbox(2, name="Beta", labels=["run=421"], status="ERROR", docker_image="node:20-slim"),
    sandbox(3, name="gamma ray", labels=[], status="PENDING", docker_image="acme/sim:9"),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["alpha", "Beta", "gamma ray"]),
        ("beta", ["Beta"]),
        ("Beta", ["Beta"]),
        ("BETA", []),
        ("a a", ["alpha", "Beta", "gamma ray"]),
        ("ubuntu", ["alpha"]),
        ("sbx_0003", ["gamma ray"]),
        ("#run=42", ["alpha"]),
        ("#run=", ["alpha", "Beta"]),
        ("label:run=42 label:rl", ["alpha"]),
        ("-label:rl", ["Beta", "gamma ray"]),
        ("!#rl", ["Beta", "gamma ray"]),
        ("status:error", ["Beta"]),
        ("status:error,pending", ["Beta", "gamma ray"]),
        ("status:err", ["Beta"]),
        ("image:acme/*", ["gamma ray"]),
        ("image:node", ["Beta"]),
        ('"gamma ray"', ["gamma ray"]),
        ('"node:20-slim"', ["Beta"]),
        ("name:g*", ["gamma ray"]),
        ("!alpha !beta", ["gamma ray"]),
        ("-", ["Beta"]),
    ],
)
def test_terms(text, names):
    assert matching(text, *FLEET) == names


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("foo:bar", 0, "no filter is called"),
        ("alpha foo:bar", 6, "no filter is called"),
        ("status:", 0, "needs a value"),
        ("x #", 2, "label is missing"),
        ('a "b', 2, "missing its end"),
        ("-nope:1", 1, "no filter is called"),
    ],
)
def test_mistakes_tell_where_they_are(text, column, words):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.column == column
    assert words in caught.value.message


def test_labels_that_every_match_carries():
    assert parse("#a label:b -#c #d= word").labels == ("a", "b")


@given(st.text(max_size=60))
def test_any_text_parses_or_says_where_it_is_wrong(text):
    try:
        query = parse(text)
    except QueryError as error:
        assert 0 <= error.column < len(text)
        assert error.message
    else:
        store = FleetStore(ManualClock(NOW))
        store.apply(FLEET)
        assert all(query.matches(row) in {True, False} for row in store)


@given(st.text(alphabet=st.characters(exclude_characters='"', exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_quoted_text_finds_its_sandbox(text):
    if text.strip():
        assert matching(f'"{text}"', sandbox(1, name=f"x{text}y")) == [f"x{text}y"]
