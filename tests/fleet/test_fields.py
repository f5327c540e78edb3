"""The table of fields: what it says fits the models, and each entry of the form reads what it writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client.models import CreateSandboxRequest, Sandbox, bounds
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND
from sandtui.fleet.creation.form import DEFAULTS, draft_from, read_form
from sandtui.fleet.fields import COLUMNS, FIELDS, FILTERS, SECTIONS
from sandtui.fleet.inventory.export import EXPORTED
from sandtui.fleet.inventory.groups import GROUPINGS
from sandtui.fleet.inventory.order import SORT_ORDERS
from sandtui.fleet.inventory.query import parse
from sandtui.fleet.inventory.row import Row
from sandtui.leases import new_mark
from sandtui.ui.inventory.columns import COLUMNS as SHOWN_COLUMNS
from tests.fleet.factory import sandbox

DERIVED = {
    "size", "used_cores", "used_memory_gb", "measured_at", "expires_at",
    "owner", "cost_usd", "cost_per_hour_usd", "cost_source",
}  # fmt: skip
"""Fields that no response holds: they are made from others, measured, or only asked for."""


def test_names_are_those_of_the_models():
    assert {field.name for field in FIELDS} - DERIVED <= set(Sandbox.model_fields)
    asked = {field.name for field in FIELDS if field.form is not None}
    assert asked <= set(CreateSandboxRequest.model_fields)
    assert {field.form.section for field in FIELDS if field.form is not None} <= set(SECTIONS)


def test_each_thing_has_one_entry():
    for names in (
        [field.name for field in FIELDS],
        [column.id for column in COLUMNS],
        [column.heading for column in COLUMNS],
        [column.position for column in COLUMNS],
        [field.filter.key for field in FIELDS if field.filter is not None],
        [field.form.id or field.name for field in FIELDS if field.form is not None],
        [grouping.id for grouping in GROUPINGS],
    ):
        assert len(names) == len(set(names)), names


def test_every_column_is_drawn_and_sorted_by():
    assert [column.id for column in SHOWN_COLUMNS] == [order.id for order in SORT_ORDERS]


@pytest.mark.parametrize("key", sorted(FILTERS))
def test_every_filter_is_understood_and_finds_the_row(key):
    texts = {field.name: "abc" for field in FIELDS if field.filter is not None and field.filter.kind == "text"}
    # A derived one has the value of what it is made from.
    values = {name: text for name, text in texts.items() if name not in {"id", "vm", *DERIVED}}
    row = Row.of(sandbox(1, gpu_count=1, labels=[new_mark(60).label], **values), 1)
    entry = FILTERS[key]
    value = entry.value(row)
    query = parse(f"{key}={value:g}" if entry.kind == "number" else f'{key}:"{value}"')
    assert query.matches(row)
    other = parse(f"{key}>{value:g}" if entry.kind == "number" else f"{key}:nothing-like-this")
    assert not other.matches(row)


def test_every_export_has_a_value_of_a_plain_row():
    row = Row.of(sandbox(1), 1)
    assert {name: value(row) for name, value in EXPORTED.items()}["id"] == row.id


words = st.text("abcdefgh-_.=1 '\"$", min_size=1, max_size=12).map(str.strip).filter(bool)
numbers = st.floats(0.1, 16).map(lambda value: round(value, 2))


@given(
    st.fixed_dictionaries(
        {
            "name": st.text("abc-", min_size=1, max_size=100),
            "docker_image": st.sampled_from(["python:3.11-slim", "a/b:c"]),
            "start_command": st.one_of(words, st.just(DEFAULT_START_COMMAND)),
            "cpu_cores": numbers,
            "memory_gb": numbers,
            "disk_size_gb": numbers,
            "labels": st.lists(st.text("ab=1", min_size=1), unique=True, max_size=3),
            "timeout_minutes": st.integers(60, int(bounds.LIFETIME_MINUTES.high)),
            "idle_timeout_minutes": st.one_of(st.none(), st.integers(1, 60)),
            "network_access": st.booleans(),
            "region": st.one_of(st.none(), st.text("abc", min_size=1)),
            "team_id": st.one_of(st.none(), st.text("abc", min_size=1)),
            "environment_vars": st.one_of(st.none(), st.dictionaries(st.text("ABC", min_size=1), words, min_size=1)),
        }
    )
)
def test_a_clone_asks_for_what_the_sandbox_has(given_values):
    original = CreateSandboxRequest(**given_values)
    as_listed = Sandbox(id="x", **original.model_dump(exclude={"secrets"}, exclude_none=True))
    result = read_form({**DEFAULTS, **draft_from(as_listed)})
    assert not result.problems
    assert result.request is not None
    assert result.request.model_dump(exclude={"name"}) == original.model_dump(exclude={"name"})
    assert result.request.name.startswith(original.name[:95])


def test_a_sandbox_without_a_limit_is_cloned_with_the_usual_lifetime():
    vm = Sandbox(id="x", name="x", docker_image="a", cpu_cores=1, memory_gb=1, disk_size_gb=1, vm=True)
    request = read_form({**DEFAULTS, **draft_from(vm.model_copy(update={"timeout_minutes": -1}))}).request
    assert request is not None
    assert request.timeout_minutes == 60
