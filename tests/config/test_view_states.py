"""The files of the last views."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.config.paths import Paths
from sandtui.config.view_states import ViewStates, ViewStatesError
from sandtui.fleet.inventory.order import ORDERS_BY_ID
from sandtui.fleet.inventory.view_state import WIDEST_COLUMN, ViewState

TEXTS = st.text(max_size=30)


@given(
    st.builds(
        ViewState,
        query=TEXTS,
        sort=st.sampled_from(sorted(ORDERS_BY_ID)),
        descending=st.booleans(),
        active_only=st.booleans(),
        group=st.sampled_from(["", "status", "reason", "label:run"]),
        collapsed=st.lists(TEXTS, max_size=3).map(tuple),
        columns=st.lists(TEXTS, max_size=3).map(tuple),
        widths=st.dictionaries(TEXTS, st.integers(0, WIDEST_COLUMN), max_size=3),
        cursor=TEXTS,
        line=st.integers(0, 200),
    )
)
def test_what_is_written_is_read(tmp_path_factory, state):
    states = ViewStates(tmp_path_factory.mktemp("views"))
    states.path("one").write_text(states.text(state), encoding="utf-8")
    assert states.read("one") == state
    assert states.read("two") is None


@given(st.lists(st.text(max_size=60), min_size=2, max_size=2, unique=True))
def test_every_context_has_a_file_in_the_directory(names):
    folder = Path("/state/views")
    paths = [ViewStates(folder).path(name) for name in names]
    assert paths[0] != paths[1]
    assert {path.parent for path in paths} == {folder}


def test_what_is_not_a_file_is_told(tmp_path):
    states = ViewStates(tmp_path)
    states.path("one").mkdir()
    with pytest.raises(ViewStatesError, match="cannot be read"):
        states.read("one")


def test_what_a_newer_version_has_added_is_ignored():
    assert ViewState.read({"query": "x", "colour": "red"}) == ViewState(query="x")


def test_a_demo_knows_nothing_of_the_views_of_real_contexts(tmp_path):
    user = Paths(tmp_path / "config", tmp_path / "state")
    demo = user.with_temporary_state(tmp_path / "demo")
    assert user.view_states not in (demo.view_states, *demo.view_states.parents)
