"""The header lines of groups: bars below each other, on one scale, and never wider than the list."""

from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.inventory.groups import NONE, Group, grouping, make_groups
from sandtui.fleet.inventory.row import Row
from sandtui.ui.inventory.groups import GroupScale, group_pieces
from sandtui.ui.rendering.status import STATUS_STYLES
from sandtui.ui.rendering.text import width_of
from tests.fleet.factory import sandbox
from tests.ui.test_snapshots import SIZES, picture
from tests.ui.world import keys

FILL = "▄▒░✖"


def group(key, **counts):
    made = Group(key)
    for status, count in counts.items():
        for number in range(count):
            made.add(Row.of(sandbox(number, status=status), number))
    return made


def drawn(groups, width=100):
    scale = GroupScale.of(groups)
    return ["".join(piece.text for piece in group_pieces(each, scale, width)) for each in groups]


def bar(line):
    return "".join(character for character in line.split("●")[0].split("○")[0] if character in FILL)


def test_bars_are_in_proportion_and_below_each_other():
    groups = [group("run=1", RUNNING=10, ERROR=5, TERMINATED=5), group("a-longer-name", RUNNING=10)]
    first, second = drawn(groups)
    assert bar(first) == "▄" * 10 + "✖" * 5 + "░" * 5
    assert bar(second) == "▄" * 10
    assert first.index("▄") == second.index("▄")
    assert first.index("●") == second.index("●")
    assert "●10  ✖5  ○5" in first


def test_a_few_failures_among_many_are_seen():
    (line,) = drawn([group("big", RUNNING=500, ERROR=1)])
    assert "✖" in bar(line)


def test_long_names_have_the_room_that_is_left_and_keep_both_ends():
    reason = "The start command ended with exit code "
    lines = drawn([group(f"{reason}127.", ERROR=2), group(f"{reason}139.", ERROR=2)], 78)
    assert f"{reason}127." in lines[0] and f"{reason}139." in lines[1]
    lines = drawn([group(f"{reason}127.", ERROR=2), group(f"{reason}139.", ERROR=2)], 60)
    assert "127." in lines[0] and "139." in lines[1]
    assert all(width_of(line) <= 60 for line in lines)


def test_what_has_no_value_does_not_set_the_scale():
    some, none = drawn([group("run=1", RUNNING=10), group(NONE, RUNNING=400)])
    assert len(bar(some)) == len(bar(none)) == 20


def test_resources_are_left_out_and_not_cut():
    groups = [group("run=1", RUNNING=3)]
    assert "3 cores · 6 GB" in drawn(groups)[0]
    assert "core" not in drawn(groups, 40)[0]


@given(
    st.dictionaries(
        st.text(max_size=60),
        st.dictionaries(st.sampled_from([*STATUS_STYLES, "NEW"]), st.integers(1, 9), min_size=1),
        min_size=1,
        max_size=5,
    ),
    st.integers(20, 200),
)
def test_no_header_is_wider_than_its_room(found, width):
    groups = [group(key, **counts) for key, counts in found.items()]
    for line in drawn(groups, width):
        assert width_of(line) <= width
        assert "\x1b" not in line and "\n" not in line


def test_groups_of_rows_have_headers():
    rows = [Row.of(sandbox(number, labels=[f"run={number % 3}"]), number) for number in range(9)]
    lines = drawn(make_groups(rows, grouping("label")))
    assert [line.split()[1] for line in lines] == ["run=0", "run=1", "run=2"]


@SIZES
def test_folded_groups(snap_compare, size):
    picture(snap_compare, size, keys("z", "6", "Z"), fleet=300)
