"""Checks the terminal: colors, size, encoding and clipboard."""

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
    """Check the terminal of ``output``."""
    yield _terminal(environ, output)
    yield _colors(environ)
    yield _size(output)
    yield _letters(output.encoding or "", locale.getpreferredencoding(False), environ)
    yield _clipboard(environ)


def _terminal(environ: Mapping[str, str], output: TextIO) -> Finding:
    term = environ.get("TERM", "")
    if not output.isatty():
        return Finding(
            "terminal", "warning", "the output is not a terminal", "The dashboard needs one; commands do not."
        )
    if term in {"", "dumb"}:
        return Finding(
            "terminal", "error", f"TERM is {term!r}", "Set TERM to the type of your terminal, such as xterm-256color."
        )
    return Finding("terminal", "ok", term + (" inside tmux" if environ.get("TMUX") else ""))


def _colors(environ: Mapping[str, str]) -> Finding:
    if environ.get("NO_COLOR"):
        return Finding("colors", "ok", "off (NO_COLOR); every status also has a sign and a word")
    term, colours = environ.get("TERM", ""), environ.get("COLORTERM", "").lower()
    if colours in {"truecolor", "24bit"} or term.endswith("-direct"):
        return Finding("colors", "ok", "16 million")
    if "256color" in term:
        words = "256: themes use the nearest colors"
        return Finding("colors", "ok", words, "If your terminal supports more: export COLORTERM=truecolor")
    fix = "If your terminal supports more: export TERM=xterm-256color"
    return Finding("colors", "warning", "16", fix)


def _size(output: TextIO) -> Finding:
    try:
        columns, lines = os.get_terminal_size(output.fileno())
    except (OSError, ValueError):
        return Finding("size", "warning", "unknown")
    words = f"{columns}x{lines}"
    if columns < WIDTH or lines < HEIGHT:
        return Finding("size", "warning", words, f"Use at least {WIDTH}x{HEIGHT}.")
    return Finding("size", "ok", words)


def _letters(output: str, preferred: str, environ: Mapping[str, str] | None = None) -> Finding:
    """Check the encodings of the output and of the locale, which is used for file names."""
    words: list[str] = []
    fix: list[str] = []
    named = (environ or {}).get("PYTHONIOENCODING", "").partition(":")[0]
    if _is_utf8(output) and _is_utf8(preferred) and (not named or _is_utf8(named)):
        return Finding("unicode", "ok", preferred)
    if named and not _is_utf8(named):
        words.append(f"PYTHONIOENCODING is {named}")
        fix.append("unset PYTHONIOENCODING")
    if not _is_utf8(preferred) or not words:
        words.append(f"the locale's encoding is {preferred if not _is_utf8(preferred) else output}")
        # Both override other settings; the first also applies to child processes.
        fix.append("export LC_ALL=C.UTF-8" if _has_locale("C.UTF-8") else "export PYTHONUTF8=1")
    text = f"{' and '.join(words)}: symbols and names are drawn wrong"
    return Finding("unicode", "error", text, "; ".join(fix))


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
    ways = ["OSC 52 (if the terminal allows it)"]
    if command is not None:
        ways.insert(0, command[0])
    fix = ""
    if environ.get("TMUX") and command is None:
        fix = "In tmux: set -g set-clipboard on"
    elif command is None and not environ.get("SSH_CONNECTION"):
        fix = "If copying does not work: install wl-copy, xclip or xsel."
    return Finding("clipboard", "ok" if command else "warning", ", then ".join(ways), fix)
