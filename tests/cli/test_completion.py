import shutil
import subprocess
import sys

import pytest

SANDTUI = [sys.executable, "-m", "sandtui"]


@pytest.fixture(scope="module")
def script():
    return subprocess.run([*SANDTUI, "completion", "bash"], capture_output=True, text=True, check=True).stdout


def complete(script, *words):
    line = " ".join(f"'{word}'" for word in words)
    program = (
        f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _sandtui; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sandtui", "do"), {"doctor"}),
        (("sandtui", "--pro"), {"--profile"}),
        (("sandtui", "config", ""), {"init", "check", "path", "--help", "-h"}),
        (("sandtui", "local", "sto"), {"stop"}),
        (("sandtui", "create", "python", "--c"), {"--count"}),
        (("sandtui", "completion", "f"), {"fish"}),
        (("sandtui", "create", "do"), set()),
    ],
)
def test_bash_completes(script, words, expected):
    assert set(complete(script, *words)) == expected


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
