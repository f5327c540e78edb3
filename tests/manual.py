"""Writes the table of keys in the manual, from the registry of actions: ``make manual``."""

from __future__ import annotations

from pathlib import Path

from sandtui.cli.keys import markdown
from sandtui.fleet.keymap import Keymap, table

PAGE = Path(__file__).parents[1] / "sandtui" / "manual" / "keys.md"
BEGIN, END = "<!-- keys: written by `make manual` -->\n", "<!-- keys: end -->"


def with_table(text: str) -> str:
    """Return the page with the table as the registry has it now."""
    before, found, rest = text.partition(BEGIN)
    assert found, f"{PAGE} has no place for the table: the line {BEGIN}"
    return f"{before}{BEGIN}{markdown(table(Keymap()))}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write it."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
