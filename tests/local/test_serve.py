"""``serve`` and ``local`` as real processes."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandtui.local import interpreter, service
from sandtui.local.files import LOCK_NAME
from sandtui.local.settings import LocalError, NothingIsolatesError, PlatformSettings
from sandtui.locks import is_held
from tests.local.support import GIVE_UP_SECONDS, cleared, processes_of

PROGRAM = [sys.executable, "-m", "sandtui.local"]


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, **options)


@contextmanager
def serving(
    state_dir: Path, *arguments: str, prefix: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, dict[str, Any]]]:
    process = subprocess.Popen(
        [*prefix, *PROGRAM, "serve", "--state-dir", str(state_dir), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        info = json.loads(line)
        headers = {"authorization": f"Bearer {info['api_key']}"}
        with httpx.Client(base_url=f"{info['base_url']}/api/v1", headers=headers, timeout=60) as client:
            yield process, client, info
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def running(client: httpx.Client, **fields: Any) -> str:
    body = {"name": "box", "docker_image": "i", **fields}
    sandbox_id = client.post("/sandbox", json=body).json()["id"]
    return until(client, sandbox_id, "RUNNING")["id"]


def until(client: httpx.Client, sandbox_id: str, status: str) -> dict[str, Any]:
    end = time.monotonic() + GIVE_UP_SECONDS
    while (found := client.get(f"/sandbox/{sandbox_id}").json())["status"] != status:
        assert time.monotonic() < end, found
        time.sleep(0.005)
    return found


def execute(client: httpx.Client, sandbox_id: str, command: str) -> dict[str, Any]:
    token = client.post(f"/sandbox/{sandbox_id}/auth").json()
    url = f"{token['gateway_url']}/{token['user_ns']}/{token['job_id']}/exec"
    headers = {"authorization": f"Bearer {token['token']}"}
    reply = httpx.post(url, json={"command": command}, headers=headers, timeout=60)
    assert reply.status_code == 200, reply.text
    return reply.json()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_announces_itself_and_stops_cleanly(state_dir: Path, number: int) -> None:
    with serving(state_dir) as (process, client, info):
        assert {"base_url", "api_key", "pid", "driver", "isolation", "warning"} == info.keys()
        assert info["pid"] == process.pid
        assert info["base_url"].startswith("http://127.0.0.1:")
        box = running(client)
        assert execute(client, box, "echo hi")["stdout"] == "hi\n"
        agents = processes_of(state_dir)
        assert len(agents) >= 2
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert processes_of(state_dir) == []
    assert list((state_dir / "sandboxes").iterdir()) == []
    for path in state_dir.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    with serving(state_dir) as (_, client, again):
        assert again["api_key"] != info["api_key"], "whoever was sent the old key has nothing"
        old = {"authorization": f"Bearer {info['api_key']}"}
        assert client.get(f"/sandbox/{box}", headers=old).status_code == 401
        found = client.get(f"/sandbox/{box}").json()
        assert (found["status"], found["terminationReason"]) == ("TERMINATED", "The platform was stopped.")


def test_a_command_that_runs_when_the_platform_stops_learns_why(state_dir: Path) -> None:
    with serving(state_dir) as (process, client, _):
        box = running(client)
        token = client.post(f"/sandbox/{box}/auth").json()
        url = f"{token['gateway_url']}/{token['user_ns']}/{token['job_id']}/exec"
        command = {"command": "echo > /tmp/began; sleep 300", "timeout": 600}
        headers = {"authorization": f"Bearer {token['token']}"}
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(httpx.post, url, json=command, headers=headers, timeout=60)
            execute(client, box, "while ! test -e /tmp/began; do sleep 0.02; done")
            process.terminate()
            reply = waiting.result(timeout=30)
        out, err = process.communicate(timeout=30)
    assert reply.status_code == 500
    assert "is stopping" in reply.json()["detail"]
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("driver", ["auto", "process"])
def test_a_killed_platform_finds_its_sandboxes_again(state_dir: Path, driver: str) -> None:
    with serving(state_dir, "--driver", driver) as (process, client, _):
        kept = running(client, start_command="echo one > marker; exec sleep 300", secrets={"S": "hidden"})
        lost = running(client)
        ended = running(client, start_command="while ! test -e go; do sleep 0.02; done; exit 4")
        deleted = running(client)
        assert client.delete(f"/sandbox/{deleted}").status_code == 200
        half = client.post("/sandbox", json={"name": "half", "docker_image": "i"}).json()["id"]
        process.kill()
        process.wait()
    logs = {pid: str(Path(f"/proc/{pid}/fd/2").readlink()) for pid in processes_of(state_dir)}
    (victim,) = {pid for pid, log in logs.items() if lost in log}
    os.kill(victim, signal.SIGKILL)
    stray = state_dir / "sandboxes" / "sbx_stray"
    (stray / "root" / "deep").mkdir(parents=True)
    with serving(state_dir, "--driver", driver) as (_, client, _):
        rows = {row["id"]: row for row in client.get("/sandbox").json()["sandboxes"]}
        assert rows.keys() == {kept, lost, ended, deleted, half}
        assert rows[kept]["status"] == "RUNNING"
        assert execute(client, kept, "cat marker; echo $S")["stdout"] == "one\nhidden\n"
        assert (rows[lost]["status"], rows[lost]["errorType"]) == ("ERROR", "SANDBOX_LOST")
        assert rows[deleted]["status"] == "TERMINATED"
        until(client, half, "RUNNING")
        execute(client, ended, "touch go")
        assert until(client, ended, "ERROR")["exitCode"] == 4
        assert not stray.exists()
        asyncio.run(cleared(state_dir, kept, half))
    assert processes_of(state_dir) == []


def test_a_second_serve_names_the_first(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "simulated") as (process, _, _):
        second = program("serve", "--state-dir", str(state_dir), "--driver", "simulated")
        assert (second.returncode, second.stdout) == (1, "")
        assert f"process {process.pid}" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_port_in_use_is_reported_with_a_message(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = program("serve", "--state-dir", str(state_dir), "--port", str(port))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert f"port {port}" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--port", "x"], ["--port", "70000"], ["--driver", "magic"], ["--fleet", "-1"], ["--nonsense"]],
)
def test_wrong_usage_is_2(state_dir: Path, arguments: list[str]) -> None:
    failed = program("serve", "--state-dir", str(state_dir), *arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "usage:" in failed.stderr


def test_places_that_cannot_be_used_are_named(state_dir: Path) -> None:
    state_dir.mkdir()
    (state_dir / "file").write_text("")
    used = program("serve", "--state-dir", str(state_dir / "file"))
    below = program("serve", "--state-dir", str(state_dir / "file" / "below"))
    state_dir.chmod(0o755)
    shared = program("serve", "--state-dir", str(state_dir))
    proc = program("serve", "--state-dir", "/proc/no-such-place")
    address = program("serve", "--state-dir", str(state_dir / "new"), "--host", "192.0.2.77")
    fleet = program("serve", "--state-dir", str(state_dir / "new"), "--fleet", "5")
    for failed in (used, below, shared, proc, address, fleet):
        assert (failed.returncode, failed.stdout) == (1, "")
        assert failed.stderr.startswith("sandtui: ")
        assert "Traceback" not in failed.stderr
    assert state_dir.stat().st_mode & 0o777 == 0o755


def test_a_spoiled_database_is_named(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (state_dir / "platform.sqlite3").write_bytes(b"this is no database, " * 100)
    failed = program("serve", "--state-dir", str(state_dir), "--driver", "process")
    assert failed.returncode == 1
    assert "platform.sqlite3" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_local_env_status_and_stop(state_dir: Path) -> None:
    where = ["--state-dir", str(state_dir)]
    assert program("local", "status", *where).stdout == "The local platform is not running.\n"
    for option in (["--json"], ["-o", "json"]):
        assert json.loads(program("local", "status", *option, *where).stdout) == {"running": False}
    first = program("local", "env", *where)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("export PRIME_API_BASE_URL=http://127.0.0.1:")
    assert program("local", "env", *where).stdout == first.stdout
    names = "$PRIME_API_BASE_URL $PRIME_API_KEY $PRIME_USER_ID"
    shell = f'eval "$({" ".join(PROGRAM)} local env {" ".join(where)})"; echo "{names}"'
    url, key, user = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True).stdout.split()
    with httpx.Client(base_url=f"{url}/api/v1", headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        box = running(client)
        assert client.get("/user/whoami").json()["data"]["id"] == user
    status = json.loads(program("local", "status", "--json", *where).stdout)
    assert status["running"] is True
    assert "disk" in status["isolation"]
    assert f"Isolation: {status['isolation']}\n" in program("local", "status", *where).stdout
    assert key not in json.dumps(status)
    assert os.getsid(status["pid"]) == status["pid"]
    assert len(processes_of(state_dir)) >= 2
    stopped = program("local", "stop", *where)
    assert (stopped.returncode, str(status["pid"]) in stopped.stdout) == (0, True)
    assert processes_of(state_dir) == []
    assert not alive(status["pid"])
    assert program("local", "stop", *where).stdout == "The local platform was not running.\n"
    assert box not in (state_dir / "platform.log").read_text()
    assert (state_dir / "platform.log").stat().st_mode & 0o077 == 0
    assert not (state_dir / "endpoint.json").exists()


def test_stop_ends_the_sandboxes_of_a_killed_platform(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "auto") as (process, client, _):
        running(client)
        process.kill()
        process.wait()
    assert processes_of(state_dir)
    assert "and its sandboxes were stopped" in program("local", "stop", "--state-dir", str(state_dir)).stdout
    assert processes_of(state_dir) == []
    assert service.stop(PlatformSettings(state_dir=state_dir)) is None


def test_stop_waits_for_a_platform_that_is_starting(state_dir: Path) -> None:
    command = [*PROGRAM, "serve", "--port", "0", "--state-dir", str(state_dir), "--driver", "simulated"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (state_dir / LOCK_NAME).exists() or not is_held(state_dir / LOCK_NAME):
            assert process.poll() is None
            time.sleep(0.001)
        stopped = service.stop(PlatformSettings(state_dir=state_dir))
        assert stopped is not None and stopped.pid == process.pid
    assert process.returncode == 0


def test_callers_at_the_same_time_get_the_same_platform(state_dir: Path) -> None:
    settings = PlatformSettings(state_dir=state_dir, driver="simulated")
    found: list[service.Endpoint] = []
    threads = [threading.Thread(target=lambda: found.append(service.ensure(settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(found) == 4
        assert len(set(found)) == 1
        assert found[0].api_key not in repr(found[0])
    finally:
        service.stop(settings)
    assert service.find(settings) is None


def test_a_platform_on_demand_ends_on_its_own(state_dir: Path) -> None:
    settings = PlatformSettings(state_dir=state_dir, driver="process", idle_exit=0.3)
    endpoint = service.ensure(settings)
    end = time.monotonic() + GIVE_UP_SECONDS
    while alive(endpoint.pid):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert service.find(settings) is None
    assert "stops" in (state_dir / "platform.log").read_text()


def test_a_platform_that_cannot_start_quotes_its_log(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (state_dir / "platform.sqlite3").write_bytes(b"this is no database, " * 100)
    with pytest.raises(LocalError, match=r"(?s)did not start.*platform\.sqlite3"):
        service.ensure(PlatformSettings(state_dir=state_dir, driver="process"))


def test_a_stale_endpoint_is_not_believed(state_dir: Path) -> None:
    with serving(state_dir, "--driver", "simulated") as (process, _, _):
        text = (state_dir / "endpoint.json").read_text()
        process.kill()
        process.wait()
    assert service.find(PlatformSettings(state_dir=state_dir)) is None
    (state_dir / "endpoint.json").write_text(text)
    assert service.stop(PlatformSettings(state_dir=state_dir)) is None


def test_the_agent_needs_only_the_standard_library() -> None:
    agent = Path(service.__file__).parent / "agent" / "__main__.py"
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    ours, theirs = socket.socketpair()
    with ours, subprocess.Popen([python, "-I", "-S", str(agent)], stdin=theirs, stderr=subprocess.PIPE) as process:
        theirs.close()
        assert ours.recv(1) == b"r", process.communicate()
        ours.close()
        assert (process.communicate()[1], process.returncode) == (b"", 0)


def test_whatever_is_not_kept_apart_is_said_on_every_way_in(state_dir: Path) -> None:
    for arguments in (
        ["--driver", "process"],
        ["--driver", "namespace", "--share-network"],
        ["--driver", "namespace", "--allow-nested"],
    ):
        with serving(state_dir, *arguments) as (process, _, info):
            assert info["warning"]
            for command in ("status", "env"):
                done = program("local", command, "--state-dir", str(state_dir))
                assert (done.returncode, done.stderr) == (0, f"sandtui: warning: {info['warning']}\n"), command
            process.terminate()
            assert f"sandtui: warning: {info['warning']}\n" in process.communicate(timeout=30)[1]


def plant(folder: Path, mark: Path) -> None:
    """Put files into a directory that leave a mark when they are imported."""
    folder.mkdir(exist_ok=True)
    names = ("ipaddress", "asyncio", "socket", "struct", "json", "ctypes", "selectors", "site", "uvicorn", "encodings")
    for name in (*names, "sitecustomize", "usercustomize", "typing", "os", "runpy"):
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write(__name__ + '\\n')\n")
    for package in ("sandtui", "sandtui/local", "sandtui/local/network"):
        (folder / package).mkdir()
        for name in ("__init__", "__main__", "worker"):
            (folder / package / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write(__file__ + '\\n')\n")


@pytest.mark.parametrize("given", ["", ".", ":", "lib", "lib:/abs", ":/abs:", "./x:../y:/abs", "~/x"])
def test_no_entry_of_the_path_depends_on_the_directory(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("PYTHONPATH", given)
    source, *entries = interpreter.environment()["PYTHONPATH"].split(os.pathsep)
    assert (Path(source) / "sandtui" / "__init__.py").is_file()
    assert entries == (["/abs"] if "/abs" in given else [])


def test_every_start_of_an_interpreter_says_what_it_does_not_import() -> None:
    """A child that is added later must be started the same way."""
    package = Path(service.__file__).resolve().parent.parent
    known = {
        "cli/web.py": "-P",
        "local/interpreter.py": "-P",
        "local/control/builds.py": "-I",
        "local/drivers/checkpoints.py": "-I",
        "local/drivers/launcher.py": "-I",
        "local/drivers/machine_python.py": "-I",
    }
    found = set()
    for path in package.rglob("*.py"):
        text = path.read_text()
        name = str(path.relative_to(package))
        if "sys.executable" in text or "INTERPRETER" in text or '"-m", "sandtui' in text or "multiprocessing" in text:
            found.add(name)
            assert f'"{known[name]}"' in text, name
        if "module_command(" in text and name != "local/interpreter.py":
            assert text.count("cwd=DIRECTORY") == text.count("module_command(") == text.count("env=environment()"), name
    assert found == set(known)


def test_no_own_interpreter_runs_code_from_the_current_directory(state_dir: Path, tmp_path: Path) -> None:
    """Where the program was started may belong to anyone: a file there that is named like a module is not run."""
    plant(tmp_path, tmp_path / "ran")
    plant(tmp_path / "lib", tmp_path / "ran")
    arguments = [sys.executable, "-P", "-m", "sandtui.local", "local"]
    options: dict[str, Any] = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60}
    for path in ("", ".", ":", "lib", f"lib::{tmp_path.parent}", "./lib"):
        env = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": ""} if path else os.environ
        # The first interpreter is the user's own choice, with whatever path it has; its children are ours.
        settings = PlatformSettings(state_dir=state_dir)
        code = (
            f"import sys; sys.path = [p for p in sys.path if p and not p.startswith({str(tmp_path)!r})]; "
            "from sandtui.local import service; from sandtui.local.settings import PlatformSettings; "
            "from pathlib import Path; "
            f"print(service.ensure(PlatformSettings(state_dir=Path({str(settings.state_dir)!r}))).base_url)"
        )
        # The path is the user's from here on: what it holds was run before the program could do anything about it.
        own = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p and not p.startswith(str(tmp_path)))}
        code = f"import os; os.environ['PYTHONPATH'] = {env.get('PYTHONPATH', '')!r}; {code}"
        started = subprocess.run([sys.executable, "-P", "-c", code], env={**env, **own}, **options)
        try:
            assert started.returncode == 0, started.stderr
            endpoint = service.find(settings)
            assert endpoint is not None
            headers = {"authorization": f"Bearer {endpoint.api_key}"}
            with httpx.Client(base_url=f"{endpoint.base_url}/api/v1", headers=headers, timeout=60) as client:
                # With a network, so that the worker runs as well.
                assert execute(client, running(client), "echo in")["stdout"] == "in\n"
        finally:
            subprocess.run([*arguments, "stop", "--state-dir", str(state_dir)], **options)
        assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()


@pytest.fixture
def nothing_isolates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without namespaces and engines, for the programs that are started; the file says what a trial does."""
    trial = tmp_path / "trial"
    trial.write_text("return 'unshare: Operation not permitted'")
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'sandtui' in ' '.join(sys.orig_argv) and '-I' not in sys.orig_argv:\n"
        "    from sandtui.local.drivers import selection\n"
        "    async def no_engine(): return None\n"
        "    async def probe(state_dir, **_):\n"
        "        from sandtui.local.drivers.base import DriverError\n"
        f"        {trial.read_text()}\n"
        "    selection.find_engine, selection.probe = no_engine, probe\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(Path(service.__file__).parents[2])]))
    return folder / "sitecustomize.py"


def test_where_nothing_isolates_the_driver_has_to_be_named(state_dir: Path, nothing_isolates: Path) -> None:
    where = ["--state-dir", str(state_dir)]
    for command in (["serve"], ["local", "env"], ["serve", "--driver", "auto"], ["local", "env", "--driver", "auto"]):
        failed = program(*command, *where)
        assert (failed.returncode, failed.stdout) == (1, ""), command
        assert failed.stderr.startswith("sandtui: Nothing on this machine can isolate sandboxes"), command
        assert "`sandtui local env --driver process`" in failed.stderr, command
        assert "Traceback" not in failed.stderr, command
        assert service.find(PlatformSettings(state_dir=state_dir)) is None
    with pytest.raises(NothingIsolatesError, match="--driver process"):
        service.ensure(PlatformSettings(state_dir=state_dir))
    try:
        named = program("local", "env", "--driver", "process", *where)
        assert (named.returncode, named.stdout[:7]) == (0, "export "), named.stderr
        assert "NOT isolated" in named.stderr
        # What runs is used, and everyone is told.
        assert "NOT isolated" in program("local", "env", *where).stderr
        # Who wants it isolated does not get what is not.
        other = program("local", "env", "--driver", "namespace", *where)
        assert (other.returncode, other.stdout) == (1, "")
        assert "uses the process driver, not namespace" in other.stderr
    finally:
        service.stop(PlatformSettings(state_dir=state_dir))


@pytest.mark.parametrize("fault", ["raise DriverError('the agent: No module named struct')", "import no_such_module"])
def test_a_trial_that_breaks_is_no_reason_to_isolate_nothing(
    state_dir: Path, nothing_isolates: Path, fault: str
) -> None:
    text = nothing_isolates.read_text()
    nothing_isolates.write_text(text.replace("return 'unshare: Operation not permitted'", fault))
    with pytest.raises(LocalError, match=r"(?i)no.module") as caught:
        service.ensure(PlatformSettings(state_dir=state_dir))
    assert not isinstance(caught.value, NothingIsolatesError)
    assert service.find(PlatformSettings(state_dir=state_dir)) is None


def test_private_networks_are_allowed_by_name_alone(state_dir: Path) -> None:
    for text in ("example.com", "fd00::/8", "10.0.0.0/40", ""):
        failed = program("serve", "--state-dir", str(state_dir), "--allow-private", text)
        assert failed.returncode == 2, text
        assert "is not an IPv4 address or network" in failed.stderr, text
