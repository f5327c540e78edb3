"""Files that programs run by themselves: what a sandbox may have put into a directory that comes to this machine.

Whoever copies the results of untrusted code expects to look at them, not to run them by `cd`, by `git status` or by
opening a directory in an editor. Listed is what runs without being asked for by name. Makefiles, ``conftest.py`` and
scripts are not: they run when somebody says so, and nearly every tree has some.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_SHELL_FILES = (
    ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".zshrc", ".zshenv",
    ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".mkshrc", ".cshrc", ".tcshrc", ".login", ".logout",
)  # fmt: skip

RUN_BY: Final[tuple[tuple[str, str], ...]] = (
    *((name, "the shell") for name in _SHELL_FILES),
    ("fish/config.fish", "the shell"),
    ("fish/conf.d/*", "the shell"),
    (".envrc", "direnv"),
    (".git", "git"),
    (".git/**", "git"),
    (".gitconfig", "git"),
    (".husky/**", "git"),
    (".ssh/**", "ssh"),
    (".vscode/tasks.json", "the editor"),
    (".vscode/settings.json", "the editor"),
    (".vscode/launch.json", "the editor"),
    ("*.code-workspace", "the editor"),
    (".devcontainer/**", "the editor"),
    (".devcontainer.json", "the editor"),
    (".idea/**", "the editor"),
    (".dir-locals.el", "the editor"),
    (".vimrc", "the editor"),
    (".exrc", "the editor"),
    (".nvimrc", "the editor"),
    (".nvim.lua", "the editor"),
    # Coding agents start the hooks and servers that are named there.
    (".claude/**", "the coding agent"),
    (".cursor/**", "the coding agent"),
    (".mcp.json", "the coding agent"),
    # Package managers take from these which registry, script shell or plugin to trust.
    (".npmrc", "npm"),
    (".yarnrc", "yarn"),
    (".yarnrc.yml", "yarn"),
    (".pnpmfile.cjs", "pnpm"),
    ("pip.conf", "pip"),
    ("pip.ini", "pip"),
    ("sitecustomize.py", "Python"),
    ("usercustomize.py", "Python"),
    ("*.pth", "Python"),
    (".pdbrc", "the debugger"),
    (".gdbinit", "the debugger"),
    (".lldbinit", "the debugger"),
    ("*.desktop", "the desktop"),
    (".xinitrc", "the desktop"),
    (".xprofile", "the desktop"),
    (".xsession", "the desktop"),
    ("launchagents/*.plist", "the desktop"),
    ("systemd/user/*", "systemd"),
    (".tmux.conf", "tmux"),
)
"""Patterns, in lower case, of the last names of a path, and who runs what matches; ``/**`` is all that is below."""

_IGNORABLE = dict.fromkeys([0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], "")
"""Characters that HFS+ ignores in names."""


def run_by(path: str) -> str:
    """Return who runs a file of this path by itself, or an empty text."""
    names = [_folded(name) for name in path.split("/") if name]
    for pattern, program in RUN_BY:
        wanted = pattern.split("/")
        if wanted[-1] == "**":
            if wanted[0] in names[:-1]:
                return program
        elif len(names) >= len(wanted) and all(map(fnmatchcase, names[-len(wanted) :], wanted)):
            return program
    return ""


def is_git(name: str) -> bool:
    """Whether some file system takes a name for ``.git``: by letter case, by what it ignores, or as a short name.

    It does not matter on which one the file comes to lie: a directory may be shared with a machine that has another.
    """
    return _folded(name) in {".git", "git~1"}


def in_git(path: str) -> bool:
    """Whether a path is a ``.git``, or lies in one."""
    return any(is_git(name) for name in path.split("/"))


def git_tops(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the topmost ``.git`` of some paths, each once, in order."""
    tops: dict[str, None] = {}
    for path in paths:
        names = path.split("/")
        place = next((place for place, name in enumerate(names) if is_git(name)), None)
        if place is not None:
            tops["/".join(names[: place + 1])] = None
    return tuple(tops)


def found(target: str, paths: Iterable[str]) -> list[tuple[str, str]]:
    """Return which of the paths under a target programs run by themselves, whole, each with the program."""
    known = set(paths)
    named = []
    for path in sorted(known):
        whole = f"{target.rstrip('/')}/{path}" if path else target
        program = run_by(whole)
        above, slash, name = path.rpartition("/")
        if not program and name == "config" and f"{above}{slash}HEAD" in known:
            program = "git"  # a bare repository: its config names commands
        if program:
            named.append((whole, program))
    return named


def _folded(name: str) -> str:
    # NTFS drops dots and spaces at the end, and takes what follows a colon for a stream of the file.
    return name.translate(_IGNORABLE).casefold().partition(":")[0].rstrip(". ") or name
