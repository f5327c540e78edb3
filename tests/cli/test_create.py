"""`sandtui create`: every field of the form has an option, options and presets mix, and no secret is printed."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from sandtui.cli.create import FLAGS, LISTED, option_of
from sandtui.cli.program import read
from sandtui.fleet.commands.line.redaction import HIDDEN
from sandtui.fleet.creation.form import BY_ID


def planned(sandtui, *words):
    done = sandtui("create", *words, "--dry-run", "-o", "jsonl")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.lines]


def test_every_field_of_the_form_has_an_option():
    assert {*FLAGS, *LISTED, "checkpoint_id", "volumes"} == set(BY_ID)
    for field in BY_ID:
        assert option_of(field).startswith("--")
        read(["create", option_of(field), "x"])


def test_flags_alone_make_a_fleet(fleet, sandtui, clean_home):
    (clean_home / ".env").write_text(
        "MODE=train\nexport HF_TOKEN='sesame open'\n# nothing\nJSON='{\"a\": {\"b\": 1}}'\n"
    )
    done = sandtui(
        "create",
        *["--image", "python:3.12", "--name", "try-{i}", "--count", "3", "--env-file", str(clean_home / ".env")],
        *["--label", "run=42", "--label", "rl", "--cpu", "2", "--memory", "4", "--timeout", "2h", "-e", "SEED={i}"],
    )
    assert done.code == 0
    assert "sesame" not in done.out + done.err
    rows = [json.loads(line) for line in done.lines]
    assert sorted(each["name"] for each in rows) == ["try-1", "try-2", "try-3"]
    assert all(each["state"] == "created" and each["id"] and each["error"] is None for each in rows)
    asked = sorted(fleet.created, key=lambda each: each["name"])[2]
    assert asked["docker_image"] == "python:3.12"
    assert (asked["cpu_cores"], asked["memory_gb"], asked["timeout_minutes"]) == (2, 4, 120)
    assert asked["labels"][:2] == ["run=42", "rl"]
    assert asked["environment_vars"] == {
        "MODE": "train",
        "HF_TOKEN": "sesame open",
        "JSON": '{"a": {"b": 1}}',
        "SEED": "3",
    }


def test_nothing_at_all_makes_the_default(fleet, sandtui):
    assert sandtui("create").code == 0
    assert (fleet.created[0]["name"], fleet.created[0]["docker_image"]) == ("sandbox", "python:3.11-slim")


def test_options_change_a_preset_and_add_to_its_lists(sandtui):
    found = planned(sandtui, "rollouts", "--count", "2", "--label", "run=7", "--memory", "8")
    assert len(found) == 2
    assert found[0]["labels"][:2] == ["rl", "run=7"]
    assert (found[0]["cpu_cores"], found[0]["memory_gb"]) == (2, 8)
    assert planned(sandtui, "rollouts", "--memory", "8", "--set", "memory_gb=3", "--count", "1")[0]["memory_gb"] == 3


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("4", 4), ("4g", 4), ("4G", 4), ("4GB", 4), ("4GiB", 4), ("512m", 0.5), ("0.5", 0.5), ("1,5", 1.5)],
)
def test_sizes_have_units(sandtui, typed, meant):
    assert planned(sandtui, "--memory", typed)[0]["memory_gb"] == meant


def test_a_file_is_a_preset_also_from_standard_input(sandtui, clean_home, monkeypatch):
    (clean_home / "mine.txt").write_text('name = "mine"\nmemory_gb = 3\n')
    assert planned(sandtui, "-f", str(clean_home / "mine.txt"))[0]["memory_gb"] == 3
    monkeypatch.setattr("sys.stdin", io.StringIO('name = "piped"\n'))
    assert planned(sandtui, "-f", "-", "--memory", "1")[0]["name"] == "piped"


def test_variables_come_from_the_environment_and_standard_input(fleet, sandtui, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "sesame")
    monkeypatch.setattr("sys.stdin", io.StringIO("A=1\nB='two words'\n"))
    done = sandtui("create", "--env", "HF_TOKEN", "--secret", "HF_TOKEN", "--env-file", "-")
    assert "sesame" not in done.out + done.err
    assert fleet.created[0]["environment_vars"] == {"A": "1", "B": "two words", "HF_TOKEN": "sesame"}
    assert fleet.created[0]["secrets"] == {"HF_TOKEN": "sesame"}


def test_a_dry_run_shows_no_value_of_a_variable_or_secret(fleet, sandtui):
    words = ["--env", "TOKEN=sesame", "--secret", "PASSWORD=sesame", "--command", "serve --api-key sesame"]
    for output in ("jsonl", "json", "table", "wide", "name"):
        done = sandtui("create", *words, "--dry-run", "-o", output)
        assert done.code == 0
        assert "sesame" not in done.out + done.err, output
    assert planned(sandtui, *words)[0]["environment_vars"] == {"TOKEN": HIDDEN}
    assert fleet.requests == []
    assert "nothing was created" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--memory", "999"], "--memory: must be 0.1 to 64"),
        (["--cpu", "many"], "--cpu: not a number"),
        (["--timeout", "soon"], "--timeout: not a duration"),
        (["--count", "0"], "--count"),
        (["--gpus", "1"], "--gpu-type: required with GPUs"),
        (["--label", "two words"], "--label 'two words': a label can't be empty or contain spaces"),
        (["--env", "NOSUCH_VARIABLE"], "NOSUCH_VARIABLE is not set; write --env NOSUCH_VARIABLE=VALUE"),
        (["--env-file", "/no/such/.env"], "cannot read /no/such/.env"),
        (["--secret", "NOSUCH_VARIABLE"], "--secret: NOSUCH_VARIABLE"),
        (["python:3.12"], "for an image use --image python:3.12"),
        (["pyton"], "no preset 'pyton'"),
        (["python", "-f", "x.toml"], "a preset and --file cannot be combined"),
        (["-f", "/no/such.toml"], "cannot read /no/such.toml"),
        (["--env-file", "-", "-f", "-"], "only one file can be -"),
        (["--set", "memory=3"], 'did you mean "memory_gb"?'),
        (["--nmae", "x"], 'did you mean "--name"?'),
        (["--memroy", "4"], 'did you mean "--memory"?'),
    ],
)
def test_a_mistake_names_the_option_and_creates_nothing(fleet, sandtui, words, said):
    done = sandtui("create", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert fleet.requests == []


def test_a_line_of_a_file_that_is_no_variable_is_not_repeated(fleet, sandtui, clean_home):
    (clean_home / ".env").write_text("A=1\nsesame\n")
    done = sandtui("create", "--env-file", str(clean_home / ".env"))
    assert done.code == 2
    assert "entry 2 is not NAME=VALUE" in done.err
    assert "sesame" not in done.err


def test_some_that_fail_are_named_and_end_with_1(fleet, sandtui):
    fleet.broken["POST /sandbox"] = (402, {"detail": "no money left"})
    done = sandtui("create", "--count", "3")
    assert done.code == 1
    assert [json.loads(line)["state"] for line in done.lines] == ["failed"] * 3
    assert "no money left" in done.out
    assert "3 of 3 failed" in done.err


def test_ctrl_c_says_what_was_not_created(fleet):
    reached, released = threading.Event(), threading.Event()

    def hold(method, path):
        if method == "POST" and len(fleet.created) >= 5:
            reached.set()
            released.wait(30)

    fleet.on_request = hold
    words = [sys.executable, "-m", "sandtui", "create", "--count", "60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        released.set()
    assert process.returncode == 130
    assert b"not sent" in said
    assert b"sandtui rm '#launch=" in said
