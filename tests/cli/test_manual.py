"""The manual: its pages, `sandtui help`, and the table of keys."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandtui.cli.program import main, make_parser
from sandtui.fleet.actions import ACTIONS
from sandtui.fleet.keymap import Keymap, table
from sandtui.manual import TOPICS, nearest, page, terminal_page, title
from tests.e2e.terminal import Terminal
from tests.manual import with_table
from tests.probes import arguments_of

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "sandtui" / "manual"
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```(?:sh)?\n.*?```|`[^`\n]+`", re.DOTALL)
COMMAND = re.compile(r"(?<!/)\bsandtui ((?:help |local |config )?[a-z]+)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {"--all", "--storage-opt"}
"""Options of other programs, such as `prime sandbox delete --all`."""


def every_option(parser):
    for action in arguments_of(parser):
        yield from action.option_strings
        if isinstance(action.choices, dict):
            for child in action.choices.values():
                yield from every_option(child)


def shown_options(parser):
    for action in arguments_of(parser):
        if action.help != argparse.SUPPRESS:
            yield from action.option_strings
        if isinstance(action.choices, dict):
            for child in action.choices.values():
                yield from shown_options(child)


def test_every_page_is_a_topic():
    assert {path.stem for path in MANUAL.glob("*.md")} == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_has_one_title_and_links_that_lead_somewhere(topic):
    text = page(topic)
    assert re.match(r"# \S", text)
    assert len(re.findall(r"^# (?!.*make)", re.sub(r"```.*?```", "", text, flags=re.S), re.MULTILINE)) == 1
    for target in LINK.findall(text):
        assert (MANUAL / target.partition("#")[0]).exists(), target


def test_the_readme_links_every_page_and_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = {target.partition("#")[0] for target in LINK.findall(text)}
    assert {f"sandtui/manual/{topic}.md" for topic in TOPICS} <= targets
    assert all((ROOT / target).exists() for target in targets)
    assert text.count("\n") <= 150


@pytest.mark.parametrize("name", [*TOPICS, "README"])
def test_a_page_names_only_commands_and_options_that_exist(name):
    text = page(name) if name in TOPICS else (ROOT / "README.md").read_text(encoding="utf-8")
    parser, commands, _ = make_parser()
    code = CODE.findall(text)
    for words in COMMAND.findall("\n".join(code)):
        first, _, second = words.partition(" ")
        assert first in commands, words
        assert first != "help" or not second or second in TOPICS, words
    used = {option for piece in code if "pip" not in piece for option in OPTION.findall(piece)}
    assert used <= {*every_option(parser), *OF_OTHERS}


def test_the_table_of_keys_is_that_of_the_registry():
    assert page("keys") == with_table(page("keys")), "run `make manual`"
    assert all(f"`{action.id}`" in page("keys") for action in ACTIONS)
    assert len(table(Keymap())) == len(ACTIONS)


def test_help_lists_the_topics(capsys):
    assert main(["help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {topic} +{re.escape(title(topic))}$", shown, re.MULTILINE) for topic in TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_help_prints_plain_text_where_it_is_piped(topic, capsys):
    assert main(["help", topic]) == 0
    shown = capsys.readouterr().out
    assert shown == terminal_page(topic)
    assert "\x1b" not in shown
    assert "](" not in re.sub(r"`[^`]*`", "", shown)


def test_a_link_to_another_page_becomes_its_command():
    assert "`sandtui help fan-out`" in terminal_page("start")


def test_help_takes_a_command_that_is_not_a_topic(capsys):
    assert main(["help", "run"]) == 0
    assert "QUERY" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("filt", "filter"), ("fanout", "fan-out"), ("port", "ports"), ("consol", "console"), ("docter", "doctor")],
)
def test_an_unknown_topic_suggests_the_nearest(typed, meant, capsys):
    assert main(["help", typed]) == 2
    assert f'Did you mean "{meant}"?' in capsys.readouterr().err


def test_a_topic_that_is_like_none_suggests_nothing(capsys):
    assert main(["help", "zzz\x1b[31m"]) == 2
    shown = capsys.readouterr().err
    assert "Did you mean" not in shown
    assert "sandtui help" in shown
    assert "\x1b" not in shown


def test_the_nearest_name_is_one_of_the_given():
    assert nearest("", ("a",)) == ""
    assert nearest("FILES") == "files"


def environment(tmp_path, **more):
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **more}


async def test_help_renders_the_page_on_a_terminal_through_the_pager(tmp_path):
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\necho "paged:"\ncat\n')
    pager.chmod(0o755)
    env = environment(tmp_path, PAGER=str(pager))
    async with Terminal([sys.executable, "-m", "sandtui", "help", "fleet"], env, folder=tmp_path) as terminal:
        assert await terminal.ended() == 0
        raw = terminal.raw.decode()
    assert raw.startswith("paged:")
    assert "used<2%" in raw
    assert "`used" not in raw
    assert "\x1b[1m" in raw or "\x1b[1;" in raw


async def test_a_pager_that_quits_early_is_not_an_error(tmp_path):
    env = environment(tmp_path, PAGER="head -n 1")
    async with Terminal([sys.executable, "-m", "sandtui", "help", "keys"], env, folder=tmp_path) as terminal:
        assert await terminal.ended() == 0


def test_a_reader_that_goes_away_causes_no_traceback(tmp_path):
    command = f"{sys.executable} -m sandtui help keys | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment(tmp_path), cwd=ROOT)
    assert result.stdout == "# Keys\n"
    assert result.stderr == ""


def test_the_page_of_commands_names_all_of_them():
    _, commands, _ = make_parser()
    text = page("commands")
    assert [name for name in commands if f"`{name}`" not in text] == []


def test_the_man_page_says_what_help_says(capsys):
    assert main(["help", "--man"]) == 0
    shown = capsys.readouterr().out
    _, commands, _ = make_parser()
    for parser in {id(each): each for each in commands.values()}.values():
        for option in shown_options(parser):
            escaped = option.replace("-", "\\-")
            assert escaped in shown, option
    assert ".SH EXIT CODES" in shown
    assert main(["help", "--man", "ls"]) == 2


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_man_page_is_troff_without_a_warning(capsys):
    main(["help", "--man"])
    source = capsys.readouterr().out
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww"], input=source.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    text = re.sub(rb"\x1b\[[0-9;]*m|.\x08", b"", done.stdout).decode("ascii", "replace")
    assert "sandtui ls [options] [QUERY]" in text
    assert "--columns LIST" in text
