"""The parsers of all subcommands, and the global options, before or after the subcommand."""

from __future__ import annotations

import argparse
import re
from collections.abc import Container, Iterator, Sequence
from typing import Any, NoReturn

from sandtui import __version__
from sandtui.cli.options import (
    ALWAYS,
    AUTO,
    COLOR,
    CONTEXT,
    EVERYWHERE,
    LOCAL,
    LOG,
    NEVER,
    NO_COLOR,
    PLATFORM,
    PROFILE,
    QUIET,
    READ_ONLY,
    Options,
)
from sandtui.cli.usage import UsageError
from sandtui.manual import nearest

_KEYWORDS: dict[str, dict[str, Any]] = {
    LOCAL: {"nargs": 0, "help": "use the local platform, even if an API key is set"},
    PROFILE: {"metavar": "NAME", "help": "use a profile of the settings file, or a context of the prime command"},
    READ_ONLY: {"nargs": 0, "help": "disable every action that changes anything"},
    QUIET: {"nargs": 0, "help": "print results and errors only: no notes, no progress"},
    COLOR: {"choices": (AUTO, ALWAYS, NEVER), "help": "when to use colors (default: auto; NO_COLOR is honored)"},
    NO_COLOR: {"nargs": 0, "help": "the same as --color never"},
    LOG: {
        "nargs": "?",
        "const": "",
        "metavar": "FILE",
        "help": "write a debug log of requests, actions and errors, without secrets, at most 8 MB (default: "
        "debug.log in the state directory). After a subcommand write --log=FILE",
    },
}


_OTHER_NAMES = {PROFILE: (CONTEXT,), QUIET: ("-q",)}

_UNKNOWN_OPTION = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_INVALID_CHOICE = re.compile(r"argument (.*?): invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """A parser whose mistakes are usage errors, with the usage line and the name that was probably meant.

    An epilog may be a function (``set_defaults(epilog=...)``): it is called only when the help is printed.
    """

    def __init__(self, *args: Any, **keywords: Any) -> None:
        keywords.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        # A shortened option would break when a longer one is added.
        super().__init__(*args, **{"allow_abbrev": False, **keywords})

    def format_help(self) -> str:
        """Return the help, with the epilog that is made when it is needed."""
        made = self.get_default("epilog")
        if made is None:
            return super().format_help()
        before = self.epilog
        self.epilog = "\n\n".join(part for part in (made(), before) if part)
        try:
            return super().format_help()
        finally:
            self.epilog = before

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a subcommand refuses what it does not know itself, as its usage line is the one that helps."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and " " in self.prog:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Report a mistake.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{self._explained(message)}", usage=self.format_usage())

    def _explained(self, message: str) -> str:
        unknown = _UNKNOWN_OPTION.fullmatch(message)
        if unknown is not None:
            word = unknown[1].split()[0] if unknown[1].split() else ""
            if not word.startswith("-"):
                return f"unexpected argument: {unknown[1]}; quote what contains spaces"
            name = word.partition("=")[0]
            options = tuple(
                option for action in self._actions for option in action.option_strings if option[:2] == "--"
            )
            close = nearest(name, options, 0.7) if name[:2] == "--" else ""
            if not close and any("QUERY" in str(action.metavar) for action in self._actions) and word[:2] != "--":
                return f"unknown option: {word}; a filter may begin with !, or with - behind --: -- {word}"
            return f"unknown option: {word}" + (f'; did you mean "{close}"?' if close else "")
        choice = _INVALID_CHOICE.fullmatch(message)
        if choice is not None:
            names = tuple(name.strip(" '") for name in choice[3].split(","))
            close = nearest(choice[2], names, 0.6)
            if choice[1] == "COMMAND":
                advice = f'did you mean "{close}"?' if close else "`sandtui --help` lists the commands"
                return f'no command "{choice[2]}"; {advice}'
            advice = f'did you mean "{close}"? ' if close else ""
            return f'{choice[1]}: "{choice[2]}" is not one of {", ".join(names)}. {advice}'.rstrip(" .")
        return message


class Given:
    """Collects the options as they are parsed, at any depth of subcommands."""

    def __init__(self) -> None:
        self._values: dict[str, list[Any]] = {}

    def note(self, name: str, value: object) -> None:
        """Add an option."""
        self._values.setdefault(name, []).append(value)

    def options(self, command: str, takes: Container[str], why: str) -> Options:
        """Return the options for a command.

        Raises:
            UsageError: the command does not take one of them, or one has two values.
        """
        values: dict[str, Any] = {}
        for name, given in self._values.items():
            if name not in EVERYWHERE and name not in takes:
                raise UsageError(f"`sandtui {command}` does not take {name}: {why}")
            if len(set(given)) > 1:
                raise UsageError(f"{name} was given twice, as {' and '.join(map(repr, given))}")
            values[name.strip("-").replace("-", "_")] = given[0]
        if values.pop("no_color", False) and values.setdefault("color", NEVER) != NEVER:
            raise UsageError(f"{NO_COLOR} and {COLOR} {values['color']} cannot be combined")
        return Options(**values)


class _Note(argparse.Action):
    """Collects an option instead of setting it: a subparser would overwrite earlier values."""

    def __init__(self, *args: Any, given: Given, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._given = given

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        self._given.note(self.option_strings[0], True if self.nargs == 0 else values)


def add_everywhere(root: argparse.ArgumentParser) -> Given:
    """Add the options to a parser and all its subparsers, and set the ``subcommand`` of each.

    A parser says with ``set_defaults(takes=..., why_not=...)`` which of PLATFORM it and its subparsers take.
    """
    given = Given()
    for path, parser, takes in _tree(root, (), PLATFORM):
        parser.set_defaults(subcommand=" ".join(path), takes=takes)
        group = parser.add_argument_group("global options")
        for name, keywords in _KEYWORDS.items():
            shown = name in takes or name in EVERYWHERE
            words = {**keywords, "help": keywords["help"] if shown else argparse.SUPPRESS}
            group.add_argument(
                name, *_OTHER_NAMES.get(name, ()), action=_Note, given=given, default=argparse.SUPPRESS, **words
            )
        group.add_argument("--version", "-V", action="version", version=f"sandtui {__version__}")
        if parser.usage is None:
            parser.usage = _short_usage(parser)
    return given


def _short_usage(parser: argparse.ArgumentParser) -> str:
    """Return the usage of a parser without the options that may be left out: they fill a screen."""
    asked = [action for action in parser._actions if action.required or not action.option_strings]
    formatter = argparse.HelpFormatter(f"{parser.prog} [options]")
    formatter.add_usage(None, asked, [], "")
    return " ".join(formatter.format_help().split())


def _tree(
    parser: argparse.ArgumentParser, path: tuple[str, ...], takes: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser, frozenset[str]]]:
    own: frozenset[str] | None = parser.get_default("takes")
    takes = takes if own is None else own
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield path, parser, takes
    for action in below:
        # An alias leads to the same parser.
        children = {id(child): (name, child) for name, child in reversed(action.choices.items())}
        for name, child in reversed(children.values()):
            yield from _tree(child, (*path, name), takes)


_WITH_VALUE = frozenset({LOG, PROFILE, CONTEXT, COLOR})
"""Global options that take the next word."""


def command_of(words: Sequence[str], commands: Container[str]) -> str:
    """Return the subcommand of a command line if it is one of ``commands``, else an empty text."""
    previous = ""
    for word in words:
        if word in commands and (previous not in _WITH_VALUE or previous == LOG):
            return word
        if not word.startswith("-") and previous not in _WITH_VALUE:
            return ""
        previous = word
    return ""


def separated(
    words: Sequence[str], commands: Container[str], tailed: Container[str] = frozenset({"run"})
) -> tuple[list[str], list[str] | None]:
    """Return a command line that argparse understands, and for ``tailed`` subcommands what follows ``--``.

    A bare ``--log`` must not take a subcommand or its arguments for the name of its file.
    """
    apart: list[str] = []
    command = ""
    rest = iter(enumerate(words))
    for place, word in rest:
        if word == "--":
            if command in tailed:
                return apart, list(words[place + 1 :])
            return [*apart, *words[place:]], None
        following = words[place + 1] if place + 1 < len(words) else "-"
        if word == LOG and (command or following.startswith("-") or following in commands):
            apart.append(f"{LOG}=")
            continue
        apart.append(word)
        if not command and word in _WITH_VALUE and place + 1 < len(words):
            apart.append(next(rest)[1])
        elif not command and word in commands:
            command = word
    return apart, None
