"""``sandtui help``: the manual, and the help of the other subcommands."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping

from sandtui.cli.options import NO_PLATFORM, NOTHING
from sandtui.cli.usage import UsageError, on_terminal, refuse
from sandtui.manual import TOPICS, nearest, terminal_page, title

PAGE_WIDTH = 100
"""Columns of text at most: longer lines are hard to read."""


def add_parser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "help",
        help="read the manual",
        description="Show a page of the manual, or the options of a command. Without TOPIC, list the topics. "
        "On a terminal the text goes through $PAGER.",
    )
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="a topic of the manual, or a command")
    parser.add_argument("--man", action="store_true", help="print a man page of all commands")
    parser.set_defaults(
        run=lambda arguments: run(arguments, subparsers.choices),
        takes=NOTHING,
        why_not=NO_PLATFORM,
        completes=TOPICS,
    )


def run(arguments: argparse.Namespace, commands: Mapping[str, argparse.ArgumentParser]) -> int:
    """Run the subcommand."""
    topic: str | None = arguments.topic
    if arguments.man:
        from sandtui.cli.man_page import man_page

        if topic is not None:
            raise UsageError("--man prints one page about all commands: leave out TOPIC")
        print(man_page(commands), end="")
        return 0
    if topic is None:
        print(_overview())
        return 0
    name = topic.lower()
    if name in TOPICS:
        text = terminal_page(name)
        if on_terminal("stdout"):
            _show(text)
        else:
            print(text, end="")
        return 0
    if name in commands:
        commands[name].print_help()
        return 0
    close = nearest(name, (*TOPICS, *commands))
    meant = f'Did you mean "{close}"? ' if close else ""
    return refuse(f'no help for "{topic}". {meant}`sandtui help` lists the topics.')


def _overview() -> str:
    width = max(map(len, TOPICS)) + 2
    topics = "\n".join(f"  {topic:<{width}}{title(topic)}" for topic in TOPICS)
    return f"Read the manual: sandtui help TOPIC\n\n{topics}\n\nOptions of a command: sandtui COMMAND --help"


def _show(text: str) -> None:
    """Print Markdown on a terminal, through a pager when it is longer than the window."""
    from rich.console import Console
    from rich.theme import Theme

    from sandtui.ui.rendering.manual import PLAIN_STYLES, ManualPage

    columns, rows = shutil.get_terminal_size()
    console = Console(width=min(columns, PAGE_WIDTH), highlight=False, theme=Theme(PLAIN_STYLES))
    with console.capture() as capture:
        console.print(ManualPage(text))
    shown = capture.get()
    command = _pager(os.environ)
    if shown.count("\n") < rows or command is None:
        print(shown, end="")
        return
    # Colors pass, and a page that fits is not held up, unless the user says otherwise.
    environment = {"LESS": "FRX", "LESSCHARSET": "utf-8", **os.environ}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:  # noqa: S603 - the user's own
        assert process.stdin is not None
        try:
            process.stdin.write(shown.encode("utf-8"))
            process.stdin.close()
        except BrokenPipeError:
            pass  # the reader quit before the end
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                continue  # ctrl+c is the pager's: less goes back to its prompt


def _pager(environ: Mapping[str, str]) -> list[str] | None:
    """Return the command of the pager; none where the terminal can't be paged or the user wants none."""
    if environ.get("TERM", "dumb") == "dumb" or not on_terminal("stdin"):
        return None
    try:
        command = shlex.split(environ.get("PAGER", "less"))
    except ValueError:
        return None
    return command if command and shutil.which(command[0]) else None
