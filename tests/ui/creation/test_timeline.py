"""The phases of a launch as lines of time, and their percentiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import CreateSandboxRequest
from sandtui.fleet.creation.launch import UNFINISHED, LaunchItem, Step
from sandtui.ui.creation.timeline import Timeline, percentile_lines, phases
from sandtui.ui.rendering.text import width_of

REQUEST = CreateSandboxRequest(name="a", docker_image="b")


def item(step=Step.READY, **times):
    return LaunchItem(0, REQUEST, step, **times)


def text(pieces):
    return "".join(piece.text for piece in pieces)


def drawn(items, now, width=10):
    timeline = Timeline.of(items)
    return [text(timeline.line(each, now, width)) for each in items]


def test_each_phase_has_its_place_and_its_character():
    items = [
        item(queued=100, began=100, created=102, ended=106),
        item(queued=100, began=104, created=105, ended=110),
        item(Step.FAILED, queued=100, began=100, ended=104),
        item(Step.FAILED, queued=100, began=100, created=102, ended=109.5),
    ]
    assert drawn(items, 9999) == ["──━━━━    ", "····─━━━━━", "───✖      ", "──━━━━━━━✖"]


def test_what_is_under_way_goes_on_until_now():
    items = [
        item(Step.STARTING, queued=0, began=0, created=5),
        item(Step.CREATING, queued=0, began=5),
        item(Step.QUEUED, queued=0),
        item(queued=0, began=0, created=2, ended=4),
    ]
    assert drawn(items, 10) == ["─────━━━━━", "·····─────", "··········", "──━━      "]
    assert drawn(items, 20) == ["──━━━━━━━━", "··────────", "··········", "─━        "]


def test_without_times_there_is_no_line():
    items = [item(), item(Step.QUEUED)]
    assert drawn(items, 10) == ["", ""]
    assert percentile_lines(items, 80) == []
    assert Timeline.of([]).axis(10, 80) == []


def test_the_scale_begins_at_zero_and_ends_with_the_launch():
    axis = text(Timeline.of([item(queued=50, began=51, created=52, ended=170)]).axis(0, 40))
    assert axis.startswith("0s") and axis.endswith("2m 00s") and "1m 00s" in axis
    assert width_of(axis) == 40


def test_percentiles_are_of_what_is_through_with_a_phase():
    items = [item(queued=0, began=1, created=2, ended=2 + number) for number in range(1, 101)]
    items += [item(Step.FAILED, queued=0, began=50, ended=900), item(Step.STARTING, queued=0, began=0, created=7)]
    head, queued, requested, starting, ready = map(text, percentile_lines(items, 120))
    assert head.split() == ["p50", "p90", "p99", "max"]
    assert queued.split()[1:6] == ["queued", "1.0s", "1.0s", "1.0s", "50s"]
    assert requested.split()[1:6] == ["requested", "1.0s", "1.0s", "1.0s", "7.0s"]
    assert starting.split()[1:7] == ["starting", "51s", "1m", "31s", "1m", "40s"]
    assert "█" in ready
    assert all(width_of(text(line)) <= 50 for line in percentile_lines(items, 50))


moments = st.none() | st.floats(0, 1e6)
items = st.builds(item, st.sampled_from(Step), queued=moments, began=moments, created=moments, ended=moments)


@given(st.lists(items, max_size=20), st.floats(0, 2e6), st.integers(0, 200))
def test_lines_keep_to_their_width_whatever_the_times(found, now, width):
    timeline = Timeline.of(found)
    for each in found:
        assert width_of(text(timeline.line(each, now, width))) in {0, width}
        assert len(phases(each, now)) == 3
    assert width_of(text(timeline.axis(now, width))) in {0, width}
    for line in percentile_lines(found, width):
        text(line)


@pytest.mark.parametrize("step", sorted(UNFINISHED, key=lambda each: each.value))
def test_a_launch_under_way_has_no_end_yet(step):
    assert Timeline.of([item(step, queued=1), item(queued=1, ended=5)]).finished is None
