"""A class name means one thing in the whole program."""

import ast
from collections import defaultdict
from pathlib import Path

import sandtui
from tests.sources import parsed

PACKAGE = Path(sandtui.__file__).parent


def test_no_class_name_is_defined_twice():
    modules = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}
