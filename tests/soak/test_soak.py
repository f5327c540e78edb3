"""Some rounds of the soak test, short ones: `make soak` runs an hour of others."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.confine import problem
from tests.soak.driver import Fault
from tests.soak.script import Author, Script, Setting
from tests.soak.terminal import Modes

ROOT = Path(__file__).parents[2]

ROUNDS = [("demo", 4), ("trouble", 21), ("local", 22)]
STEPS = 150


@pytest.mark.parametrize(("world", "seed"), ROUNDS)
def test_the_program_survives_random_input(world, seed, tmp_path):
    if reason := problem():
        pytest.skip(reason)
    words = ["--world", world, "--seed", str(seed), "--steps", str(STEPS), "--keep", str(tmp_path / "found")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    found = "\n".join(path.read_text(errors="replace") for path in sorted((tmp_path / "found").glob("*.txt")))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{found}"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("none", "ok"),
        ("ends", "it ended with 0, unasked"),
        ("fails", "traceback at the end: ValueError: of the stub"),
        ("frozen", "no repaint"),
        ("deaf", "it can't be left"),
        ("dirty", "the terminal is not restored: mode ?1003 is on"),
        ("child", "processes are left: sleep"),
    ],
)
def test_each_kind_of_fault_is_found(fault, told, tmp_path):
    """A clock that goes on is no sign of life, and what is drawn is no sign that keys are read."""
    if reason := problem():
        pytest.skip(reason)
    words = ["--world", "demo", "--seed", "5", "--steps", "60", "--stub", fault, "--keep", str(tmp_path)]
    words += [word for kind in ("quit", "suspend", "burst", "wait", "stall") for word in ("--without", kind)]
    done = subprocess.run([sys.executable, "-m", "tests.soak", *words], cwd=ROOT, capture_output=True, text=True)
    assert f": {told}" in done.stdout, done.stdout + done.stderr
    assert done.returncode == (0 if fault == "none" else 1)


def test_a_script_is_the_same_for_a_seed_and_comes_back_from_its_file(tmp_path):
    setting = Setting.of("local", 7)
    first, again = Author(setting).steps(), Author(setting).steps()
    script = Script(setting, [next(first) for _ in range(500)])
    assert script.steps == [next(again) for _ in range(500)]
    script.save(tmp_path / "script.jsonl")
    assert Script.load(tmp_path / "script.jsonl") == script


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_modes_that_are_left_on_are_seen_however_the_output_is_cut(cut):
    output = b"\x1b[?1049h\x1b[?1000;1006h\x1b[>29u\x1b[?25lx\x1b[?1049l\x1b[?1000l\x1b[?25h"
    modes = Modes()
    for place in range(0, len(output), cut):
        modes.feed(output[place : place + cut])
    assert modes.left_over() == ["mode ?1006 is on", "1 kitty levels are pushed"]


def test_the_same_fault_has_the_same_signature_in_each_run():
    trace = (
        'T\n  File "/x/site-packages/textual/a.py", line {}, in run\n  File "/y/sandtui/ui/b.py", line {}, in go\n{}'
    )
    first = Fault("crash report", trace.format(1, 2, "ValueError: no 'a' at 0x7f"))
    second = Fault("crash report", trace.format(3, 4, "ValueError: no 'b' at 0x99"))
    assert first.signature == second.signature == "crash report: ValueError: no … at … in sandtui/ui/b.py:go"
