import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from sandtui.cli.doctor import drivers, machine, platform, terminal
from sandtui.cli.program import main
from sandtui.config.paths import Paths
from sandtui.local.drivers.selection import Mode
from sandtui.local.settings import LocalError

ROOT = Path(__file__).parents[2]


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    def fileno(self):
        raise OSError("no terminal here")


def seen(findings):
    return {finding.name: finding for finding in findings}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SANDTUI_PROFILE", raising=False)
    for name in ("PRIME_API_KEY", "PRIME_API_BASE_URL", "PRIME_BASE_URL", "PRIME_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return Paths(tmp_path / "config", tmp_path / "state")


@pytest.mark.parametrize(
    ("environ", "name", "state", "words"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "colors", "ok", "16 million"),
        ({"TERM": "xterm-256color"}, "colors", "ok", "256"),
        ({"TERM": "linux"}, "colors", "warning", "16"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "colors", "ok", "NO_COLOR"),
        ({"TERM": "dumb"}, "terminal", "error", "dumb"),
        ({"TERM": "xterm", "TMUX": "x"}, "terminal", "ok", "inside tmux"),
        ({"TERM": "xterm", "TMUX": "x"}, "clipboard", "warning", "OSC 52"),
    ],
)
def test_what_the_terminal_can_do(environ, name, state, words):
    found = seen(terminal.examine(environ, Screen()))[name]
    assert found.state == state
    assert words in found.text
    assert bool(found.fix) or state == "ok"


@pytest.mark.parametrize(("output", "preferred", "state"), [("utf-8", "UTF-8", "ok"), ("ascii", "ASCII", "error")])
def test_the_encodings_of_output_and_locale(output, preferred, state, monkeypatch):
    monkeypatch.setattr(Screen, "encoding", output)
    monkeypatch.setattr("locale.getpreferredencoding", lambda _: preferred)
    assert seen(terminal.examine({"TERM": "xterm"}, Screen()))["unicode"].state == state


NO_UTF8 = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
EXAMINE = (
    "import os, sys; from sandtui.cli.doctor.terminal import examine; "
    "found = {each.name: each for each in examine(os.environ, sys.stdout)}['unicode']; "
    "sys.stdout.buffer.write(f'{found.state}|{found.text}|{found.fix}'.encode())"
)


@pytest.mark.parametrize(
    "changes",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "utf-16"},
        {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "1"},
        {"LC_ALL": "C", **NO_UTF8},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"LANG": "de_DE.ISO-8859-1", **NO_UTF8},
        {"LC_CTYPE": "en_US.ISO-8859-15", **NO_UTF8},
        {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C", **NO_UTF8},
    ],
)
def test_what_is_to_be_done_about_the_letters_helps(changes, clean_home):
    env = {"HOME": str(clean_home), "PATH": os.environ["PATH"], "TERM": "xterm", "PY": sys.executable, "X": EXAMINE}

    def shell(before):
        done = subprocess.run(
            ["sh", "-c", f'{before}"$PY" -c "$X"'], env={**env, **changes}, capture_output=True, check=True, cwd=ROOT
        )
        return done.stdout.decode().split("|")

    state, words, fix = shell("")
    assert state == "error"
    assert changes.get("PYTHONIOENCODING", "encoding").partition(":")[0] in words
    assert fix
    assert shell(f"{fix}; ")[0] == "ok"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_no_letter_ends_a_subcommand(encoding, clean_home):
    settings = clean_home / ".config" / "sandtui" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[profiles.a]\nbase_url = 'http://\u4f60.test'\nkey = 'k'\n", encoding="utf-8")
    env = {"HOME": str(clean_home), "PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "sandtui", "config", "check"]
    done = subprocess.run(command, env=env, capture_output=True, cwd=ROOT, check=True)
    assert b"http://\\u4f60.test" in done.stdout
    assert done.stderr == b""


async def examine(paths, answer=None, profile=""):
    transport = None if answer is None else httpx.MockTransport(answer)
    return seen([finding async for finding in platform.examine(paths, profile, transport)])


def answering(status=200, body=None, off=0.0):
    def answer(request):
        date = format_datetime(datetime.now(UTC) - timedelta(seconds=off), usegmt=True)
        if request.url.path == "/":
            return httpx.Response(404, headers={"Date": date})
        return httpx.Response(status, json=body or {"sandboxes": [], "total": 7, "page": 1, "per_page": 1})

    return answer


def drop(request):
    raise httpx.ConnectError("no route")


async def test_without_anything_the_local_platform_is_meant(paths):
    found = await examine(paths)
    assert set(found) == {"settings", "context"}
    assert "local" in found["context"].text
    assert "config init" in found["settings"].fix


async def test_a_settings_file_that_is_wrong_ends_the_examination(paths):
    paths.settings.parent.mkdir()
    paths.settings.write_text("[profiles.a]\ncolour = 1\n")
    found = await examine(paths)
    assert set(found) == {"settings"}
    assert "line 2" in found["settings"].text


async def test_a_platform_that_serves(paths, monkeypatch):
    monkeypatch.setenv("PRIME_API_KEY", "hunter2-key")
    found = await examine(paths, answering())
    assert {finding.state for finding in found.values()} == {"ok"}
    assert "7" in found["permission"].text
    assert not any("hunter2" in f"{finding.text}{finding.fix}" for finding in found.values())


@pytest.mark.parametrize(
    ("answer", "name", "words"),
    [
        (drop, "connection", "cannot reach"),
        (answering(401, {"detail": "bad key"}), "permission", "bad key"),
        (answering(403, {"detail": "scope"}), "permission", "scope"),
        (answering(off=300), "clock", "ahead of"),
        (answering(off=-300), "clock", "behind"),
    ],
)
async def test_what_is_wrong_is_reported_with_how_to_fix_it(paths, monkeypatch, answer, name, words):
    monkeypatch.setenv("PRIME_API_KEY", "k")
    found = (await examine(paths, answer))[name]
    assert found.state == "error"
    assert words in found.text
    assert found.fix


async def test_a_variable_that_keeps_from_the_platform_is_named(paths, monkeypatch):
    monkeypatch.setenv("PRIME_API_KEY", "key-of-the-test")
    monkeypatch.setenv("HTTPS_PROXY", "foo://user:secret@proxy")
    found = seen([finding async for finding in platform.examine(paths, "", None)])
    assert found["connection"].state == "error"
    assert "HTTPS_PROXY names" in found["connection"].text
    assert "secret" not in str(found)


async def test_a_profile_without_a_key_and_keys_that_do_not_hold(paths):
    paths.settings.parent.mkdir()
    paths.settings.write_text("[keys]\n'fleet.x' = 'x'\n[profiles.a]\nkey_env = 'NO_SUCH_VARIABLE'\n")
    found = await examine(paths, profile="a")
    assert found["key"].state == "error"
    assert "NO_SUCH_VARIABLE" in found["key"].text
    assert "fleet.x" in found["keys"].text


def test_files_that_others_can_read(paths, tmp_path):
    paths.settings.parent.mkdir()
    paths.settings.write_text("")
    paths.settings.chmod(0o644)
    found = seen(machine.files(paths, tmp_path))
    assert found["config"].state == found["state"].state == "ok"
    assert found["secrets"].fix == f"chmod 600 {paths.settings}"
    (tmp_path / "file").write_text("")
    found = seen(machine.files(Paths(tmp_path / "file" / "x", tmp_path / "s"), tmp_path))
    assert found["config"].state == "error"


def test_the_version_of_python():
    assert machine.python().state == "ok"


def test_the_whole_command(paths, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(paths.config))
    monkeypatch.setenv("PRIME_API_KEY", "k")
    monkeypatch.setenv("PRIME_API_BASE_URL", "http://127.0.0.1:9")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "✖ connection" in shown
    assert "-> Check the network" in shown


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (Mode(True, "tun", ""), {"namespaces": "ok", "network": "ok"}),
        (Mode(False, "veth", ""), {"namespaces": "ok", "network": "ok"}),
        (Mode(True, None, "no TUN device: [Errno 2]"), {"namespaces": "ok", "network": "warning"}),
        (Mode(None, None, "unshare: refused"), {"namespaces": "warning"}),
        (LocalError("a fault of ours"), {"namespaces": "error"}),
    ],
)
async def test_what_isolates_local_sandboxes_is_reported(
    monkeypatch: pytest.MonkeyPatch, mode: Mode | LocalError, wanted: dict[str, str]
) -> None:
    async def find(folder: Path) -> Mode:
        if isinstance(mode, LocalError):
            raise mode
        return mode

    monkeypatch.setattr("sandtui.local.drivers.selection.find_mode", find)
    monkeypatch.setenv("DOCKER_HOST", "tcp://")
    findings = {finding.name: finding async for finding in drivers.examine()}
    found = {name: finding.state for name, finding in findings.items()}
    # An engine that is named and cannot be used is never passed over.
    assert "engine" not in findings or "DOCKER_HOST" in findings["engine"].text
    found.pop("engine", None)
    assert found == wanted
