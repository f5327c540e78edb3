"""Global options mean the same wherever they stand, and no subcommand ignores one."""

import argparse
import os
import subprocess
import sys

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandtui.cli.completion import words_by_path
from sandtui.cli.options import Options
from sandtui.cli.parsing import command_of, separated
from sandtui.cli.program import ALONE, main, make_parser, read
from sandtui.cli.usage import UsageError
from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest, SandboxClientError
from sandtui.config.paths import Paths
from tests.fleet.factory import sandbox

COMMANDS = {
    "": [],
    "config init": [],
    "config check": [],
    "config path": [],
    "config contexts": [],
    "create": ["python"],
    "demo": [],
    "doctor": [],
    "keys": [],
    "help": ["fleet"],
    "ls": [],
    "ps": [],
    "get": ["x"],
    "rm": ["x", "--yes"],
    "wait": ["x"],
    "view": [],
    "web": [],
    "events": [],
    "open": ["x"],
    "fork": ["x"],
    "checkpoint take": ["x"],
    "checkpoint ls": [],
    "checkpoint rm": ["c"],
    "diff": ["x", "y"],
    "network create": ["n"],
    "network ls": [],
    "network get": ["n"],
    "network rules": ["n", "*->*"],
    "network join": ["n", "x"],
    "network leave": ["n", "x"],
    "network rm": ["n"],
    "volume create": ["v"],
    "volume ls": [],
    "volume rm": ["v"],
    "volume publish": ["x", "v"],
    "image build": ["n"],
    "image ls": [],
    "image transfer": ["n"],
    "image update": ["n", "--public"],
    "image cancel": ["b"],
    "image rm": ["n"],
    "lease": ["run=1"],
    "reap": [],
    "cost": [],
    "why": [],
    "version": [],
    "logs": ["x"],
    "top": [],
    "cp": ["a", "b:c"],
    "run": ["#x"],
    "shell": ["x"],
    "exec": ["x"],
    "jobs start": ["x"],
    "jobs ls": [],
    "jobs logs": ["x"],
    "jobs stop": ["x", "--all"],
    "ports ls": [],
    "ports expose": ["x", "8000"],
    "ports rm": ["x", "8000"],
    "forward": ["x", "8000"],
    "egress": ["x"],
    "sync": ["a", "b:c"],
    "serve": [],
    "local env": [],
    "local status": [],
    "local stop": [],
    "completion": ["bash"],
}
"""Every subcommand with the least that it wants."""

TAILS = {
    "lease": ["--", "tool"],
    "run": ["--", "tool", "--local", "--profile", "nope", "--log"],
}
"""What belongs to another program, and must stay as it is."""

JOBS = {"jobs start", "jobs ls", "jobs logs", "jobs stop"}
CHANGING = {
    *JOBS, "checkpoint rm", "checkpoint take", "cp", "create", "diff", "exec", "fork", "forward", "ports expose",
    "ports rm", "rm", "run", "shell", "sync", "top", "volume create", "volume publish", "volume rm",
    "network create", "network join", "network leave", "network rm", "network rules",
    "image build", "image transfer", "image update", "image cancel", "image rm", "reap",
}  # fmt: skip
CONNECTING = {
    *CHANGING,
    "checkpoint ls",
    "egress",
    "get",
    "logs",
    "ls",
    "open",
    "ports ls",
    "ps",
    "view",
    "volume ls",
    "network get",
    "network ls",
    "image ls",
    "cost",
    "why",
    "wait",
}
TAKES = {
    **dict.fromkeys(COMMANDS, frozenset[str]()),
    **dict.fromkeys(["", "doctor", "web", *CONNECTING], frozenset({"local", "profile", "read_only"})),
    "demo": frozenset({"read_only"}),
}
FLAGS = {
    "local": ["--local"],
    "profile": ["--profile", "one"],
    "read_only": ["--read-only"],
    "log": ["--log=/tmp/x"],
    "quiet": ["--quiet"],
    "color": ["--color", "always"],
}
VALUES = {"local": True, "profile": "one", "read_only": True, "log": "/tmp/x", "quiet": True, "color": "always"}
EVERYWHERE = {"log", "quiet", "color"}


@pytest.fixture
def profiles(clean_home):
    file = Paths.of_user().settings
    file.parent.mkdir(parents=True)
    file.write_text(
        "[profiles.one]\nkey = 'k'\nbase_url = 'http://127.0.0.1:9'\n[profiles.look]\nkey = 'k'\nread_only = true\n"
    )


def line(command, *placed):
    """Return a command line with flags at depths: 0 before the first word of the command, 1 after it, and so on."""
    names = command.split()
    words = []
    for depth in range(len(names) + 1):
        words += [word for place, flag in placed if min(place, len(names)) == depth for word in flag]
        words += names[depth : depth + 1]
    return [*words, *COMMANDS[command], *TAILS.get(command, [])]


def outcome(words):
    """Return the options of a command line, or why it is refused."""
    try:
        return read(words).options
    except UsageError as error:
        return str(error)


def test_every_subcommand_is_checked():
    parser, _, _ = make_parser()
    paths = [path for path, _ in words_by_path(parser)]
    leaves = {path for path in paths if not any(other.startswith(f"{path} ") for other in paths) or path == ""}
    assert leaves == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_option_means_the_same_everywhere(profiles, command, data):
    names = data.draw(st.lists(st.sampled_from(sorted(FLAGS)), unique=True))
    placed = [(data.draw(st.integers(0, 2), label=name), FLAGS[name]) for name in names]
    found = outcome(line(command, *data.draw(st.permutations(placed))))
    useless = set(names) - TAKES[command] - EVERYWHERE
    if useless:
        assert f"`sandtui {command}` does not take --" in found
    elif command in CONNECTING and {"local", "profile"} <= set(names):
        assert found == "--local and --profile cannot be combined"
    elif command in CHANGING and "read_only" in names:
        assert found.startswith("read-only (--read-only): ")
    else:
        assert found == Options(**{name: VALUES[name] for name in names})


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", [0, 2])
def test_an_unknown_profile_is_an_error(profiles, capsys, command, place):
    if command:  # the dashboard needs a terminal before it reads its settings
        assert main(line(command, (place, ["--profile", "nope"]))) == 2
        shown = capsys.readouterr()
        assert "nope" in shown.err or "does not take --profile" in shown.err
        assert shown.out == ""
    else:
        with pytest.raises(UsageError, match="no profile 'nope'"):
            Options(profile="nope").context()


@pytest.mark.parametrize("command", [*sorted(CONNECTING), "config check", "doctor"])
@pytest.mark.parametrize("flags", [[], ["--local"]])
def test_an_unknown_profile_in_the_environment_is_an_error(profiles, capsys, monkeypatch, command, flags):
    monkeypatch.setenv("SANDTUI_PROFILE", "nope")
    monkeypatch.setattr("sandtui.cli.doctor.drivers.examine", nothing)
    given = flags if command != "config check" else []  # it takes no --local
    assert main(line(command, (0, given))) == 2
    shown = capsys.readouterr()
    assert command == "doctor" or "no profile 'nope' (SANDTUI_PROFILE)" in shown.err


async def nothing():
    for finding in ():
        yield finding


@pytest.mark.parametrize("command", sorted(CHANGING))
@pytest.mark.parametrize("how", ["flag", "profile", "environment"])
def test_read_only_holds_however_it_is_given(profiles, capsys, monkeypatch, command, how):
    flags = {"flag": ["--read-only"], "profile": ["--profile", "look"], "environment": []}[how]
    if how == "environment":
        monkeypatch.setenv("SANDTUI_PROFILE", "look")
    assert main(line(command, (0, flags))) == 2
    assert "read-only" in capsys.readouterr().err


def test_what_changes_nothing_is_not_refused(profiles):
    arguments = read(["--read-only", "create", "python", "--dry-run"])
    assert arguments.read_only
    assert read(["create", "python"]).read_only is False


@pytest.mark.parametrize(
    "words",
    [["--profile", "one", "run", "--profile", "look", "#x"], ["--log=/tmp/a", "keys", "--log=/tmp/b"]],
)
def test_an_option_given_twice_with_different_values_is_an_error(profiles, words):
    assert "was given twice" in outcome(words)


def test_a_context_is_a_profile_by_another_name(profiles):
    assert outcome(["--context", "one", "ls"]) == outcome(["ls", "--profile", "one"]) == Options(profile="one")
    assert "was given twice" in outcome(["--context", "one", "ls", "--profile", "look"])


def test_no_color_is_a_color_option(profiles):
    assert outcome(["--no-color", "ls"]) == outcome(["ls", "--color", "never"]) == Options(color="never")
    assert "cannot be combined" in outcome(["--no-color", "ls", "--color", "always"])


def test_an_empty_name_is_not_a_profile(profiles):
    assert "needs a name" in outcome(["--profile", "", "run", "#x"])


@pytest.mark.parametrize(
    ("words", "apart", "tail"),
    [
        (["--log"], ["--log="], None),
        (["--log", "run", "x"], ["--log=", "run", "x"], None),
        (["--log", "--local"], ["--log=", "--local"], None),
        (["--log", "/tmp/x", "run"], ["--log", "/tmp/x", "run"], None),
        (["--log=/tmp/x", "run"], ["--log=/tmp/x", "run"], None),
        (["--local", "--log", "keys"], ["--local", "--log=", "keys"], None),
        (["run", "--log", "x"], ["run", "--log=", "x"], None),
        (["--profile", "keys", "run", "--log", "x"], ["--profile", "keys", "run", "--log=", "x"], None),
        (["run", "x", "--", "tool", "--log", "--"], ["run", "x"], ["tool", "--log", "--"]),
        (["cp", "--", "-a", "b:c"], ["cp", "--", "-a", "b:c"], None),
    ],
)
def test_options_are_told_from_the_command_after_them(words, apart, tail):
    assert separated(words, {"run", "keys", "cp"}) == (apart, tail)


def test_a_subcommand_alone_is_the_same_as_among_all_others():
    _, everyone, _ = make_parser()
    assert set(ALONE) <= set(everyone)
    for name in ALONE:
        _, alone, _ = make_parser(name)
        assert name in alone
        assert alone[name].format_help() == everyone[name].format_help()


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["ls"], "ls"),
        (["--local", "ls", "get"], "ls"),
        (["--context", "ls", "get", "x"], "get"),
        (["--color", "never", "ls"], "ls"),
        (["--log", "ls"], "ls"),
        (["--log", "file", "ls"], "ls"),
        (["--log=ls", "get"], "get"),
        (["nonsense", "ls"], ""),
        (["help", "ls"], ""),
        (["--help"], ""),
        ([], ""),
    ],
)
def test_the_subcommand_is_found_before_its_options_are_known(words, command):
    assert command_of(words, {"ls", "get"}) == command


@pytest.mark.parametrize("command", [command for command in COMMANDS if command])
def test_help_and_completion_know_them(command):
    parser, _, _ = make_parser()
    words = set(dict(words_by_path(parser))[command])
    offered = {flag[0].partition("=")[0] for flag in FLAGS.values()} & words
    assert offered == {"--log", "--quiet", "--color"} | {f"--{name.replace('_', '-')}" for name in TAKES[command]}
    assert "--version" in words


async def test_a_read_only_client_sends_nothing_that_changes_something():
    """The core holds it, for what no subcommand has checked."""
    sent = []

    def answer(request):
        sent.append((request.method, request.url.path))
        token = {"gateway_url": "http://127.0.0.1:9", "user_ns": "u", "job_id": "j", "token": "t", "is_vm": False}
        body = {**sandbox().model_dump(mode="json", by_alias=True), **token, "expires_at": "2099-01-01T00:00:00Z"}
        return httpx.Response(200, json={**body, "sandboxes": []})

    transport = httpx.MockTransport(answer)
    config = Config(api_key="k", base_url="http://127.0.0.1:9", read_only=True)
    async with AsyncSandboxClient(config=config, transport=transport, keep_tokens=False) as client:
        tries = [
            lambda: client.create(CreateSandboxRequest(name="x", docker_image="y")),
            lambda: client.delete("sbx"),
            lambda: client.bulk_delete(sandbox_ids=["sbx"]),
            lambda: client.execute_command("sbx", "true"),
            lambda: client.start_background_job("sbx", "true"),
            lambda: client.upload_bytes("sbx", "/x", b"y"),
            lambda: client.expose("sbx", 80),
            lambda: client.unexpose("sbx", "e"),
            lambda: client.create_ssh_session("sbx"),
        ]
        for attempt in tries:
            with pytest.raises(SandboxClientError, match="read-only"):
                await attempt()
        with pytest.raises(SandboxClientError, match="read-only"):
            async with client.connect_ssh("sbx"):
                pass
        await client.list()
    assert {method for method, path in sent if not path.endswith("/auth")} == {"GET"}


def test_a_real_command_line_ends_with_2():
    env = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"]}
    for words in (["--profile", "nope", "run", "", "--", "true"], ["run", "", "--profile", "nope", "--", "true"]):
        done = subprocess.run([sys.executable, "-m", "sandtui", *words], env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no profile 'nope'" in done.stderr


def test_the_namespace_of_the_dashboard_has_the_options(profiles):
    arguments = read(["--local"])
    assert isinstance(arguments, argparse.Namespace)
    assert arguments.options == Options(local=True)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["cp", "-p", "a", "b:c"], "preserve", True),
        (["cp", "--preserve", "a", "b:c"], "preserve", True),
        (["cp", "--keep", "a", "b:c"], "preserve", True),
        (["cp", "a", "b:c"], "preserve", False),
        (["run", "-j", "8", "#x", "--", "true"], "parallel", 8),
        (["run", "--parallel", "8", "#x", "--", "true"], "parallel", 8),
        (["run", "--at-once", "8", "#x", "--", "true"], "parallel", 8),
        (["run", "#x", "--", "true"], "parallel", None),
        (["serve", "--inject", "error=0.5"], "faults", "error=0.5"),
        (["serve", "--trouble", "error=0.5"], "faults", "error=0.5"),
        (["serve"], "faults", None),
    ],
)
def test_options_keep_their_former_names(profiles, words, name, value):
    assert getattr(read(words), name) == value


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
def test_an_invalid_number_is_refused_with_a_message(profiles, number):
    assert "expected a positive number" in outcome(["run", f"--parallel={number}", "#x", "--", "true"])
