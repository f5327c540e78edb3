"""`sandtui logs`: one log, several with prefixes, followed to the end."""

import json

import pytest

from sandtui.cli.logs import added
from tests.cli.fleet_server import row


@pytest.fixture
def three(fleet):
    fleet.rows = [row(1), row(2), row(3, status="ERROR")]
    fleet.logs = {each["id"]: f"begin {each['name']}\nmiddle\nend {each['name']}\n" for each in fleet.rows}
    return fleet


def test_one_log_is_printed_as_it_is(three, sandtui):
    assert sandtui("logs", "try-1").out == "begin try-1\nmiddle\nend try-1\n"
    assert sandtui("logs", "try-3").lines[0] == "begin try-3", "one that has ended too"


def test_several_have_prefixes_and_stay_in_order(three, sandtui):
    done = sandtui("logs", "#run=42", "--tail", "1")
    assert done.lines == ["[try-1] end try-1", "[try-2] end try-2"]
    assert sandtui("logs", "#run=42", "--no-prefix", "-n", "1").lines == ["end try-1", "end try-2"]
    assert sandtui("logs", "try-1", "--prefix").lines[0] == "[try-1] begin try-1"
    assert "\x1b[36m[try-1] \x1b[0m" in sandtui("logs", "#run=42", "--color", "always").out


def test_lines_of_json_say_whose_they_are(three, sandtui):
    found = [json.loads(line) for line in sandtui("logs", "status:error", "-o", "jsonl").lines]
    assert found[0] == {"id": "sbx_0003abcd", "name": "try-3", "line": "begin try-3"}


def test_colors_and_progress_bars_of_a_program_are_left_out(fleet, sandtui):
    fleet.rows = [row(1)]
    fleet.logs = {"sbx_0001abcd": "\x1b[31mred\x1b[0m\n10%\r50%\r100%\na\tb\nlast \x1b]0;evil\x07"}
    assert sandtui("logs", "try-1").lines == ["red", "100%", "a\tb", "last ␛]0;evil␇"]


def test_one_that_fails_does_not_stop_the_others(three, sandtui):
    three.broken["GET /sandbox/sbx_0001abcd/logs"] = (404, {"detail": "no log"})
    done = sandtui("logs", "#run=42", "--tail", "1")
    assert done.code == 1
    assert done.lines == ["[try-2] end try-2"]
    assert "try-1: " in done.err


def test_following_prints_what_is_added_and_ends_with_the_sandbox(fleet, sandtui, monkeypatch):
    monkeypatch.setattr("sandtui.cli.logs.FOLLOW_SECONDS", 0.01)
    fleet.rows = [row(1)]
    reads = []

    def on_request(method, path):
        if path.endswith("/logs"):
            reads.append(path)
            fleet.logs["sbx_0001abcd"] = "".join(f"line {number}\n" for number in range(len(reads))) + "unfinished"
            if len(reads) == 6:
                fleet.rows[0]["status"] = "TERMINATED"

    fleet.on_request = on_request
    done = sandtui("logs", "-f", "try-1")
    assert done.code == 0
    numbered = [f"line {number}" for number in range(len(reads))]
    assert done.lines == [*numbered, "unfinished"], "each once, and the unfinished line at the end"
    assert "has ended" in done.err


@pytest.mark.parametrize(
    ("before", "after", "fresh"),
    [
        ([], ["a"], ["a"]),
        (["a"], ["a"], []),
        (["a"], ["a", "b"], ["b"]),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a", "b"], ["x", "y"], ["x", "y"]),
        ([str(n) for n in range(50)], [str(n) for n in range(30, 60)], [str(n) for n in range(50, 60)]),
    ],
)
def test_what_is_new_is_found_even_if_the_beginning_is_cut_off(before, after, fresh):
    assert list(added(before, after)) == fresh


def test_following_begins_with_the_tail(three, sandtui, monkeypatch):
    monkeypatch.setattr("sandtui.cli.logs.FOLLOW_SECONDS", 0.01)
    assert sandtui("logs", "-f", "-n", "2", "try-3").lines == ["middle", "end try-3"]
