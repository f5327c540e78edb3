"""Files that programs run automatically, which a sandbox may have put into a downloaded directory.

A user who downloads the results of untrusted code wants to read them, not to run them by `cd`, by `git status` or by
opening a directory in an editor. The list holds what runs without being named. Makefiles, ``conftest.py`` and scripts
are not in it: they run only on request, and nearly every tree has some.
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
    # Coding agents start the hooks and servers configured there.
    (".claude/**", "the coding agent"),
    (".cursor/**", "the coding agent"),
    (".mcp.json", "the coding agent"),
    # These tell package managers which registry, script shell or plugin to trust.
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
"""Lower-case patterns for the end of a path, and the program that runs a match; ``/**`` matches everything below."""

_IGNORABLE = dict.fromkeys([0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], "")
"""Characters that HFS+ ignores in file names."""


def run_by(path: str) -> str:
    """Return the program that runs a file of this path automatically, or an empty text."""
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
    """Whether any file system takes a name for ``.git``: by letter case, ignored characters, or as a short name.

    The local file system does not matter: a directory may be shared with a machine that uses another one.
    """
    return _folded(name) in {".git", "git~1"}


def in_git(path: str) -> bool:
    """Whether a path is or is inside a ``.git``."""
    return any(is_git(name) for name in path.split("/"))


def git_tops(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the topmost ``.git`` directories of some paths, without duplicates, in order."""
    tops: dict[str, None] = {}
    for path in paths:
        names = path.split("/")
        index = next((index for index, name in enumerate(names) if is_git(name)), None)
        if index is not None:
            tops["/".join(names[: index + 1])] = None
    return tuple(tops)


def found(target: str, paths: Iterable[str]) -> list[tuple[str, str]]:
    """Return the full paths under a target that programs run automatically, each with the program."""
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
    # NTFS drops trailing dots and spaces, and takes the part after a colon for a stream of the file.
    return name.translate(_IGNORABLE).casefold().partition(":")[0].rstrip(". ") or name
