"""What the documents for contributors say about this repository."""

import re
import tomllib
from pathlib import Path

import pytest

from sandtui import __version__
from sandtui.manual import page, terminal_page
from tests.interop.__main__ import BEGIN, END

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
    "sandtui/local/README.md",
    "sandtui/ui/README.md",
]
NAME = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*|[\w*-]+\.(?:py|md|toml|lock))`|(?:->) (sandtui/\S+)")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOW = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
MADE = {".soak/", "FEATURE/screen.py"}
"""What is there only after a run, or stands for a name."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = {first or second for first, second in NAME.findall(text)} - MADE
    for name in named:
        places = [ROOT, (ROOT / document).parent]
        assert any(list(place.glob(name)) if "*" in name else (place / name).exists() for place in places), name


def test_make_targets_that_are_named_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in [*DOCUMENTS, "README.md", "sandtui/manual/measurements.md", "sandtui/manual/sdk.md"]:
        for target in re.findall(r"\bmake ([a-z-]+)\b", (ROOT / document).read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{document}: make {target}"


def test_every_supported_python_and_system_is_tested():
    classifiers = " ".join(PROJECT["project"]["classifiers"])
    pythons = re.findall(r"Python :: (3\.\d+)", classifiers)
    (matrix,) = re.findall(r"python: \[([^\]]+)\]", WORKFLOW)
    assert re.findall(r"[\d.]+", matrix) == pythons
    assert "MacOS" in classifiers
    assert "system: [ubuntu-latest, macos-latest]" in WORKFLOW


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT["project"]
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "sandtui/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", __version__)
    changes = (ROOT / ".github/CHANGELOG.md").read_text(encoding="utf-8")
    assert __version__ in changes


def test_hooks_run_programs_of_the_environment():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: (\S+)", hooks)
    assert entries
    assert all(entry.startswith(".venv/bin/") for entry in entries)


def test_the_table_of_the_sdk_has_its_place_in_the_manual():
    text = page("sdk")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index("| method |") < text.index(END)
    assert "<!--" not in terminal_page("sdk")
