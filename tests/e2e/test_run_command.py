"""``sandtui run`` as a script would call it, against the real local platform."""

import hashlib
import json
import os
import re
import signal
import subprocess

import pytest

from sandtui.client import APIClient, Config, CreateSandboxRequest, SandboxClient
from tests.e2e.test_create_command import SANDTUI


@pytest.fixture(scope="module")
def three(platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    with SandboxClient(APIClient(config=config), keep_tokens=False) as client:
        made = [
            client.create(
                CreateSandboxRequest(
                    name=f"run-{number}",
                    docker_image="python:3.11-slim",
                    labels=["e2e-run"],
                    environment_vars={"NUMBER": str(number)},
                )
            )
            for number in range(3)
        ]
        for sandbox in made:
            client.wait_for_creation(sandbox.id)
        yield [sandbox.id for sandbox in made]
        client.bulk_delete(sandbox_ids=[sandbox.id for sandbox in made])


def test_groups_exit_codes_and_files(run, three, tmp_path):
    same = run("run", "#e2e-run", "--", "echo", "a  b")
    assert (same.returncode, same.stderr) == (0, "")
    assert "── 3 identical, exit 0" in same.stdout
    assert "   a  b\n" in same.stdout, "several words are passed on as they are"
    text = 'if [ "$NUMBER" = 1 ]; then echo odd >&2; exit 4; fi; echo even'
    some = run("run", "#e2e-run", "--save", str(tmp_path / "out"), "--", text)
    assert some.returncode == 1
    assert "── 2 identical, exit 0" in some.stdout
    assert "── run-1, exit 4" in some.stdout
    results = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {row["id"] for row in results} == set(three)
    for option in (["--json"], ["--save", "-"]):
        failing = run("run", "#e2e-run", *option, "--", "exit 7")
        assert failing.returncode == 1
        assert [json.loads(line)["exit_code"] for line in failing.stdout.splitlines()] == [7, 7, 7]


def test_a_dry_run_lists_the_sandboxes_and_runs_nothing(run, three):
    mark = "rm -f /tmp/ran; "
    assert run("run", "#e2e-run", "--", mark + "true").returncode == 0
    listed = run("--read-only", "run", "#e2e-run", "--dry-run", "--", "touch /tmp/ran")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert {line.split()[0] for line in listed.stdout.splitlines()} == set(three)
    as_json = run("run", "#e2e-run", "--dry-run", "--json", "--", "touch /tmp/ran")
    assert {json.loads(line)["name"] for line in as_json.stdout.splitlines()} == {"run-0", "run-1", "run-2"}
    assert run("run", "#e2e-run", "--", "test ! -e /tmp/ran").returncode == 0


def test_wrong_usage_and_nothing_to_run_in(run):
    for arguments in (
        ["colour:red", "--", "true"],
        ["#no-such-label", "--", "true"],
        ["", "--timeout", "0", "--", "x"],
    ):
        result = run("run", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert "sandtui" in result.stderr


def test_a_platform_that_is_not_there(run):
    result = run("run", "x", "--", "true", PRIME_API_BASE_URL="http://127.0.0.1:9")
    assert result.returncode == 3
    assert "can't connect" in result.stderr


def test_ctrl_c_ends_the_commands_and_tells_what_came(run, three, platform_process, tmp_path):
    command = 'echo out; [ "$NUMBER" = 1 ] || exec sleep 62'
    process = subprocess.Popen(
        [*SANDTUI, "run", "#e2e-run", "--json", "--", command],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PRIME_API_KEY": platform_process.api_key,
            "PRIME_API_BASE_URL": platform_process.base_url,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert json.loads(process.stdout.readline())["name"] == "run-1"
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(timeout=30) == 130
    after = run("run", "#e2e-run", "--json", "--", "ps -e -o args | grep -c '[s]leep 62'")
    assert [json.loads(line)["stdout"] for line in after.stdout.splitlines()] == ["0\n"] * 3


def piped(platform_process, home, *words, data=b"", **options):
    return subprocess.run(
        [*SANDTUI, *words],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PRIME_API_KEY": platform_process.api_key,
            "PRIME_API_BASE_URL": platform_process.base_url,
        },
        capture_output=True,
        **(options or {"input": data}),
    )


def test_standard_input_reaches_each(three, platform_process, tmp_path):
    data = bytes(range(256)) * 300
    done = piped(platform_process, tmp_path, "run", "#e2e-run", "--", "md5sum; ls -A /tmp | grep -c stdin", data=data)
    assert b"3 identical, exit 1" in done.stdout
    assert hashlib.md5(data).hexdigest().encode() in done.stdout
    assert b"\n   0\n" in done.stdout, "nothing of it stays"
    (tmp_path / "file").write_bytes(b"from a file")
    with (tmp_path / "file").open("rb") as file:
        done = piped(platform_process, tmp_path, "run", "run-1", "--", "cat", stdin=file)
    assert (done.returncode, b"from a file" in done.stdout) == (0, True)
    for words, expected in ((["-n"], b""), (["--no-stdin"], b""), (["--stdin"], b"x")):
        done = piped(platform_process, tmp_path, "run", "--json", *words, "run-1", "--", "cat", data=b"x")
        assert json.loads(done.stdout)["stdout"].encode() == expected
    done = piped(platform_process, tmp_path, "run", "--json", "run-1", "--", "sh", "-c", "cat; exit 4", data=b"")
    assert json.loads(done.stdout)["exit_code"] == 4
    for stdin in (subprocess.DEVNULL, None):
        done = piped(platform_process, tmp_path, "run", "run-1", "--", "true", stdin=stdin)
        assert done.returncode == 0


def test_too_much_input_is_refused(platform_process, tmp_path):
    done = piped(platform_process, tmp_path, "run", "x", "--", "cat", data=bytes((16 << 20) + 1))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"longer than 16 MiB" in done.stderr


def test_many_are_asked_about(three, run):
    refused = run("run", "", "--", "true")
    assert (refused.returncode, refused.stdout) == (2, "")
    # Other tests may have left sandboxes of theirs on the same platform.
    told = re.search(r"(\d+) running sandboxes match an empty query: add --yes or --all", refused.stderr)
    assert told
    assert int(told[1]) >= 3
    for words in (["--yes", ""], ["--all"], ["--all", ""], ["-y", "  "]):
        done = run("run", *words, "--", "true")
        assert (done.returncode, f"{told[1]} identical" in done.stdout) == (0, True), done.stderr


def test_one_query_goes_before_the_dashes(three, run):
    for words, message in (
        (["a", "b", "--", "true"], "expected one QUERY before --"),
        (["--", "true"], "missing QUERY: write one before --"),
        (["#e2e-run", "--"], "missing COMMAND after --"),
        (["#e2e-run"], "missing COMMAND after --"),
        (["zqzq", "--", "true"], "no running sandbox matches"),
        (["sbx_", "--", "true"], "no running sandbox matches"),
    ):
        refused = run("run", *words)
        assert refused.returncode == 2
        assert message in refused.stderr
    done = run("run", "--json", "--", "-run-2 -run-0 #e2e-run", "--", "echo", "--", "x")
    assert [json.loads(line)["stdout"] for line in done.stdout.splitlines()] == ["-- x\n"]


def test_another_user_runs_it_with_the_same_input(three, platform_process, tmp_path):
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "PRIME_API_KEY": platform_process.api_key,
        "PRIME_API_BASE_URL": platform_process.base_url,
    }
    done = subprocess.run(
        [*SANDTUI, "run", "#e2e-run", "-u", "nobody", "--json", "--", "id -un; cat"],
        input=b"given\n", capture_output=True, env=env, timeout=120,
    )  # fmt: skip
    assert [json.loads(line)["exit_code"] for line in done.stdout.splitlines()] == [0, 0, 0], done.stderr
    assert all(json.loads(line)["stdout"].startswith("nobody\ngiven\n") for line in done.stdout.splitlines())
    left = subprocess.run(
        [*SANDTUI, "run", "#e2e-run", "-n", "--json", "--", "ls -A /tmp | grep -c sandtui-stdin"],
        capture_output=True, env=env, timeout=120,
    )  # fmt: skip
    assert [json.loads(line)["stdout"] for line in left.stdout.splitlines()] == ["0\n"] * 3
