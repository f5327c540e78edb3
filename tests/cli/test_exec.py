"""`exec`, `jobs`, `ports`, `forward` and `egress`: what they refuse, what they print, and what their JSON holds."""

import json

import pytest

from sandtui.cli.egress import EGRESS, EgressOfSandbox
from sandtui.cli.forward import FORWARDS
from sandtui.cli.jobs import JOBS, find_job, split_job
from sandtui.cli.ports import PORTS, PortOfSandbox
from sandtui.cli.usage import UsageError
from sandtui.client.models.access import EgressPolicy, EgressPolicyReply
from sandtui.client.models.ports import ExposedPort
from sandtui.fleet.jobs.job import Job, JobKey, JobState
from sandtui.fleet.ports.forward import Forward, parse_forward
from tests.cli.fleet_server import row

BOX = "sbx_0001abcd"
EXPOSED = {"exposure_id": "exp_1", "sandbox_id": BOX, "port": 8000, "url": "http://x.example", "cost": 3}
POLICY = {"policy": {"allowlist": ["a.example"], "denylist": None}, "generation": 1, "applied_generation": 1}


@pytest.fixture
def platform(fleet):
    """A platform with two running sandboxes, an exposed port and a policy."""
    fleet.rows = [row(1), row(2), row(3, status="TERMINATED")]
    fleet.broken = {
        "GET /sandbox/expose/all": (200, {"exposures": [EXPOSED, {**EXPOSED, "sandbox_id": "sbx_gone"}]}),
        f"GET /sandbox/{BOX}/egress-policy": (200, {**POLICY, "applied": True, "region": "eu"}),
        f"PUT /sandbox/{BOX}/egress-policy": (200, {**POLICY, "applied": False}),
        f"POST /sandbox/{BOX}/expose": (200, {**EXPOSED, "port": 9000, "name": "web"}),
        f"DELETE /sandbox/{BOX}/expose/exp_1": (200, {"success": True, "message": ""}),
    }
    return fleet


# What the JSON holds is what the help says


def job(number=1, **fields):
    return Job(JobKey("sbx_1", f"{number:08x}"), JobState.RUNNING, "one", command="true", **fields)


OBJECTS = {
    "jobs ls": (JOBS, job()),
    "ports ls": (PORTS, PortOfSandbox(ExposedPort.model_validate(EXPOSED), "one")),
    "forward": (FORWARDS, Forward(1, "sbx_1", "one", parse_forward("8000:9000"), 9000)),
    "egress": (EGRESS, EgressOfSandbox("sbx_1", "one", EgressPolicyReply(policy=EgressPolicy()))),
}


@pytest.mark.parametrize("command", OBJECTS)
def test_the_help_names_the_fields_of_the_json(command, sandtui):
    kind, one = OBJECTS[command]
    assert set(kind.record(one)) - {"cost"} == set(kind.fields)
    said = sandtui(*command.split(), "--help").out
    for name, words in kind.fields.items():
        assert name in said and words[:20] in said
    assert "exit codes:" in said


def test_fields_that_are_unknown_here_are_passed_on(platform, sandtui):
    assert json.loads(sandtui("ports", "ls", "-o", "json").out)[0]["cost"] == 3
    assert json.loads(sandtui("egress", "try-1", "-o", "json").out)["region"] == "eu"


# ports


def test_ports_are_listed_with_their_sandboxes(platform, sandtui):
    done = sandtui("ports", "ls")
    assert (done.code, done.lines) == (0, ["8000\ttry-1\tHTTP\t-\thttp://x.example"])
    assert sandtui("ports", "ls", "-o", "name").out == "http://x.example\n"
    none = sandtui("ports", "ls", "try-2")
    assert (none.code, none.out, "no exposed ports" in none.err) == (0, "", True)
    assert sandtui("ports", "ls", "try-2", "-o", "json").out == "[]\n"


def test_a_port_is_exposed_once(platform, sandtui):
    done = sandtui("ports", "expose", "try-1", "9000", "--name", "web", "-o", "json")
    assert done.code == 0 and json.loads(done.out)[0]["name"] == "web"
    again = sandtui("ports", "expose", "try-1", "8000", "-o", "name")
    assert (again.code, again.out) == (0, "http://x.example\n")
    assert "exposed already" in again.err
    assert sum("POST" in each for each in platform.requests) == 1


def test_one_that_fails_does_not_keep_the_others(platform, sandtui):
    platform.broken["POST /sandbox/sbx_0002abcd/expose"] = (409, {"detail": "not now"})
    done = sandtui("ports", "expose", "try-2", "try-1", "9000")
    assert done.code == 1 and len(done.lines) == 1
    assert "try-2: port 9000 not exposed" in done.err


def test_ports_are_unexposed_by_number_or_id(platform, sandtui):
    for word in ("8000", "exp_1"):
        assert sandtui("ports", "rm", "try-1", word).code == 0
    missing = sandtui("ports", "rm", "try-1", "7000")
    assert (missing.code, missing.out) == (2, "")
    assert "port 7000 is not exposed; exposed: 8000" in missing.err


def test_many_are_asked_for_first(platform, sandtui, monkeypatch):
    platform.rows = [row(number) for number in range(1, 13)]
    for words in (["ports", "expose", "#run=42", "9000"], ["jobs", "start", "#run=42", "--", "true"]):
        done = sandtui(*words)
        assert (done.code, done.out) == (2, ""), done
        assert "12 sandboxes" in done.err and "--yes" in done.err
    assert not any("POST" in each for each in platform.requests)
    platform.broken |= {
        f"POST /sandbox/{each['id']}/expose": (200, {**EXPOSED, "sandbox_id": each["id"], "port": 9000})
        for each in platform.rows
    }
    done = sandtui("ports", "expose", "#run=42", "9000", "--yes")
    assert (done.code, len(done.lines)) == (0, 12), done.err


# egress


def test_egress_is_shown_and_replaced_as_a_whole(platform, sandtui):
    assert sandtui("egress", "try-1").lines == [f"{BOX}\ttry-1\tallow a.example\tyes"]
    done = sandtui("egress", "try-1", "--allow", "a.example,b.example", "c.example", "-o", "json")
    assert done.code == 0
    assert json.loads(done.out)["applied"] is False
    assert any(each.startswith("PUT") for each in platform.requests)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--allow", "a", "--clear"], "--allow and --clear cannot be combined"),
        (["--deny", "a", "--block"], "--deny and --block cannot be combined"),
        (["--allow", "http://a"], "--allow: http://a: use a host without a scheme"),
        (["--alow", "a"], 'did you mean "--allow"'),
    ],
)
def test_what_cannot_be_is_refused_before_connecting(words, text, platform, sandtui):
    done = sandtui("egress", "try-1", *words)
    assert (done.code, done.out, text in done.err) == (2, "", True), done.err
    assert platform.requests == []


def test_only_a_change_is_refused_read_only(platform, sandtui):
    assert sandtui("--read-only", "egress", "try-1").code == 0
    done = sandtui("--read-only", "egress", "try-1", "--clear")
    assert done.code == 2 and "nothing was sent" in done.err


# exec and shell


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["exec", "try-1"], "missing COMMAND"),
        (["exec", "try-1", "--"], "missing COMMAND"),
        (["exec", "-t", "try-1", "--", "top"], "-t needs a terminal"),
        (["exec", "-t", "-n", "try-1", "--", "top"], "cannot be combined"),
        (["exec", "-u", "a b", "try-1", "--", "top"], "a user name or a uid"),
        (["exec", "-e", "1A=x", "try-1", "--", "top"], "NAME=VALUE"),
        (["exec", "-e", "NOT_SET_HERE", "try-1", "--", "top"], "is not set here"),
        (["exec", "", "--", "top"], "names no sandbox"),
        (["run", "-u", "a;b", "try-1", "--", "top"], "a user name or a uid"),
        (["shell", "try-1", "--"], "missing COMMAND"),
        (["jobs", "start", "try-1"], "missing COMMAND"),
        (["jobs", "ls", "--", "x"], "takes no command"),
        (["jobs", "stop", "try-1"], "missing JOB"),
        (["jobs", "stop", "try-1", "1", "--all"], "cannot be combined"),
        (["ports", "expose", "try-1", "80000"], "22"),
        (["ports", "expose", "try-1", "web"], "enter a port"),
        (["forward", "try-1", "x"], "expected 8000"),
        (["forward", "try-1", "99999"], "from 1 to 65535"),
    ],
)
def test_a_wrong_command_line_is_a_sentence_and_asks_nobody(words, text, platform, sandtui):
    done = sandtui(*words)
    assert (done.code, done.out) == (2, ""), done
    assert text in done.err, done.err
    assert platform.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ["exec", "NAME", "--", "true"], ["shell", "NAME", "--", "true"], ["jobs", "start", "NAME", "--", "true"],
        ["jobs", "logs", "NAME"], ["jobs", "stop", "NAME", "1"], ["ports", "expose", "NAME", "8000"],
        ["forward", "NAME", "8000"], ["egress", "NAME"],
    ],
)  # fmt: skip
def test_a_sandbox_that_is_not_there_or_does_not_run_ends_with_2(words, platform, sandtui):
    for name, text in (("tri-1", "try-1"), ("try-3", "")):
        done = sandtui(*[name if word == "NAME" else word for word in words])
        assert (done.code, done.out) == (2, ""), done
        assert name in done.err and text in done.err


# jobs


def test_a_job_is_found_by_the_start_of_its_id():
    jobs = [job(0x11112222), job(0x11113333), job(0x22223333)]
    assert find_job(jobs, "2222", "one") is jobs[2]
    assert find_job(jobs, "11113333", "one") is jobs[1]
    with pytest.raises(UsageError, match="ambiguous") as caught:
        find_job(jobs, "1111", "one")
    assert len(caught.value.details) == 2
    with pytest.raises(UsageError, match='no job "9" in one') as caught:
        find_job(jobs, "9", "one")
    assert len(caught.value.details) == 3


def test_what_the_listing_prints_as_a_name_is_taken_as_one():
    name = JOBS.name(job(1))
    assert split_job(name, []) == ("sbx_1", ["00000001"])
    assert split_job("one", ["1"]) == ("one", ["1"])
    assert split_job("one", []) == ("one", [])
