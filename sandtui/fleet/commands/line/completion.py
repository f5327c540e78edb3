"""Path completion in a sandbox: the word before the cursor, the command that lists matches, the insertion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sandtui.client import AsyncSandboxClient, shell_words
from sandtui.fleet.text.sanitize import clean

MAX_NAMES = 200

SECONDS = 5
"""Timeout of the listing command."""

_SPECIAL = re.compile(r"([^A-Za-z0-9_@%+=:,./~-])")
_BREAKS = " \t\n;&|()<>"


@dataclass(frozen=True, slots=True)
class CompletionWord:
    """The word before the cursor: ``path`` as the shell would read it, inside ``quote`` if one is open.

    ``home``: it starts with an unquoted ``~/``, which is not part of ``path``.
    """

    path: str
    quote: str = ""
    home: bool = False

    @property
    def folder(self) -> str:
        """The directory: the part up to the last slash."""
        return self.path[: self.path.rfind("/") + 1]

    @property
    def beginning(self) -> str:
        """The part after the last slash."""
        return self.path[self.path.rfind("/") + 1 :]


@dataclass(frozen=True, slots=True)
class Completion:
    """``insert`` is inserted at the cursor; ``names`` are all matches, safe to draw."""

    insert: str
    names: tuple[str, ...]


def word_before(text: str) -> CompletionWord:
    """Parse the last word of a command as a shell would."""
    chars: list[str] = []
    quote, quoted_start, started, equals = "", True, False, False
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\" and quote != "'":
            chars.append(text[index + 1 : index + 2])
            started = True
            index += 2
            continue
        if quote:
            if char == quote:
                quote = ""
            else:
                chars.append(char)
        elif char in "'\"":
            quote, started = char, True
        elif char in _BREAKS:
            chars, started, quoted_start, equals = [], False, True, False
        elif char == "=" and not equals:
            # The value of an assignment is completed like a word of its own.
            equals = True
            chars = [] if _is_name("".join(chars)) else [*chars, char]
            started, quoted_start = bool(chars), not chars
        else:
            if not started:
                quoted_start = False
            chars.append(char)
            started = True
        index += 1
    path = "".join(chars)
    home = not quoted_start and path.startswith("~/")
    return CompletionWord(path[2:] if home else path, quote, home)


def listing_command(word: CompletionWord) -> str:
    """Return the command that prints all matches of a word, NUL-terminated."""
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
    """Complete the path before the cursor in a sandbox, with one short command.

    Raises:
        SandboxClientError: the command failed.
    """
    word = word_before(before)
    response = await client.execute_command(sandbox_id, listing_command(word), timeout=SECONDS)
    return complete(word, response.stdout)


def complete(word: CompletionWord, output: str) -> Completion:
    """Return the insertion for the output of :func:`listing_command`. Names that can't be typed are skipped."""
    found = output.split("\0")[:-1]
    names = [name for name in found if name.startswith(word.beginning) and clean(name) == name and "\ufffd" not in name]
    if not names:
        return Completion("", ())
    first, last = min(names), max(names)
    common = first[: next((at for at, char in enumerate(first) if last[at : at + 1] != char), len(first))]
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
    """Return as many names as fit into a line, and the number of the rest."""
    line = ""
    for index, name in enumerate(names):
        shown = name if len(name) <= 40 else name[:39] + "…"
        if len(line) + len(shown) + 14 > width and index:
            return f"{line} and {len(names) - index:,} more"
        line += ("  " if line else "") + shown
    return line
