"""The lock names everything that is installed, with hashes, and no place that it came from."""

import re
import subprocess
import tomllib

from packaging.requirements import Requirement

from tests.lock import DEVELOPMENT, LOCK, ROOT, needed_to_run, packages


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_has_a_version_and_hashes_and_no_address():
    text = LOCK.read_text()
    assert text.count(DEVELOPMENT) == 1
    assert "://" not in text
    for name, entry in packages(text).items():
        assert re.match(r"\S+==\S+", entry), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), name


def test_what_the_project_asks_for_is_locked_and_within_its_bounds():
    text, asked = LOCK.read_text(), project()
    run, everything = packages(needed_to_run(text)), packages(text)
    groups = asked["dependency-groups"]
    for locked, requirements in (
        (run, asked["project"]["dependencies"]),
        (run, groups["build"]),
        (everything, groups["dev"]),
    ):
        for requirement in map(Requirement, requirements):
            entry = locked[requirement.name]
            version = entry.partition("==")[2].split()[0]
            assert version in requirement.specifier, entry
    assert set(asked["build-system"]["requires"]) <= set(groups["build"])


def test_users_do_not_get_what_only_developers_need():
    run = packages(needed_to_run(LOCK.read_text()))
    assert not run.keys() & {"pytest", "mypy", "ruff", "hypothesis", "build"}


def test_make_installs_nothing_without_a_hash():
    makefile = (ROOT / "Makefile").read_text()
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", "VENV=.none", ".none/.run", ".none/.dev"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    installs = [line for line in said.splitlines() if "pip install" in line]
    assert len(installs) == 4, makefile
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation" in line for line in installs)
