"""`exec`, `shell` without a terminal, `jobs`, `ports`, `forward` and `egress` against a real platform."""

import json
import os
import select
import signal
import subprocess
import urllib.request

import pytest

from sandtui.client import APIClient, Config, CreateSandboxRequest, SandboxClient
from tests.e2e.terminal import Terminal
from tests.e2e.test_create_command import SANDTUI

pytestmark = pytest.mark.timeout(300)

KINDS = ["exec-container", "exec-vm"]


@pytest.fixture(scope="module")
def boxes(platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    with SandboxClient(APIClient(config=config), keep_tokens=False) as client:
        made = [
            client.create(CreateSandboxRequest(name=name, docker_image="python:3.11-slim", vm=name == "exec-vm"))
            for name in KINDS
        ]
        for sandbox in made:
            client.wait_for_creation(sandbox.id)
        yield client
        client.bulk_delete(sandbox_ids=[sandbox.id for sandbox in made])


@pytest.fixture
def env(platform_process, tmp_path):
    return {
        **os.environ,
        "HOME": str(tmp_path),
        "PRIME_API_KEY": platform_process.api_key,
        "PRIME_API_BASE_URL": platform_process.base_url,
    }


@pytest.fixture
def sandtui(env):
    def call(*words, **options):
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        if options["stdin"] is None:
            del options["stdin"]
        return subprocess.run([*SANDTUI, *words], capture_output=True, env=env, timeout=120, **options)

    return call


@pytest.mark.parametrize("name", KINDS)
def test_streams_and_exit_codes_are_those_of_the_command(name, boxes, sandtui):
    done = sandtui("exec", name, "--", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    words = sandtui("exec", name, "-w", "/tmp", "-e", "A=a  b", "--", "sh", "-c", 'pwd; echo "$A"; echo "$1"', "x", "*")
    assert (words.returncode, words.stdout) == (0, b"/tmp\na  b\n*\n"), words.stderr
    # Nothing is changed on the way, whatever it would do to a terminal.
    rude = sandtui("exec", name, "--", r"printf '\033]0;x\007\377\000'")
    assert rude.stdout == b"\x1b]0;x\x07\xff\x00"


@pytest.mark.parametrize("name", KINDS)
def test_input_of_any_size_goes_through_and_ends(name, boxes, sandtui, tmp_path):
    data = os.urandom(1_000_000)
    assert sandtui("exec", name, "--", "cat", input=data).stdout == data
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open("rb") as source:
        assert sandtui("exec", name, "--", "wc", "-c", stdin=source).stdout.split() == [b"1000000"]
    # One that reads less, or nothing, is not waited for.
    assert sandtui("exec", name, "--", "head -c 3", input=data).stdout == data[:3]
    assert sandtui("exec", name, "--no-stdin", "--", "cat; echo end", input=data).stdout == b"end\n"


@pytest.mark.parametrize("name", KINDS)
def test_another_user_runs_it(name, boxes, sandtui):
    found = sandtui("exec", name, "-u", "nobody", "--", "id -un; cat", input=b"given\n")
    assert (found.returncode, found.stdout) == (0, b"nobody\ngiven\n"), found.stderr


@pytest.mark.parametrize("name", KINDS)
def test_output_and_input_pass_while_it_runs(name, boxes, env):
    command = [*SANDTUI, "exec", name, "--", "echo ready; while read l; do echo got $l; done; echo bye"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"got " + word + b"\n"
        process.stdin.close()
        assert process.stdout.read() == b"bye\n"
        assert process.wait(60) == 0


@pytest.mark.parametrize("name", KINDS)
def test_ctrl_c_stops_the_command_and_says_so(name, boxes, env, sandtui):
    command = [*SANDTUI, "exec", name, "--", "echo $$; exec sleep 4321"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        pid = process.stdout.readline().strip().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().decode() == f"sandtui: interrupted: the command in {name} was stopped\n"
    assert sandtui("exec", name, "--", f"kill -0 {pid}").returncode != 0


def test_a_closed_pipe_ends_it_in_silence(boxes, env):
    command = [*SANDTUI, "exec", "exec-container", "--", "yes"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


@pytest.mark.parametrize("name", KINDS)
async def test_with_a_terminal_it_has_its_size_and_its_keys(name, boxes, env):
    command = [*SANDTUI, "exec", "-it", name, "--", "stty size; read x; echo got $x; read y; exit 9"]
    async with Terminal(command, env, columns=100, lines=30) as terminal:
        await terminal.until("30 100")
        terminal.write("hello\r")
        await terminal.until("got hello")
        terminal.write("\r")
        assert await terminal.ended() == 9


@pytest.mark.parametrize("name", KINDS)
def test_a_shell_without_a_terminal_reads_its_commands(name, boxes, sandtui):
    done = sandtui("shell", name, input=b"cd /tmp\npwd\nexit 4\n")
    assert (done.returncode, done.stdout) == (4, b"/tmp\n"), done.stderr
    assert sandtui("shell", name, "--", "echo", "a  b").stdout == b"a  b\n"
    refused = sandtui("shell", name)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"needs a terminal" in refused.stderr


@pytest.mark.parametrize("name", KINDS)
def test_jobs_from_start_to_end(name, boxes, sandtui):
    text = "echo out; echo err >&2; until [ -e /tmp/go ]; do sleep 0.1; done; echo last $B; exit 3"
    started = sandtui("jobs", "start", name, "-e", "B=b", "-o", "json", "--", text)
    (job,) = json.loads(started.stdout)
    assert (started.returncode, job["state"], job["command"]) == (0, "running", text), started.stderr
    listed = json.loads(sandtui("jobs", "ls", name, "-o", "json").stdout)
    assert [each["job_id"] for each in listed] == [job["job_id"]]
    assert sandtui("exec", name, "--", "touch /tmp/go").returncode == 0
    followed = sandtui("jobs", "logs", "-f", name, job["job_id"][:5])
    assert (followed.returncode, followed.stdout, followed.stderr) == (0, b"out\nlast b\n", b"err\n")
    assert sandtui("jobs", "logs", name, "--stderr").stdout == b""
    assert sandtui("jobs", "logs", f"{job['sandbox_id']}/{job['job_id']}", "--tail", "1").stdout == b"last b\n"
    (over,) = json.loads(sandtui("jobs", "ls", name, "-o", "json").stdout)
    # What the sandbox no longer knows is kept here, as the dashboard does.
    assert (over["state"], over["exit_code"], over["command"]) == ("failed", 3, text)
    (sleeping,) = json.loads(sandtui("jobs", "start", name, "-o", "json", "--", "sleep 999").stdout)
    stopped = sandtui("jobs", "stop", name, sleeping["job_id"], "-o", "json")
    assert (stopped.returncode, json.loads(stopped.stdout)[0]["state"]) == (0, "failed"), stopped.stderr
    none = sandtui("jobs", "stop", name, "--all")
    assert (none.returncode, b"no running jobs" in none.stderr) == (2, True)


def test_ports_are_exposed_and_forwarded(boxes, env, sandtui):
    serve = "cd $(mktemp -d); echo hi > index.html; python3 -m http.server 8000 >/dev/null 2>&1"
    assert sandtui("jobs", "start", "exec-container", "--", serve).returncode == 0
    asks = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000))' 2>/dev/null"
    wait = f"until {asks}; do sleep 0.1; done"
    assert sandtui("exec", "exec-container", "--", wait).returncode == 0
    url = sandtui("ports", "expose", "exec-container", "8000", "-o", "name").stdout.decode().strip()
    assert urllib.request.urlopen(url, timeout=30).read() == b"hi\n"
    command = [*SANDTUI, "forward", "exec-container", "8000", "--any-port", "-o", "jsonl"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert select.select([process.stdout], [], [], 60)[0]
        address = json.loads(process.stdout.readline())["address"]
        assert urllib.request.urlopen(f"http://{address}", timeout=30).read() == b"hi\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b"sandtui: 1 forward closed\n"
    assert sandtui("ports", "rm", "exec-container", "8000").returncode == 0
    assert sandtui("ports", "ls", "exec-container").stdout == b""


def test_egress_is_changed_while_it_runs(boxes, sandtui):
    done = sandtui("egress", "exec-vm", "--deny", "10.0.0.0/8", "*.bad.example", "-o", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["deny"], found["allow"]) == (0, ["10.0.0.0/8", "*.bad.example"], None)
    assert b"deny 10.0.0.0/8 *.bad.example" in sandtui("egress", "exec-vm").stdout
    assert json.loads(sandtui("egress", "exec-vm", "--clear", "-o", "json").stdout)["deny"] == []
