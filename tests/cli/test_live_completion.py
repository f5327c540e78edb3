"""Names, ids and labels of the fleet while a shell waits: from a small file, with nothing loaded."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandtui.cli import fleet_names, live_completion
from sandtui.cli.live_completion import completions, context_of, names_file, state_directory
from sandtui.config.paths import Paths
from tests.cli.fleet_server import row
from tests.cli.test_completion import complete
from tests.e2e.terminal import Terminal

SANDTUI = [sys.executable, "-m", "sandtui"]


@pytest.fixture
def known(fleet, sandtui):
    fleet.rows = [
        row(1, name="trainer", labels=["run=42", "gpu"]),
        row(2, name="train-2", labels=["run=43"]),
        row(3, name="two words", labels=["$(evil)", "`evil`", "ok"]),
        row(4, name="evil\x1b[31m"),
        row(5, name="gone", status="TERMINATED"),
    ]
    assert sandtui("ls", "-o", "name").code == 0
    fleet.requests.clear()
    return fleet


@pytest.fixture(scope="module")
def script():
    return subprocess.run([*SANDTUI, "completion", "bash"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("kind", "word", "expected"),
    [
        ("names", "tr", ["trainer", "train-2"]),
        ("names", "", ["trainer", "train-2"]),
        ("names", "sbx_0003", ["sbx_0003abcd"]),
        ("names", "go", []),
        ("targets", "#", ["#run=42", "#gpu", "#run=43", "#ok"]),
        ("targets", "#run=", ["#run=42", "#run=43"]),
        ("targets", "!#g", ["!#gpu"]),
        ("targets", "-status:e", ["-status:error"]),
        ("targets", "label:g", ["label:gpu"]),
        ("targets", "status:run", ["status:running"]),
        ("targets", "stat", ["status:"]),
        ("targets", "trai", ["trainer", "train-2"]),
        ("remote", "traine", ["trainer:"]),
        ("remote", "trainer:/", []),
        ("contexts", "p", []),
    ],
)
def test_what_a_word_is_completed_with(known, kind, word, expected):
    assert completions(kind, word, []) == expected
    assert known.requests == []


def test_presets_are_those_of_the_user(clean_home):
    folder = Paths.of_user().presets
    folder.mkdir(parents=True)
    (folder / "mine.toml").touch()
    assert completions("presets", "m", []) == ["mine"]


@pytest.mark.parametrize(
    ("words", "typed", "expected"),
    [
        (["sandtui", "get", "trai"], "sandtui get trai", ["trainer", "train-2"]),
        (["sandtui", "ls", "status", ":", "err"], "sandtui ls status:err", ["error"]),
        (["sandtui", "ls", "label", ":"], "sandtui ls label:", ["run=42", "gpu", "run=43", "ok"]),
        (["sandtui", "ls", "label", ":", "run", "=", "4"], "sandtui ls label:run=4", ["42", "43"]),
        (["sandtui", "rm", "'#ru"], "sandtui rm '#ru", ["#run=42", "#run=43"]),
        (["sandtui", "rm", "'#gpu stat"], "sandtui rm '#gpu stat", ["#gpu status:"]),
        (["sandtui", "ls", "--sort", "=", "na"], "sandtui ls --sort=na", ["name"]),
        (["sandtui", "ls", "--sort", "na"], "sandtui ls --sort na", ["name"]),
        (["sandtui", "ls", "-o", "jsonl"], "sandtui ls -o jsonl", ["jsonl"]),
        (["sandtui", "wait", "trainer", "--for", "e"], "sandtui wait trainer --for e", ["ended"]),
        (["sandtui", "cp", "traine"], "sandtui cp traine", ["trainer:"]),
    ],
)
def test_bash_puts_its_split_words_together(known, script, words, typed, expected):
    assert complete(script, *words, typed=typed) == expected


def test_files_are_offered_beside_sandboxes_where_both_are_copied(known, script, clean_home, monkeypatch):
    here = Path.cwd()
    monkeypatch.chdir(clean_home)
    (clean_home / "training.log").touch()
    assert set(complete(script, "sandtui", "cp", "train", typed="sandtui cp train", program=here)) == {
        "trainer:",
        "train-2:",
        "training.log",
    }


def test_the_directory_is_that_of_the_program(clean_home, monkeypatch):
    assert Path(state_directory()) == Paths.of_user().state
    monkeypatch.setenv("XDG_STATE_HOME", str(clean_home / "elsewhere"))
    assert Path(state_directory()) == Paths.of_user().state


def test_it_loads_nothing_that_takes_long(known):
    heavy = ("textual", "rich", "httpx", "pydantic", "asyncio", "argparse", "pathlib", "json", "re")
    code = (
        "import sys; sys.argv = ['sandtui', '__complete', 'names', 'tr']\n"
        "from sandtui.cli.entry import main; main()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    # Without site, which may load some of them for reasons of its own.
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert done.stdout.splitlines() == ["trainer", "train-2", "[]"]


@pytest.mark.parametrize(
    ("line", "context"),
    [
        (["sandtui", "ls"], []),
        (["sandtui", "--local", "ls"], ["--local"]),
        (["sandtui", "ls", "--context", "work", "x"], ["--context", "work"]),
        (["sandtui", "--profile=work", "ls"], ["--context", "work"]),
    ],
)
def test_each_context_has_a_file_of_its_own(line, context):
    assert context_of(line) == context
    assert (names_file(line) == names_file([])) == (context == [])


def test_another_key_has_another_file_and_none_is_in_it(monkeypatch):
    first = names_file([])
    monkeypatch.setenv("PRIME_API_KEY", "another key")
    assert names_file([]) != first
    assert "another" not in names_file([])


def test_a_file_that_is_old_is_used_and_renewed_for_the_next_time(known, monkeypatch):
    spawned = []
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: spawned.append((words, more["cwd"])))
    completions("names", "tr", ["sandtui", "get", "tr"])
    assert spawned == [], "it is new"
    old = time.time() - 60
    os.utime(names_file([]), (old, old))
    assert completions("names", "tr", ["sandtui", "get", "tr"]) == ["trainer", "train-2"]
    # Nothing of the directory that the user is in may be imported.
    assert spawned == [([sys.executable, "-P", "-m", "sandtui.cli.fleet_names"], "/")]


def test_a_missing_file_is_waited_for(fleet, monkeypatch):
    fleet.rows = [row(1, name="trainer")]
    monkeypatch.setattr(live_completion, "FIRST_SECONDS", 60)
    assert completions("names", "", []) == ["trainer"]


def test_renewing_asks_the_platform_and_nothing_else(fleet):
    fleet.rows = [row(1, name="trainer")]
    assert fleet_names.main([]) == 0
    assert completions("names", "", []) == ["trainer"]
    assert completions("contexts", "l", []) == ["local"]
    assert Path(names_file([])).stat().st_mode & 0o077 == 0


def test_renewing_starts_no_local_platform_and_runs_no_command(fleet, clean_home, monkeypatch):
    for name in ("PRIME_API_KEY", "PRIME_API_BASE_URL"):
        monkeypatch.delenv(name)
    file = Paths.of_user().settings
    file.parent.mkdir(parents=True)
    file.write_text(f"[profiles.secret]\nkey_command = 'touch {clean_home}/ran'\n")
    assert fleet_names.main([]) == 0
    assert fleet_names.main(["--local"]) == 0
    assert fleet_names.main(["--context", "secret"]) == 0
    assert not (clean_home / "ran").exists()
    assert completions("contexts", "s", ["--context", "secret"]) == ["secret"]


def test_a_platform_that_fails_leaves_the_shell_alone(fleet):
    fleet.broken["GET /sandbox"] = (500, {"detail": "broken"})
    assert fleet_names.main([]) == 0


def test_a_filtered_list_is_not_taken_for_the_fleet(known, sandtui):
    sandtui("ls", "#gpu")
    assert completions("names", "tr", []) == ["trainer", "train-2"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("sandtui get traine", "> sandtui get trainer"),
        ("sandtui ls status:err", "> sandtui ls status:error"),
        ("sandtui ls --sort=na", "> sandtui ls --sort=name"),
        ("sandtui rm '#gp", "> sandtui rm '#gpu'"),
        ("sandtui cp traine", "> sandtui cp trainer:"),
    ],
)
async def test_zsh_completes_them_too(known, tmp_path, typed, shown):
    made = tmp_path / "completion"
    made.write_bytes(subprocess.run([*SANDTUI, "completion", "zsh"], capture_output=True, check=True).stdout)
    env = {**os.environ, "TERM": "xterm-256color", "PS1": "> ", "LANG": "C.UTF-8"}
    async with Terminal(["zsh", "-f", "-i"], env) as terminal:
        await terminal.until(">")
        function = f'sandtui() {{ {sys.executable} -m sandtui "$@"; }}'
        await terminal.press(*f". {made}; {function}; echo read", "enter")
        await terminal.until("\nread")
        await terminal.press(*typed, "tab")
        await terminal.until(shown)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sandtui get trai", {"trainer", "train-2"}),
        ("sandtui ls status:err", {"status:error"}),
        ("sandtui ls --sort nam", {"name"}),
        ("sandtui ls -o jsonl", {"jsonl"}),
    ],
)
def test_fish_completes_them_too(known, tmp_path, line, expected):
    made = tmp_path / "sandtui.fish"
    made.write_bytes(subprocess.run([*SANDTUI, "completion", "fish"], capture_output=True, check=True).stdout)
    program = f"function sandtui; {sys.executable} -m sandtui $argv; end; source {made}; complete -C '{line}'"
    done = subprocess.run(["fish", "-c", program], capture_output=True, text=True, check=True)
    assert {each.partition("\t")[0] for each in done.stdout.splitlines()} == expected
