"""Every command that prints objects says in its help what their fields are, and prints no others."""

import json

import pytest

from sandtui.cli.program import make_parser
from sandtui.config.paths import Paths
from tests.cli.fleet_server import row
from tests.probes import arguments_of


def parsers(parser, path=()):
    """Yield each parser with the words that lead to it."""
    yield path, parser
    for action in arguments_of(parser):
        if isinstance(action.choices, dict):
            for name, child in action.choices.items():
                yield from parsers(child, (*path, name))


def printing():
    root, _, _ = make_parser()
    return [(path, parser) for path, parser in parsers(root) if parser.get_default("output_kind") is not None]


@pytest.mark.parametrize(
    ("path", "parser"), printing(), ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_help_names_each_field(path, parser):
    kind = parser.get_default("output_kind")()
    text = parser.format_help()
    assert kind.fields
    for name, words in kind.fields.items():
        assert f"\n  {name} " in text and words, name


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "--all"],
        ["ps"],
        ["get", "try-1", "try-2"],
        ["view"],
        ["view", "failed"],
        ["rm", "try-1", "--yes"],
        ["wait", "try-1"],
        ["create", "--count", "2"],
        ["keys"],
        ["config", "contexts"],
        ["version"],
    ],
    ids=" ".join,
)
def test_no_other_field_is_printed(fleet, sandtui, words):
    fleet.rows = [row(1), row(2), row(3, status="ERROR")]
    root, _, _ = make_parser()
    path = tuple(word for word in words[:2] if word in {words[0], "contexts"})
    kind = dict(parsers(root))[path].get_default("output_kind")()
    if words == ["view"]:
        from sandtui.cli.view import VIEWS as kind
    done = sandtui(*words, "-o", "jsonl")
    assert done.code == 0, done.err
    assert done.lines
    for line in done.lines:
        assert set(json.loads(line)) == set(kind.fields) - {"…"}


def test_contexts_are_listed_with_the_one_in_use(clean_home, sandtui):
    file = Paths.of_user().settings
    file.parent.mkdir(parents=True)
    file.write_text("profile = 'look'\n[profiles.look]\nkey = 'k'\nread_only = true\n")
    found = {each["name"]: each for each in json.loads(sandtui("config", "contexts", "-o", "json").out)}
    assert found["look"]["current"] and found["look"]["read_only"]
    assert not found["local"]["current"]
    assert "k" not in json.dumps(found["look"]).replace("look", "").replace("kind", "")
