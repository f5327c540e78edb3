"""Logs that are searched and wrapped, what a sandbox uses, and scripts to paste."""

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.fleet.inventory.snippet import attach_script, description
from sandtui.fleet.inventory.usage import Sample, Usage, read_sample
from sandtui.fleet.text.log_lines import (
    MOST_LINES,
    LogLook,
    LogText,
    arrange,
    filtered,
    has_stamps,
    without_stamp,
)
from tests.fleet.factory import sandbox
from tests.sources import parse

LINES = ["starting", "Error: one", "fine", "error: two"]


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("2026-11-24T14:00:00Z ready", "ready"),
        ("2026-11-24 14:00:00,123 INFO x", "INFO x"),
        ("[2026-11-24T14:00:00.5+01:00]  x", "x"),
        ("2026-11-24 14:00:00 UTC x", "x"),
        ("at 2026-11-24T14:00:00Z x", "at 2026-11-24T14:00:00Z x"),
        ("2026-11-24", "2026-11-24"),
    ],
)
def test_times_at_the_beginning_of_lines(line, rest):
    assert without_stamp(line) == rest
    assert has_stamps([line]) is (line != rest)


@pytest.mark.parametrize(
    ("only", "places"), [("error", [1, 3]), ("Error", [1]), ("!error", [0, 2]), ("!", [0, 1, 2, 3])]
)
def test_a_log_is_filtered(only, places):
    assert list(filtered(LINES, only)) == [LINES[place] for place in places]
    assert arrange(LogText(LINES), LogLook(only)) == [LINES[place] for place in places]


def test_of_a_very_long_log_the_end_is_kept():
    log = LogText.of([str(number) for number in range(MOST_LINES + 5)])
    assert (log.dropped, log.lines[0], len(log.lines)) == (5, "5", MOST_LINES)


def test_what_a_sandbox_uses_is_read_and_the_processor_comes_from_two_looks():
    first = read_sample("cpu 1000000\nmemory 2048\nlimit max\nprocesses 3\ndisk 100 40\nuptime 10.5\n")
    assert first == Sample(1000000, 2048, None, 3, 100, 40, 10.5)
    usage = Usage()
    usage.add(first)
    assert not usage.cpu
    usage.add(read_sample("cpu 4000000\nmemory 4096\nuptime 12.5\n"))
    assert list(usage.cpu) == [1.5]
    assert list(usage.memory) == [2048, 4096]


@given(st.text(max_size=80))
def test_no_output_breaks_the_reading(output):
    assert isinstance(read_sample(output), Sample)


def test_what_is_missing_is_none():
    assert read_sample("cpu \nmemory \nuptime \n\n") == Sample()


def test_a_script_is_python_whatever_the_id():
    each = sandbox(1, id="a'b\n\"", secrets={"K": "canary"}, environment_vars={"E": "canary"})
    tree = parse(attach_script(each))
    assert any(isinstance(node, ast.Constant) and node.value == each.id for node in ast.walk(tree))
    assert "canary" not in description(each)
    assert json.loads(description(each))["id"] == each.id
