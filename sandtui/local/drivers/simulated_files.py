"""The files of a simulated sandbox: a few generated ones, and those that were written to it.

The dashboard lists files with commands of a POSIX shell. There is no shell here, so the few read-only commands are
recognized by their text; all others fail like unknown programs.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
import shlex
from typing import Final

from sandtui.local.store.records import SandboxRecord

WORKSPACE: Final = "/workspace"
NO_SUCH, NO_FOLDER = 44, 45
_FOLDER_MODE, _FILE_MODE = 0o040755, 0o100644
_FOLDERS: Final = frozenset({"/", "/root", "/tmp", WORKSPACE})  # noqa: S108
_FREE_KIB, _TOTAL_KIB = 31_000_000, 40_000_000

_LISTS = re.compile(
    r"LC_ALL=C; export LC_ALL; d=(?P<path>.+?); command -v find .*?(?P<part>///kinds|find .*)", re.DOTALL
)
_STATS = re.compile(r'LC_ALL=C; export LC_ALL; p=(?P<path>.+?); \[ -e "\$p" \] \|\| exit .*')
_MEASURES = re.compile(r"cd -- (?P<path>.+?) \|\| exit [0-9]+; find \. -type f -exec stat -c %s .*")
_SUMS = re.compile(
    r"LC_ALL=C; export LC_ALL; cd (?P<path>.+?) \|\| exit 1; sha256sum (?P<names>.+) 2>/dev/null \| .*", re.DOTALL
)
_READS = re.compile(r'p=(?P<path>.+?); \[ -r "\$p" \] \|\| exit 1; head -c (?P<most>[0-9]+) "\$p" \| .*', re.DOTALL)
_ROOTS = re.compile(r"///entries\\n'; find (?P<roots>.*?) ! -name \. -exec", re.DOTALL)

Result = tuple[str, str, int]


def sample_files(record: SandboxRecord) -> dict[str, bytes]:
    """Return the initial files of a sandbox."""
    steps = "".join(f"step {step:4}  loss {2.4 - step / 900:.4f}\n" for step in range(0, 1000, 25))
    config = f'image = "{record.docker_image}"\ncores = {record.cpu_cores:g}\nmemory_gb = {record.memory_gb:g}\n'
    text = {
        "README.md": f"# {record.name}\n\nA simulated sandbox on {record.docker_image}: none of the data is real.\n",
        "config.toml": config,
        "outputs/metrics.json": '{"accuracy": 0.874, "loss": 1.2889, "steps": 975}\n',
        "outputs/train.log": steps,
        "src/main.py": 'def main() -> None:\n    print("hello")\n\n\nif __name__ == "__main__":\n    main()\n',
    }
    return {f"{WORKSPACE}/{name}": content.encode() for name, content in text.items()}


class SimulatedFiles:
    """Answers commands that read files. ``files`` maps full paths to contents and may change in the meantime."""

    def __init__(self, files: dict[str, bytes], modified: int) -> None:
        self._files = files
        self._modified = modified

    def run(self, text: str, cwd: str) -> Result | None:
        """Return output, errors and exit code, or None for other commands."""
        for pattern, command in (
            (_LISTS, self._list),
            (_STATS, self._stat),
            (_MEASURES, self._measure),
            (_SUMS, self._sums),
            (_READS, self._read),
        ):
            found = pattern.match(text)
            if found is None:
                continue
            try:
                (word,) = shlex.split(found["path"])
            except ValueError:
                return None
            return command(posixpath.normpath(posixpath.join(cwd, word)), text)
        return None

    def _list(self, path: str, text: str) -> Result:
        if not self._exists(path):
            return "", "", NO_SUCH
        if not self._is_folder(path):
            return "", "", NO_FOLDER
        if "///kinds" in text:
            entries = self._records(path, [name for name in self._below(path) if "/" not in name])
            space = f"- {_TOTAL_KIB} {_TOTAL_KIB - _FREE_KIB} {_FREE_KIB} 23% /\n"
            return self._packed(f"{path}\n///entries\n{entries}///kinds\n///space\n{space}///targets\n///end\n")
        found = _ROOTS.search(text)
        roots = [root.removeprefix("./") for root in shlex.split(found["roots"])] if found is not None else ["."]
        names = [
            name
            for name in self._below(path)
            if any(root == "." or name == root or name.startswith(f"{root}/") for root in roots)
        ]
        return self._packed(f"///entries\n{self._records(path, names)}///end\n")

    def _stat(self, path: str, _: str) -> Result:
        return (f"{self._header(path)}\n", "", 0) if self._exists(path) else ("", "", NO_SUCH)

    def _measure(self, path: str, _: str) -> Result:
        sizes = [len(data) for name, data in self._files.items() if name.startswith(self._inside(path))]
        return f"{sum(sizes)} {len(sizes)}\n", "", 0

    def _sums(self, path: str, text: str) -> Result:
        found = _SUMS.match(text)
        rows = ""
        for name in shlex.split(found["names"]) if found is not None else []:
            whole = posixpath.normpath(posixpath.join(path, name))
            if whole in self._files:
                rows += f"{hashlib.sha256(self._files[whole]).hexdigest()}  {name}\n"
        return self._packed(rows)

    def _read(self, path: str, text: str) -> Result:
        found = _READS.match(text)
        if found is None or path not in self._files:
            return "", "", 1
        return base64.b64encode(self._files[path][: int(found["most"])]).decode("ascii") + "\n", "", 0

    def _below(self, path: str) -> list[str]:
        """Return the names of everything below a directory, relative to it."""
        start = self._inside(path)
        found: set[str] = set()
        for name in (*self._files, *(f"{folder}/." for folder in _FOLDERS)):
            if name.startswith(start):
                parts = name.removeprefix(start).removesuffix("/.").split("/")
                found |= {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        return sorted(found - {"", "."})

    def _records(self, path: str, names: list[str]) -> str:
        return "".join(f"{self._header(posixpath.join(path, name))} //./{name}\n" for name in names)

    def _header(self, path: str) -> str:
        mode, size = (_FOLDER_MODE, 4096) if self._is_folder(path) else (_FILE_MODE, len(self._files[path]))
        return f"{mode:x} {size} {self._modified}"

    def _exists(self, path: str) -> bool:
        return path in self._files or self._is_folder(path)

    def _is_folder(self, path: str) -> bool:
        return path in _FOLDERS or any(name.startswith(self._inside(path)) for name in self._files)

    @staticmethod
    def _inside(path: str) -> str:
        return path.rstrip("/") + "/"

    @staticmethod
    def _packed(text: str) -> Result:
        return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii") + "\n", "", 0
