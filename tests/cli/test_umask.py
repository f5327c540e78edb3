"""Whatever the umask is, what we make is for this user alone, and sandboxes work."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from sandtui.directories import make_private
from tests.e2e.test_dashboard import SANDTUI


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_directories_are_private_with_those_above_them(tmp_path: Path, umask: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    before = os.umask(umask)
    try:
        make_private(shared / "a" / "b" / "c")
        make_private(shared / "a" / "b" / "c")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (shared, *shared.rglob("*"))}
    assert modes == {"shared": 0o755, "a": 0o700, "b": 0o700, "c": 0o700}
    (shared / "file").write_text("")
    for wrong in (shared / "file", shared / "file" / "below", Path("/proc/no-such-place/below")):
        with pytest.raises(OSError):
            make_private(wrong)


@pytest.mark.parametrize("umask", ["000", "077"])
def test_nothing_of_the_program_is_open_to_others(tmp_path: Path, umask: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def sandtui(*words: str) -> str:
        line = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *SANDTUI, *words]
        return subprocess.run(line, env=env, check=True, capture_output=True, text=True, timeout=60).stdout

    try:
        sandtui("config", "init")
        sandtui("--local", "--log", "create", "python", "--set", "name=one", "--wait")
        (home / "file").write_text("hello")
        sandtui("--local", "cp", str(home / "file"), "one:/workspace/file")
        shown = sandtui(
            "--local", "run", "one", "--", "su nobody -s /bin/sh -c 'cat /workspace/file' || cat file; umask"
        )
        assert "hello" in shown
        assert "0022" in shown
    finally:
        sandtui("local", "stop")
    made = [path for path in home.rglob("*") if path != home / "file"]
    folders = [path for path in made if path.is_dir() and not path.is_symlink() and "sandboxes" not in path.parts]
    assert len(folders) > 4
    assert [str(path) for path in folders if stat.S_IMODE(path.stat().st_mode) != 0o700] == []
    files = [path for path in made if path.is_file() and "sandboxes" not in path.parts]
    assert {"secrets.key", "platform.sqlite3"} <= {path.name for path in files}
    assert [str(path) for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
