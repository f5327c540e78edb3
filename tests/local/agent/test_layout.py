"""What the root of a sandbox begins with."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandtui.local.agent.layout import OWN_DIRECTORIES, fingerprint, lay_out
from sandtui.local.agent.usr_local import Python

PYTHON = Python("/usr/bin/python3", "/usr", "3.99.1", "lib/python3.99/site-packages", "")


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(top: Path) -> dict[str, int]:
    """Return the permissions of everything below a directory."""
    paths = [path for path in top.rglob("*") if not path.is_symlink()]
    return {str(path.relative_to(top)): stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_the_umask_of_the_platform_does_not_matter(tmp_path: Path, umask: None) -> None:
    top = tmp_path / "top"
    top.mkdir()
    top.chmod(0o755)
    lay_out(str(top), PYTHON, 0)
    found = modes(top)
    assert found.keys() >= set(OWN_DIRECTORIES)
    special = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777, "opt/sandtui/local/pyvenv.cfg": 0o644}
    special |= {"opt/sandtui/local/lib/python3.99/site-packages/pip.pth": 0o644}
    assert {name: mode for name, mode in found.items() if mode != 0o755} == {
        name: mode for name, mode in special.items() if name in found
    }


def test_an_interpreter_in_a_home_can_be_reached_by_all_users(tmp_path: Path) -> None:
    lay_out(str(tmp_path), Python("/root/x/bin/python", "/root/x", "3.99.1", "lib/python3.99/site-packages", None), 0)
    assert stat.S_IMODE((tmp_path / "root").stat().st_mode) == 0o711
    assert (tmp_path / "root" / "x").is_dir()


def test_packages_beside_our_own_library_change_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "lib" / "python3.99"
    library.mkdir(parents=True)
    monkeypatch.setattr("sandtui.local.agent.usr_local.PLACE", str(tmp_path))
    before = fingerprint(PYTHON)
    assert fingerprint(PYTHON) == before
    (library / "dist-packages").mkdir()
    assert fingerprint(PYTHON) != before


def test_a_machine_without_usr_local_has_a_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandtui.local.agent.usr_local.PLACE", str(tmp_path / "none"))
    before = fingerprint(PYTHON)
    assert fingerprint(PYTHON) == before
    (tmp_path / "none").mkdir()
    assert fingerprint(PYTHON) != before
