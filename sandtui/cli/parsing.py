"""Parses the global options, before or after the subcommand."""

from __future__ import annotations

import argparse
from collections.abc import Container, Iterator, Sequence
from typing import Any

from sandtui import __version__
from sandtui.cli.options import LOCAL, LOG, PLATFORM, PROFILE, READ_ONLY, Options
from sandtui.cli.usage import UsageError

_KEYWORDS: dict[str, dict[str, Any]] = {
    LOCAL: {"nargs": 0, "help": "use the local platform, even if an API key is set"},
    PROFILE: {"metavar": "NAME", "help": "use a profile of the settings file, or a context of the prime command"},
    READ_ONLY: {"nargs": 0, "help": "disable every action that changes anything"},
    LOG: {
        "nargs": "?",
        "const": "",
        "metavar": "FILE",
        "help": "write a debug log of requests, actions and errors, without secrets, at most 8 MB (default: "
        "debug.log in the state directory). After a subcommand write --log=FILE",
    },
}


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
            if name != LOG and name not in takes:
                raise UsageError(f"`sandtui {command}` does not take {name}: {why}")
            if len(set(given)) > 1:
                raise UsageError(f"{name} was given twice, as {' and '.join(map(repr, given))}")
            values[name.strip("-").replace("-", "_")] = given[0]
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
            words = {**keywords, "help": keywords["help"] if name in takes or name == LOG else argparse.SUPPRESS}
            group.add_argument(name, action=_Note, given=given, default=argparse.SUPPRESS, **words)
        group.add_argument("--version", action="version", version=f"sandtui {__version__}")
    return given


def _tree(
    parser: argparse.ArgumentParser, path: tuple[str, ...], takes: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser, frozenset[str]]]:
    own: frozenset[str] | None = parser.get_default("takes")
    takes = takes if own is None else own
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield path, parser, takes
    for action in below:
        for name, child in action.choices.items():
            yield from _tree(child, (*path, name), takes)


def separated(words: Sequence[str], commands: Container[str]) -> tuple[list[str], list[str] | None]:
    """Return a command line that argparse understands, and for ``run`` what follows ``--``.

    A bare ``--log`` must not take a subcommand or its arguments for the name of its file.
    """
    apart: list[str] = []
    command = ""
    rest = iter(enumerate(words))
    for place, word in rest:
        if word == "--":
            if command == "run":
                return apart, list(words[place + 1 :])
            return [*apart, *words[place:]], None
        following = words[place + 1] if place + 1 < len(words) else "-"
        if word == LOG and (command or following.startswith("-") or following in commands):
            apart.append(f"{LOG}=")
            continue
        apart.append(word)
        if not command and word in {LOG, PROFILE} and place + 1 < len(words):
            apart.append(next(rest)[1])
        elif not command and word in commands:
            command = word
    return apart, None
