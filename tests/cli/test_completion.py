import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandtui.manual import TOPICS
from tests.e2e.terminal import Terminal

SANDTUI = [sys.executable, "-m", "sandtui"]


@pytest.fixture(scope="module")
def script():
    return subprocess.run([*SANDTUI, "completion", "bash"], capture_output=True, text=True, check=True).stdout


def complete(script, *words, typed="", program=None):
    line = " ".join(map(shlex.quote, words))
    source = (
        f'{script}\nsandtui() {{ (cd {program or Path.cwd()}; {sys.executable} -m sandtui "$@"); }}\n'
        f"COMP_LINE={shlex.quote(typed)}; COMP_POINT={len(typed)}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
        "_sandtui; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return subprocess.run(["bash", "-c", source], capture_output=True, text=True, check=True).stdout.splitlines()


EVERYWHERE = {"--help", "-h", "--log", "--version", "-V", "--quiet", "-q", "--color", "--no-color"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sandtui", "do"), {"doctor"}),
        (("sandtui", "--pro"), {"--profile"}),
        (("sandtui", "config", ""), {"init", "check", "path", "contexts", *EVERYWHERE}),
        (("sandtui", "local", "sto"), {"stop"}),
        (("sandtui", "create", "python", "--cou"), {"--count"}),
        (("sandtui", "completion", "f"), {"fish"}),
        (("sandtui", "create", "do"), set()),
        (("sandtui", "run", "--pro"), {"--profile"}),
        (("sandtui", "--local", "cp", "--read"), {"--read-only"}),
    ],
)
def test_bash_completes(script, words, expected):
    assert set(filter(None, complete(script, *words))) == expected


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sandtui loca", {"local"}),
        ("sandtui local s", {"status", "stop"}),
        ("sandtui --pro", {"--profile"}),
        ("sandtui create --w", {"--wait"}),
        ("sandtui completion f", {"fish"}),
    ],
)
def test_fish_completes(tmp_path, line, expected):
    made = tmp_path / "sandtui.fish"
    made.write_bytes(subprocess.run([*SANDTUI, "completion", "fish"], capture_output=True, check=True).stdout)
    (tmp_path / "stray").touch()
    command = f"source {made}; complete -C '{line}'"
    env = {**os.environ, "HOME": str(tmp_path)}
    shown = subprocess.run(["fish", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    assert set(shown.stdout.split()) == expected


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("sandtui dem", "> sandtui demo"),
        ("sandtui local sto", "> sandtui local stop"),
        ("sandtui --pro", "> sandtui --profile"),
    ],
)
async def test_zsh_completes(tmp_path, typed, shown):
    made = tmp_path / "completion"
    made.write_bytes(subprocess.run([*SANDTUI, "completion", "zsh"], capture_output=True, check=True).stdout)
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "PS1": "> ", "LANG": "C.UTF-8"}
    async with Terminal(["zsh", "-f", "-i"], env) as terminal:
        await terminal.until(">")
        await terminal.press(*f". {made}; echo read", "enter")
        await terminal.until(lambda text: "\nread" in text)
        await terminal.press(*typed, "tab")
        await terminal.until(shown)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_loads_nothing_from_where_others_can_write(tmp_path):
    made, shared = tmp_path / "completion", tmp_path / "shared"
    made.write_bytes(subprocess.run([*SANDTUI, "completion", "zsh"], capture_output=True, check=True).stdout)
    shared.mkdir()
    (shared / "_evil").write_text(f"#compdef evil\ntouch {tmp_path}/ran\n")
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    for mode, loaded in ((0o777, ""), (0o755, "_evil")):
        shared.chmod(mode)
        command = f'fpath=({shared} $fpath); . {made}; print -r -- "$_comps[evil]" "$_comps[sandtui]"'
        done = subprocess.run(["zsh", "-f", "-c", command], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.split(" ")[0] == loaded
        assert "_sandtui" in done.stdout
        (tmp_path / ".zcompdump").unlink()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_others_take_their_script(shell):
    text = subprocess.run([*SANDTUI, "completion", shell], capture_output=True, text=True, check=True).stdout
    assert "sandtui" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_every_subcommand_has_help():
    whole = subprocess.run([*SANDTUI, "--help"], capture_output=True, text=True, check=True).stdout
    for name in ("config", "create", "demo", "doctor", "keys", "run", "shell", "serve", "local", "completion"):
        assert f"\n    {name} " in whole, name
        words = subprocess.run([*SANDTUI, name, "--help"], capture_output=True, text=True, check=True).stdout
        assert len(words.splitlines()) > 4


def test_the_topics_of_the_manual_are_completed(script):
    assert complete(script, "sandtui", "help", "fan") == ["fan-out"]
    assert set(TOPICS) <= set(complete(script, "sandtui", "help", ""))
