"""Numbers that a log repeats: in the forms that trainings write them, and out of nothing else."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.jobs.metrics import LINES, MOST_NAMES, metrics_of


def names(lines):
    return [metric.name for metric in metrics_of(lines)]


@pytest.mark.parametrize(
    "form",
    [
        "loss={}",
        "loss: {}",
        "loss = {}, lr=0.1",
        "{{'loss': {}, 'epoch': 1}}",
        '{{"loss": {}}}',
        '{{"loss":"{}"}}',
        "[12:00:01] INFO step done loss={}",
        "2026-11-24T14:00:00Z loss={}.",
        "Loss {}",
        "step 5 | loss {} | tok/s 18,220",
        "loss={}%",
        "loss: {}ms",
        "100%|####| 5/5 [00:01<00:00, 3.2it/s, loss={}]",
        "train/loss={}",
        "(loss={})",
    ],
)
@pytest.mark.parametrize("values", [("0.5", "0.31", "0.2"), ("5", "4", "3"), ("1e-3", "2.5e-4", "-1E+2")])
def test_a_number_is_found_in_all_its_forms(form, values):
    (metric,) = [each for each in metrics_of([form.format(value) for value in values]) if "oss" in each.name]
    assert metric.values == tuple(map(float, values))
    assert metric.text == values[-1]


@pytest.mark.parametrize(
    "form",
    [
        "at 12:3{}",
        "time=12:3{}:00",
        "host=10.0.0.{}",
        "day=2026-11-0{}",
        "http://a:80{}/",
        "version: 1.2.{}",
        "INFO: {} files",
        "pid={} exit: {}",
        "x=0x{}f",
        "path=/tmp/{}",
        "a {} b",
    ],
)
def test_times_addresses_and_levels_are_no_numbers_that_develop(form):
    assert names([form.format(value, value) for value in (1, 2, 3, 4)]) == []


def test_steps_count_and_come_last():
    lines = [f"epoch {number}/9 reward: {number * number} step [{number * 10}/100]" for number in range(1, 6)]
    assert names(lines) == ["reward", "epoch", "step"]
    assert metrics_of(lines)[2].values == (10, 20, 30, 40, 50)


def test_what_is_rare_or_never_changes_is_left_out():
    assert names(["loss=1", "loss=2"]) == []
    assert names(["lr=0.1"] * 5) == []


def test_a_number_that_has_become_none_is_told():
    (metric,) = metrics_of(["loss=0.3", "loss=0.2", "loss=nan"])
    assert metric.is_broken and metric.text == "nan"
    (metric,) = metrics_of(["loss=nan"] * 3)
    assert metric.is_broken
    assert not metrics_of(["loss=1", "loss=2", "loss=3"])[0].is_broken


def test_only_the_end_of_a_log_and_so_many_names_are_read():
    lines = [f"loss={number}" for number in range(LINES + 500)]
    assert metrics_of(lines)[0].values[0] == 500
    many = [" ".join(f"n{name}={turn}" for name in range(turn * 20, turn * 20 + 20)) for turn in range(1, 50)] * 3
    assert len(metrics_of(many)) <= MOST_NAMES


@given(st.lists(st.text(max_size=600), max_size=30))
def test_any_log_is_read(lines):
    for metric in metrics_of(lines * 3):
        assert len(metric.name) <= 31
        assert all(isinstance(value, float) for value in metric.values)


@given(
    st.lists(st.floats(width=32), min_size=3, max_size=50), st.sampled_from(["loss={}", "reward: {}", "{{'acc': {}}}"])
)
def test_what_python_writes_is_read_as_it_was(values, form):
    found = metrics_of([form.format(value) for value in values])
    changing = len(set(values)) > 1 or not math.isfinite(values[-1])
    assert bool(found) is changing
    if found:
        assert len(found[0].values) == len(values)
        assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found[0].values, values, strict=True))
