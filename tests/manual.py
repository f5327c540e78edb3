"""Writes the tables of keys in the manual, from the registry of actions and its grammar: ``make manual``."""

from __future__ import annotations

from pathlib import Path

from sandtui.cli.keys import markdown
from sandtui.fleet.actions.grammar import MATCHES, MEANINGS
from sandtui.fleet.keymap import Keymap, key_label, table

PAGE = Path(__file__).parents[1] / "sandtui" / "manual" / "keys.md"


def with_table(text: str) -> str:
    """Return the page with the tables as the registry has them now."""
    return _replaced(_replaced(text, "meanings", meanings()), "keys", markdown(table(Keymap())))


def meanings() -> str:
    """Return the table of what keys mean, in Markdown."""
    rows = ["| key | means |\n|---|---|\n"]
    for meaning in (*MEANINGS, MATCHES):
        keys = " ".join(f"`{key_label(key)}`" for key in meaning.keys).replace("|", "\\|")
        rows.append(f"| {keys} | {meaning.text} |\n")
    return "".join(rows)


def _replaced(text: str, name: str, written: str) -> str:
    begin, end = f"<!-- {name}: written by `make manual` -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    assert found, f"{PAGE} has no place for the table: the line {begin}"
    return f"{before}{begin}{written}{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write it."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
