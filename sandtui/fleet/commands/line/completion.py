"""Completing paths of the sandbox: what stands before the cursor, the one command that looks, what is inserted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, shell_words
from sandtui.fleet.text.sanitize import clean

MAX_NAMES = 200

SECONDS = 5
"""That the look may take."""

_SPECIAL = re.compile(r"([^A-Za-z0-9_@%+=:,./~-])")
_BREAKS = " \t\n;&|()<>"


@dataclass(frozen=True, slots=True)
class Word:
    """The word that is being typed: ``path`` as the shell would read it, inside ``quote`` when one is open.

    ``home`` says that it begins with an unquoted ``~/``, which is not in ``path`` then.
    """

    path: str
    quote: str = ""
    home: bool = False

    @property
    def folder(self) -> str:
        """The part up to the last slash."""
        return self.path[: self.path.rfind("/") + 1]

    @property
    def beginning(self) -> str:
        """The part after it."""
        return self.path[self.path.rfind("/") + 1 :]


@dataclass(frozen=True, slots=True)
class Completion:
    """``insert`` goes in at the cursor; ``names`` are all that it could go on with, safe to draw."""

    insert: str
    names: tuple[str, ...]


def word_before(text: str) -> Word:
    """Return the word at the end of a command, read as a shell reads it."""
    letters: list[str] = []
    quote, quoted_start, begun, equals = "", True, False, False
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == "\\" and quote != "'":
            letters.append(text[place + 1 : place + 2])
            begun = True
            place += 2
            continue
        if quote:
            if letter == quote:
                quote = ""
            else:
                letters.append(letter)
        elif letter in "'\"":
            quote, begun = letter, True
        elif letter in _BREAKS:
            letters, begun, quoted_start, equals = [], False, True, False
        elif letter == "=" and not equals:
            # What follows the first one in an assignment is a word of its own.
            equals = True
            letters = [] if _is_name("".join(letters)) else [*letters, letter]
            begun, quoted_start = bool(letters), not letters
        else:
            if not begun:
                quoted_start = False
            letters.append(letter)
            begun = True
        place += 1
    path = "".join(letters)
    home = not quoted_start and path.startswith("~/")
    return Word(path[2:] if home else path, quote, home)


def looking(word: Word) -> str:
    """Return the command that prints what the word can go on with, a NUL after each."""
    folder = word.folder
    if word.home:
        go = f'cd -- "$HOME"/{shell_words.word(folder)}' if folder else 'cd -- "$HOME"'
    else:
        go = shell_words.cd(folder or ".")
    pattern = (shell_words.word(word.beginning) if word.beginning else "") + "*"
    return (
        f"{go} 2>/dev/null || exit 0; n=0; for f in {pattern}; do "
        '[ -e "$f" ] || [ -L "$f" ] || continue; '
        'if [ -d "$f" ]; then printf \'%s/\\0\' "$f"; else printf \'%s\\0\' "$f"; fi; '
        f'n=$((n+1)); [ "$n" -ge {MAX_NAMES} ] && break; done; exit 0'
    )


async def ask(client: AsyncSandboxClient, sandbox_id: str, before: str) -> Completion:
    """Return how the path before the cursor may go on in a sandbox, by one small command.

    Raises:
        SandboxClientError: the sandbox could not be asked.
    """
    word = word_before(before)
    reply = await client.execute_command(sandbox_id, looking(word), timeout=SECONDS)
    return complete(word, reply.stdout)


def complete(word: Word, output: str) -> Completion:
    """Return what to insert, from what :func:`looking` printed. Names that can't be typed are passed over."""
    found = output.split("\0")[:-1]
    names = [name for name in found if name.startswith(word.beginning) and clean(name) == name and "\ufffd" not in name]
    if not names:
        return Completion("", ())
    first, last = min(names), max(names)
    common = first[: next((at for at, letter in enumerate(first) if last[at : at + 1] != letter), len(first))]
    insert = _quoted(common[len(word.beginning) :], word.quote)
    if len(names) == 1 and not common.endswith("/"):
        insert += word.quote + " "
    return Completion(insert, tuple(names))


def _quoted(text: str, quote: str) -> str:
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", text)
    return _SPECIAL.sub(r"\\\1", text)


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii()


def columns(names: Sequence[str], width: int) -> str:
    """Return as many names as fit a line, and how many there are besides."""
    line = ""
    for place, name in enumerate(names):
        shown = name if len(name) <= 40 else name[:39] + "…"
        if len(line) + len(shown) + 14 > width and place:
            return f"{line} and {len(names) - place:,} more"
        line += ("  " if line else "") + shown
    return line
