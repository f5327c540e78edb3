"""The terminal: how many colours, how large, which letters, and the way to the clipboard."""

from __future__ import annotations

import codecs
import locale
import os
from collections.abc import Iterator, Mapping
from typing import TextIO

from sandtui.cli.doctor.finding import Finding
from sandtui.ui.clipboard_tools import helper

WIDTH, HEIGHT = 80, 24


def examine(environ: Mapping[str, str], output: TextIO) -> Iterator[Finding]:
    """Look at the terminal that ``output`` goes to."""
    yield _terminal(environ, output)
    yield _colours(environ)
    yield _size(output)
    yield _letters(output.encoding or "", locale.getpreferredencoding(False), environ)
    yield _clipboard(environ)


def _terminal(environ: Mapping[str, str], output: TextIO) -> Finding:
    term = environ.get("TERM", "")
    if not output.isatty():
        return Finding("terminal", "so-so", "the output is no terminal", "The dashboard needs one; subcommands do not.")
    if term in {"", "dumb"}:
        return Finding("terminal", "bad", f"TERM is {term!r}", "Set TERM to what your terminal is: xterm-256color.")
    return Finding("terminal", "good", term + (" inside tmux" if environ.get("TMUX") else ""))


def _colours(environ: Mapping[str, str]) -> Finding:
    if environ.get("NO_COLOR"):
        return Finding("colours", "good", "none, as NO_COLOR asks; status is a sign and a word besides")
    term, colours = environ.get("TERM", ""), environ.get("COLORTERM", "").lower()
    if colours in {"truecolor", "24bit"} or term.endswith("-direct"):
        return Finding("colours", "good", "16 million")
    if "256color" in term:
        words = "256: the themes are drawn with the nearest ones"
        return Finding("colours", "good", words, "If your terminal has more: export COLORTERM=truecolor")
    mend = "Set TERM=xterm-256color if your terminal has as many."
    return Finding("colours", "so-so", "16", mend)


def _size(output: TextIO) -> Finding:
    try:
        columns, lines = os.get_terminal_size(output.fileno())
    except (OSError, ValueError):
        return Finding("size", "so-so", "not known")
    words = f"{columns}x{lines}"
    if columns < WIDTH or lines < HEIGHT:
        return Finding("size", "so-so", words, f"{WIDTH}x{HEIGHT} shows everything.")
    return Finding("size", "good", words)


def _letters(output: str, preferred: str, environ: Mapping[str, str] | None = None) -> Finding:
    """Look at the encoding that Python writes in, and at the locale's, which names of files are read in."""
    words: list[str] = []
    mend: list[str] = []
    named = (environ or {}).get("PYTHONIOENCODING", "").partition(":")[0]
    if _is_utf8(output) and _is_utf8(preferred) and (not named or _is_utf8(named)):
        return Finding("unicode", "good", preferred)
    if named and not _is_utf8(named):
        words.append(f"PYTHONIOENCODING asks for {named}")
        mend.append("unset PYTHONIOENCODING")
    if not _is_utf8(preferred) or not words:
        words.append(f"the locale's encoding is {preferred if not _is_utf8(preferred) else output}")
        # Both hold whatever else is set; the first also for the programs that are started from here.
        mend.append("export LC_ALL=C.UTF-8" if _has_locale("C.UTF-8") else "export PYTHONUTF8=1")
    text = f"{' and '.join(words)}: signs and names are drawn wrong"
    return Finding("unicode", "bad", text, "; ".join(mend))


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False


def _has_locale(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return True


def _clipboard(environ: Mapping[str, str]) -> Finding:
    command = helper(environ)
    ways = ["OSC 52, if the terminal allows it"]
    if command is not None:
        ways.insert(0, command[0])
    mend = ""
    if environ.get("TMUX") and command is None:
        mend = "In tmux: set -g set-clipboard on"
    elif command is None and not environ.get("SSH_CONNECTION"):
        mend = "If copying does not arrive: install wl-copy, xclip or xsel. Then copy again."
    return Finding("clipboard", "good" if command else "so-so", ", then ".join(ways), mend)
