"""`sandtui ls` and `get`: formats, columns, order, filters, and what they say when nothing is there."""

import json
import os
import pty
import subprocess
import sys

import pytest

from sandtui.cli.sandboxes import FIELD_WORDS, SANDBOXES
from sandtui.fleet.commands.line.redaction import HIDDEN
from tests.cli.fleet_server import row


@pytest.fixture
def five(fleet):
    fleet.rows = [
        row(1),
        row(2, labels=["run=42", "gpu"], name="trainer"),
        row(3, status="PENDING", startedAt=None),
        row(4, status="ERROR", errorType="OOM_KILLED", errorMessage="out of memory"),
        row(5, status="TERMINATED"),
    ]
    return fleet


def test_lines_for_programs_have_tabs_and_no_heading(five, sandtui):
    done = sandtui("ls")
    assert done.code == 0
    assert [line.split("\t")[:3] for line in done.lines] == [
        ["sbx_0001abcd", "try-1", "RUNNING"],
        ["sbx_0002abcd", "trainer", "RUNNING"],
        ["sbx_0003abcd", "try-3", "PENDING"],
    ]
    assert done.err == ""


@pytest.mark.parametrize("alias", ["ls", "ps"])
def test_ended_sandboxes_are_listed_when_asked_for(five, sandtui, alias):
    assert len(sandtui(alias).lines) == 3
    assert len(sandtui(alias, "-a").lines) == 5
    for query in ("status:error", "status:err", "error:oom", "status:error,running name:try-4", "error~OOM"):
        assert sandtui(alias, query, "-o", "name").lines == ["try-4"], query
    assert len(sandtui(alias, "!status:error").lines) == 3
    assert len(sandtui(alias, "--", "-status:error").lines) == 3
    assert "-- -status:error" in sandtui(alias, "-status:error").err


def test_words_of_a_query_need_no_quotes(five, sandtui):
    assert sandtui("ls", "#run=42", "#gpu", "-o", "name").lines == ["trainer"]


def test_a_query_that_matches_nothing_ends_with_2_and_says_so(five, sandtui):
    done = sandtui("ls", "#nosuch", "age>2h")
    assert (done.code, done.out) == (2, "")
    assert "no active sandbox matches the filter: #nosuch age>2h" in done.err
    assert "--all" in done.err
    assert sandtui("ls", "#nosuch", "-o", "json").out == "[]\n"
    assert "no sandbox matches the filter: status:timeout" in sandtui("ls", "status:timeout").err


def test_an_empty_fleet_is_no_mistake(fleet, sandtui):
    done = sandtui("ls")
    assert (done.code, done.out) == (0, "")
    assert "no active sandboxes" in done.err
    assert sandtui("ls", "--quiet").err == ""


def test_a_query_that_cannot_be_read_is_not_sent(five, sandtui):
    done = sandtui("ls", "colour:red")
    assert done.code == 2
    assert 'unknown field "colour"' in done.err
    assert five.requests == []


def test_json_has_every_field_that_help_names(five, sandtui):
    found = json.loads(sandtui("ls", "--all", "-o", "json").out)
    assert len(found) == 5
    lines = [json.loads(line) for line in sandtui("ls", "--all", "-o", "jsonl").lines]
    assert lines == found
    for each in found:
        assert set(each) == set(FIELD_WORDS) - {"…"}
    assert found[3]["error_type"] == "OOM_KILLED"
    described = sandtui("ls", "--help").out
    assert all(f"\n  {name} " in described for name in FIELD_WORDS)


@pytest.mark.parametrize("name", ["somethingNew", "some_thing", "x"])
def test_fields_that_are_unknown_here_are_passed_on(fleet, sandtui, name):
    fleet.rows = [row(1, **{name: {"deep": [1, "two"]}})]
    assert json.loads(sandtui("ls", "-o", "jsonl").out)[name] == {"deep": [1, "two"]}
    assert json.loads(sandtui("get", "try-1", "-o", "json").out)[name] == {"deep": [1, "two"]}


def test_no_value_of_a_variable_or_secret_is_printed(fleet, sandtui):
    fleet.rows = [
        row(
            1,
            environmentVars={"HF_TOKEN": "sesame", "MODE": "sesame"},
            secrets={"PASSWORD": "sesame"},
            gatewayAuth={"token": "sesame"},
            advancedConfigs={"pull": {"registryPassword": "sesame", "mirror": "m"}},
            startCommand="serve --api-key sesame",
            deep={"list": [{"apiKey": "sesame"}]},
        )
    ]
    for words in (
        ["ls", "-o", "json"],
        ["ls", "-o", "jsonl"],
        ["ls", "-o", "wide"],
        ["get", "try-1"],
        ["get", "try-1", "-o", "json"],
    ):
        done = sandtui(*words)
        assert "sesame" not in done.out, words
    found = json.loads(sandtui("get", "try-1", "-o", "json").out)
    assert found["environment_vars"] == {"HF_TOKEN": HIDDEN, "MODE": HIDDEN}
    assert found["advanced_configs"]["pull"]["mirror"] == "m"


def test_columns_are_chosen_by_name(five, sandtui):
    done = sandtui("ls", "-a", "--columns", "name,reason", "--sort", "name")
    assert done.lines[1] == "try-1\t-"
    assert done.lines[3] == "try-4\tOOM_KILLED"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--columns", "nmae"], 'no column "nmae"; did you mean "name"?'),
        (["--sort", "aeg"], 'no column "aeg"; did you mean "age"?'),
        (["--columns", "id", "-o", "json"], "--columns is for tables"),
        (["-o", "yaml"], '"yaml" is not one of table, wide, json, jsonl, name'),
        (["--colums", "id"], 'unknown option: --colums; did you mean "--columns"?'),
    ],
)
def test_a_mistake_names_what_was_meant_and_sends_nothing(five, sandtui, words, said):
    done = sandtui("ls", *words)
    assert done.code == 2
    assert said in done.err
    assert five.requests == []


@pytest.mark.parametrize(("typed", "meant"), [("lss", "ls"), ("gte", "get"), ("creat", "create"), ("docter", "doctor")])
def test_an_unknown_command_suggests_the_nearest(sandtui, typed, meant):
    done = sandtui(typed)
    assert done.code == 2
    assert f'no command "{typed}"; did you mean "{meant}"?' in done.err
    assert "usage: sandtui" in done.err


@pytest.mark.parametrize("words", [["--nonsense"], ["ls", "--zzz"], ["xyzzy"], ["ls", "-o", "qqq"]])
def test_what_is_like_nothing_suggests_nothing(sandtui, words):
    done = sandtui(*words)
    assert done.code == 2
    assert "did you mean" not in done.err


def test_a_mistake_prints_the_usage_of_its_subcommand(sandtui):
    assert "usage: sandtui get [options] NAME|ID" in sandtui("get").err
    assert "usage: sandtui ls [options] [QUERY]" in sandtui("ls", "--nosuch").err


def test_sorting_starts_as_in_the_dashboard_and_reverses(five, sandtui):
    newest = sandtui("ls", "--sort", "age", "-o", "name").lines
    assert newest == ["try-3", "trainer", "try-1"]
    assert sandtui("ls", "--sort=-age", "-o", "name").lines == newest[::-1]


def test_a_table_has_a_heading_and_fits_the_terminal(five, sandtui, on_a_terminal):
    five.rows[0]["labels"] = ["a-very-long-label-indeed=" + "x" * 80]
    for columns in (160, 120, 80, 50):
        on_a_terminal(columns)
        lines = sandtui("ls").lines
        assert lines[0].split()[:2] == ["ID", "NAME"]
        assert all(len(line) <= columns for line in lines), columns
        assert lines[1].startswith("sbx_0001abcd"), "an id is never cut"
    assert "…" in "".join(lines) or len(lines[0].split()) < len(SANDBOXES.columns)
    on_a_terminal(60)
    assert any("x" * 80 in line for line in sandtui("ls", "-o", "wide").lines), "wide cuts nothing"


@pytest.mark.parametrize(
    ("words", "colored"),
    [([], False), (["--color", "always"], True), (["--no-color"], False), (["--color", "never"], False)],
)
def test_color_is_as_it_is_asked_for(five, sandtui, words, colored):
    assert ("\x1b[" in sandtui("ls", "-o", "table", *words).out) == colored


def test_color_on_a_terminal_ends_with_no_color(five):
    def shown(**more):
        parent, child = pty.openpty()
        env = {**os.environ, "TERM": "xterm", **more}
        with subprocess.Popen([sys.executable, "-m", "sandtui", "ls"], stdout=child, stdin=child, env=env) as process:
            os.close(child)
            text = b""
            while True:
                try:
                    piece = os.read(parent, 65536)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            os.close(parent)
            assert process.wait(timeout=60) == 0
        return text.decode()

    assert "\x1b[32mRUNNING\x1b[0m" in shown()
    assert "\x1b[" not in shown(NO_COLOR="1")


def test_pages_are_printed_as_they_come_and_asked_for_once(fleet, capsys, monkeypatch):
    from sandtui.cli.program import main

    fleet.rows = [row(number) for number in range(1, 1001)]
    printed = []
    fleet.on_request = lambda method, path: printed.append(capsys.readouterr().out.count("\n"))
    assert main(["ls"]) == 0
    pages = [request for request in fleet.requests if request.startswith("GET /sandbox?")]
    assert len(pages) == len(fleet.requests) == 10
    assert printed[0] == 0
    assert printed[1] == 100, "the first page is out before the second is asked for"


def test_a_failing_platform_ends_with_3(fleet, sandtui):
    fleet.broken["GET /sandbox"] = (500, {"detail": "broken"})
    done = sandtui("ls")
    assert done.code == 3
    assert "broken" in done.err
    fleet.broken["GET /sandbox"] = (401, {"detail": "who?"})
    assert sandtui("get", "x").code == 3
    fleet.broken["GET /sandbox"] = (400, {"detail": "not so"})
    assert sandtui("ls").code == 1


def test_a_reader_that_leaves_ends_it_in_silence(fleet):
    fleet.rows = [row(number) for number in range(1, 3000)]
    for words in (["ls"], ["ls", "-o", "json"], ["ls", "--sort", "name"], ["ls", "-o", "name"]):
        with subprocess.Popen(
            [sys.executable, "-m", "sandtui", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
        ) as process:
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr.read() == b"", words


def test_get_takes_names_ids_and_beginnings(five, sandtui):
    for word in ("trainer", "sbx_0002abcd", "sbx_0002"):
        assert json.loads(sandtui("get", word, "-o", "json").out)["name"] == "trainer"
    both = json.loads(sandtui("get", "trainer", "try-4", "-o", "json").out)
    assert [each["name"] for each in both] == ["trainer", "try-4"], "an ended one too"
    assert "name:                      trainer\n" in sandtui("get", "trainer").out


def test_get_by_id_asks_for_nothing_else(five, sandtui):
    sandtui("get", "sbx_0002abcd")
    assert five.requests == ["GET /sandbox/sbx_0002abcd"]
