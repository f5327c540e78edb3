import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.clock import ManualClock
from sandtui.fleet.inventory.query import QueryError, ServerFilter, complete, parse
from sandtui.fleet.inventory.query.terms import Label
from sandtui.fleet.inventory.store import FleetStore
from tests.fleet.factory import NOW, sandbox


def matching(text, *sandboxes):
    store = FleetStore(ManualClock(NOW))
    store.apply(sandboxes)
    query = parse(text)
    now = NOW.timestamp()
    one_by_one = [row.sandbox.name for row in store if query.matches(row, now)]
    assert [row.sandbox.name for row in query.select(list(store), now)] == one_by_one
    return one_by_one


FLEET = (
    sandbox(1, name="alpha", labels=["run=42", "rl"], docker_image="ubuntu:22.04", region="us", user_id="usr_mara"),
    sandbox(
        300,
        name="Beta",
        labels=["run=421"],
        status="ERROR",
        docker_image="node:20-slim",
        cpu_cores=8,
        error_type="OOM_KILLED",
        team_id="acme-rl",
    ),
    sandbox(
        3,
        name="gamma ray",
        labels=[],
        status="PENDING",
        docker_image="acme/sim:9",
        started_at=None,
        gpu_count=2,
        gpu_type="H100_80GB",
        vm=True,
    ),
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
        ("sbx_000", []),
        ("0003", []),
        ("SBX_0003", []),
        ("id:sbx_0003", ["gamma ray"]),
        ("id:SBX_0003", ["gamma ray"]),
        ("id:sbx_000", ["alpha", "gamma ray"]),
        ("id:0003", []),
        ("id:*0003", ["gamma ray"]),
        ("id~3$", ["gamma ray"]),
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
        ("alpha or beta", ["alpha", "Beta"]),
        ("(alpha or beta) !ubuntu", ["Beta"]),
        ("!(alpha or beta)", ["gamma ray"]),
        ("-(-alpha)", ["alpha"]),
        ("(alpha)(beta)", []),
        ('"or"', []),
        ("name~^A", []),
        ("name~^a", ["alpha"]),
        ("name~a$", ["alpha", "Beta"]),
        ("label~^run=42$", ["alpha"]),
        ("~sim:\\d", ["gamma ray"]),
        ("age>15m", ["Beta"]),
        ("age<1m", ["alpha", "gamma ray"]),
        ("age<=0.5", ["alpha", "gamma ray"]),
        ("left<1h", ["alpha"]),
        ("expires<10m", []),
        ("cpu>=8", ["Beta"]),
        ("cores<8 mem=2 disk>4gb", ["alpha", "gamma ray"]),
        ("gpus>1", ["gamma ray"]),
        ("gpu:h100", ["gamma ray"]),
        ("region:us", ["alpha"]),
        ("user:mara", ["alpha"]),
        ("team:acme-*", ["Beta"]),
        ("error:oom", ["Beta"]),
        ("kind:vm", ["gamma ray"]),
        ("image:node,ubuntu", ["alpha", "Beta"]),
        ("run=421", ["Beta"]),
        ("sbx_0001 or (status:pending gpu:h100)", ["alpha", "gamma ray"]),
    ],
)
def test_a_query_finds_what_its_terms_say(text, names):
    assert matching(text, *FLEET) == names


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("foo:bar", 0, "unknown field"),
        ("alpha foo:bar", 6, "unknown field"),
        ("status:", 0, "needs a value"),
        ("x #", 2, "missing label"),
        ('a "b', 2, "unclosed quote"),
        ("-nope:1", 1, "unknown field"),
        ("x (a b", 2, "unclosed ("),
        ("x)", 1, None),
        ("x )", 2, "unmatched )"),
        ("alpha or", 6, "on both sides"),
        ("or x", 0, "on both sides"),
        ("(a or) b", 3, "on both sides"),
        ("x name~[", 7, "invalid pattern"),
        ("age>soon", 4, "such as 90s"),
        ("cpu>", 3, "such as 4"),
        ("colour>4", 0, "can't be compared"),
        ("cpu~4", 0, "not a text field"),
        ("mine", 0, "user id is unknown"),
        ("(" * 60, 50, "more than 50"),
    ],
)
def test_mistakes_tell_where_they_are(text, column, words):
    if words is None:
        assert parse(text), "a parenthesis inside a word is a letter"
        return
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.column == column
    assert words in caught.value.message
    assert caught.value.column + caught.value.length <= len(text)


def test_mine_is_who_asks():
    assert parse("mine", me="usr_mara").term == parse("user:me", me="usr_mara").term == parse("user:usr_mara").term


def test_labels_that_every_match_carries():
    assert parse("#a label:b -#c #d= word").labels == ("a", "b")
    assert parse("#a or #b").labels == ()
    assert parse("(#a word) #b").labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("#a status:error word", ServerFilter(("a",), "ERROR")),
        ("status:err", ServerFilter((), "ERROR")),
        ("status:p", ServerFilter()),
        ("status:error,running", ServerFilter()),
        ("status:deleting", ServerFilter()),
        ("!status:error", ServerFilter()),
        ("#a or word", ServerFilter()),
        ("team:AbC user:u1", ServerFilter(team="AbC", user="u1")),
        ("team:a*", ServerFilter()),
        ("team:a,b !user:u1", ServerFilter()),
    ],
)
def test_what_the_platform_can_answer(text, server):
    assert parse(text).server == server


@pytest.mark.parametrize(
    ("earlier", "later", "narrows"),
    [
        ("", "a", True),
        ("a", "ab", True),
        ("ab", "a", False),
        ("a", "a b", True),
        ("a b", "b ax", True),
        ("a", "A", True),
        ("A", "a", False),
        ("!a", "!ab", False),
        ("#a", "#a word", True),
        ("#a", "#ab", False),
        ("status:error", "status:error x", True),
        ("age>1h", "age>1h x", False),
        ("a or b", "a or b", True),
        ("a or b", "a", False),
        ("sbx_000", "sbx_0003", False),
        ("sbx_0003", "sbx_0003a", True),
        ("bx_0003a", "sbx_0003a", False),
    ],
)
def test_a_query_that_goes_on_narrows_the_last(earlier, later, narrows):
    assert parse(later).narrows(parse(earlier)) is narrows


@given(st.text("0123456789abcdefsbx_", min_size=1, max_size=7))
def test_a_short_word_finds_no_id(word):
    ids = [f"sbx_{number:032x}" for number in (0, 0xA1, 0xDEADBEEF << 96, (1 << 128) - 1)]
    store = FleetStore(ManualClock(NOW))
    store.apply([sandbox(place, id=each, name="-", docker_image="-", labels=[]) for place, each in enumerate(ids)])
    assert not [row.id for row in store if parse(word).matches(row)]


@given(st.integers(0, (1 << 128) - 1), st.integers(1, 36))
def test_what_is_typed_on_finds_what_the_whole_word_finds(number, length):
    word = f"sbx_{number:032x}"[:length]
    store = FleetStore(ManualClock(NOW))
    store.apply([sandbox(1, id=f"sbx_{number:032x}"), sandbox(2, name=f"my {word}")])
    rows, earlier = list(store), parse("")
    for end in range(1, length + 1):
        query = parse(word[:end])
        rows = query.select(rows if query.narrows(earlier) else list(store), 0.0)
        earlier = query
    assert rows == query.select(list(store), 0.0)


WORDS = st.sampled_from(
    [
        "a",
        "ab",
        "sbx_000",
        "sbx_0001",
        "bx_00011",
        "sbx_00011",
        "l",
        "al",
        "A",
        "!a",
        "#rl",
        "status:error",
        "a or b",
        "run",
        "B",
        '"a"',
    ]
)


@given(earlier=st.lists(WORDS, max_size=3), later=st.lists(WORDS, max_size=3))
def test_what_narrows_matches_no_more(earlier, later):
    wide, narrow = parse(" ".join(earlier)), parse(" ".join(later))
    if narrow.narrows(wide):
        store = FleetStore(ManualClock(NOW))
        store.apply(FLEET)
        assert {row.id for row in store if narrow.matches(row)} <= {row.id for row in store if wide.matches(row)}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("#ru", "#run=42"),
        ("x -#r", "x -#rl"),
        ("sta", "status:"),
        ("status:running,er", "status:running,error"),
        ("(image:ub", "(image:ubuntu:22.04"),
        ("user:us", "user:usr_mara"),
        ("label:run=421", None),
        ("#", None),
        ("", None),
        ("zzz", None),
        ("name:gam", None),
    ],
)
def test_completion_offers_what_exists(text, whole):
    store = FleetStore(ManualClock(NOW))
    store.apply(FLEET)
    assert complete(text, store.totals.labels, store) == whole


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


def test_what_was_worked_with_is_not_untouched():
    store = FleetStore(ManualClock(NOW))
    store.apply(FLEET)
    touched = {"sbx_0001"}
    query = parse("untouched", touched=touched)
    assert [row.id for row in query.select(list(store), 0.0)] == ["sbx_0300", "sbx_0003"]
    touched.add("sbx_0003")
    assert [row.id for row in query.select(list(store), 0.0)] == ["sbx_0300"], "the set is looked at anew"


def test_the_time_since_the_end_is_that_of_what_has_ended():
    assert matching("ended<1h", *FLEET) == ["Beta"]
    assert matching("ended>1h", *FLEET) == []


@pytest.mark.parametrize(
    ("text", "more"), [("#a", False), ("#a word", True), ("team:x user:y status:error", False), ("team:x*", True)]
)
def test_what_is_left_to_do_here(text, more):
    query = parse(text)
    assert query.has_more_than(query.server) is more
    assert query.has_more_than(ServerFilter())


def test_what_is_alike_is_judged_once():
    store = FleetStore(ManualClock(NOW))
    store.apply([sandbox(number, labels=["rl"], cpu_cores=2) for number in range(50)])
    store.apply([sandbox(number, labels=["ci"], cpu_cores=1) for number in range(50, 60)])
    assert len({id(row.facets) for row in store}) == 2
    judged = []

    class Counting(Label):
        def matches(self, row, now):
            judged.append(row.facets)
            return super().matches(row, now)

    assert len(Counting("ci").select(list(store), 0.0)) == 10
    assert len(judged) == 2
