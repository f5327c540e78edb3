"""Builds the wheel and the source archive, and uses the wheel as a user would: ``make package``.

The wheel is installed into an empty environment, as ``pipx`` and ``uvx`` do it, and the program is run from there,
away from this checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from sandtui import __version__
from sandtui.manual import TOPICS
from tests.lock import LOCK, needed_to_run

ROOT = Path(__file__).parents[1]
NEEDED = (
    "sandtui/py.typed",
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "sandtui").rglob("*.tcss")),
    "sandtui/local/agent/__main__.py",
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "sandtui/web/static").rglob("*") if path.is_file()),
    "sandtui/web/static/vendor/LICENSE-xterm.txt",
    "sandtui/web/static/vendor/LICENSE-dejavu.txt",
    *(f"sandtui/manual/{topic}.md" for topic in TOPICS),
)
DOCUMENTS = {
    "README.md",
    "LICENSE",
    "pyproject.toml",
    ".github/CHANGELOG.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
}
SECONDS = 120


def run(*command: str | Path, **environment: str) -> str:
    """Run a command away from the checkout; return what it says."""
    known = {"PATH": os.environ["PATH"], **environment}
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=SECONDS, cwd="/", env=known
    )
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def build(folder: Path) -> Path:
    """Build both archives; return the wheel."""
    # Not by `run`: pip's own settings of this machine count for what is fetched.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = [name for name in NEEDED if name not in names]
    assert not missing, f"the wheel lacks {missing}"
    assert not [name for name in names if name.startswith("tests/")], "the wheel holds tests"
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    lacking = {*DOCUMENTS, *NEEDED} - inside
    assert not lacking, f"the source archive lacks {sorted(lacking)}"
    assert f"-{__version__}-" in wheel.name
    return wheel


def use(wheel: Path, folder: Path) -> None:
    """Install the wheel and run the program on a platform of its own."""
    venv.create(folder / "venv", with_pip=True)
    lock = folder / "run.lock"
    lock.write_text(needed_to_run(LOCK.read_text()))
    install = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, "--require-hashes", "--requirement", str(lock)], check=True, capture_output=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True, capture_output=True)
    program = folder / "venv" / "bin" / "sandtui"
    home = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "XDG_DATA_HOME": str(folder / "data")}
    print(run(program, "--version", **home).strip())
    assert "create" in run(program, "--help", **home)
    assert "status:running" in run(program, "help", "filter", **home)
    try:
        made = run(program, "create", "python", "--wait", **home)
        assert '"state": "ready"' in made, made
    finally:
        run(program, "local", "stop", **home)
    print(f"{wheel.name}: installed, ran, made a sandbox")


def main() -> None:
    """Build and use."""
    with tempfile.TemporaryDirectory(prefix="sandtui-package-") as folder:
        use(build(Path(folder, "dist")), Path(folder))


if __name__ == "__main__":
    main()
