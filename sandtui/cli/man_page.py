"""The man page, made from the parsers and the manual: ``sandtui help --man``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping

from sandtui import __version__
from sandtui.manual import terminal_page

PAGE = "commands"
"""The page of the manual that is part of it."""

DESCRIPTION = "Without a command, opens the dashboard."

NOTHING = "\\&"

_CODE = re.compile(r"`([^`]*)`")
_BOLD = re.compile(r"\*\*([^*]*)\*\*")


def man_page(commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return the man page in troff: what the help of each subcommand says, and the manual's page about all of them."""
    lines = [
        f'.TH SANDTUI 1 "" "sandtui {__version__}" "User Commands"',
        *_section("NAME", ["sandtui \\- manage fleets of Prime sandboxes"]),
        *_section("SYNOPSIS", [f".B {escaped('sandtui')}", escaped("[options] COMMAND ...")]),
        *_section("DESCRIPTION", [DESCRIPTION]),
        *_section("COMMANDS", []),
    ]
    described: set[int] = set()
    for child in commands.values():
        if id(child) not in described:
            described.add(id(child))
            lines += _command(child)
    lines += [".SH GLOBAL OPTIONS", *_options(next(iter(commands.values())), everywhere=True), *_manual()]
    lines += _section("SEE ALSO", [escaped("`sandtui help` lists the topics of the manual.").replace("`", "")])
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return a line of text as troff prints it literally."""
    line = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _section(title: str, lines: list[str]) -> list[str]:
    return [f".SH {title}", *lines]


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield f".SS {escaped(usage)}"
    yield from _text(parser.description or "")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _command(child)
    yield from _options(parser, everywhere=False)


def _options(parser: argparse.ArgumentParser, *, everywhere: bool) -> Iterator[str]:
    """Yield the options of a parser: those of all subcommands, or its own."""
    for action in parser._actions:
        if not action.option_strings or action.help in {argparse.SUPPRESS, None}:
            continue
        if _is_global(parser, action) is everywhere:
            names = ", ".join(action.option_strings)
            value = "" if action.nargs == 0 else f" {action.metavar or '|'.join(map(str, action.choices or ()))}"
            yield ".TP"
            yield f".B {escaped((names + value).rstrip())}"
            yield escaped(" ".join(str(action.help).replace("%%", "%").replace("%(prog)s", "sandtui").split()))


def _is_global(parser: argparse.ArgumentParser, action: argparse.Action) -> bool:
    groups = [group for group in parser._action_groups if group.title == "global options"]
    return "--help" in action.option_strings or any(action in group._group_actions for group in groups)


def _text(text: str) -> Iterator[str]:
    """Yield paragraphs; indented lines are examples."""
    examples = False
    for line in text.splitlines():
        if line.startswith("  ") != examples:
            examples = not examples
            yield ".PP\n.nf\n.RS 4" if examples else ".RE\n.fi"
        yield escaped(line.strip()) if line.strip() else ".PP"
    if examples:
        yield ".RE\n.fi"


def _manual() -> Iterator[str]:
    """Yield the sections of the manual's page; tables become lists, blocks of code examples."""
    code = False
    for line in terminal_page(PAGE).splitlines()[1:]:
        if line.startswith("```"):
            code = not code
            yield ".PP\n.nf\n.RS 4" if code else ".RE\n.fi"
        elif code:
            yield escaped(line)
        elif line.startswith("## "):
            yield f".SH {escaped(line[3:].upper())}"
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if any(cell.strip("-") for cell in cells):
                yield ".TP"
                yield f".B {_plain(cells[0]) or NOTHING}"
                yield _plain(" ".join(cells[1:])) or NOTHING
        elif line.startswith("- "):
            yield ".IP \\(bu 2"
            yield _plain(line[2:])
        else:
            yield _plain(line.strip()) if line.strip() else ".PP"


def _plain(text: str) -> str:
    return escaped(_BOLD.sub(r"\1", _CODE.sub(r"\1", text)))
