"""Shell quoting: the only place where a path, a value or a command from outside becomes shell text.

For any POSIX shell. A word is what the shell reads as exactly the given text. A path is a word that no program takes
for an option, and that ``cd`` neither looks up in ``CDPATH`` nor reads as "the previous directory".
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence


def word(text: str) -> str:
    """Return a word that the shell reads as exactly this text."""
    return shlex.quote(text)


def line(words: Sequence[str]) -> str:
    """Return a command line of quoted words."""
    return shlex.join(words)


def as_operand(path: str) -> str:
    """Return a path that no program takes for an option or for its standard input: one that begins with ``-``."""
    return f"./{path}" if path.startswith("-") else path


def path_word(path: str) -> str:
    """Return a word for a path that is an operand of a command."""
    return word(as_operand(path))


def cd(path: str) -> str:
    """Return the command that changes to a directory, without a separator after it."""
    return f"cd -- {word(path if path.startswith('/') else f'./{path}')}"


def exports(variables: Mapping[str, str] | None) -> str:
    """Return commands that export variables, each with its separator; names must be checked before."""
    return "".join(f"export {name}={word(value)}; " for name, value in (variables or {}).items())
