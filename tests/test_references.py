"""Documents that the code refers to lie in the repository, and have the section that is named."""

import re
from pathlib import Path

import pytest

import sandtui

PACKAGE = Path(sandtui.__file__).parent
EXAMPLES = {"README.md"}
"""Files that sandboxes have, not this repository."""
REFERENCE = re.compile(r"(?<![\w*])((?:\w+/)*\w+\.md)((?: [0-9]+(?:\.[0-9]+)?(?:,| to| and)?)*)")


def sources():
    for path in PACKAGE.rglob("*"):
        if path.suffix in {".py", ".proto", ".tcss", ".md"}:
            yield path


def references(path):
    """Yield each document that a file names, and the numbers of the sections that are named with it."""
    text = path.read_text()
    if path.suffix == ".md":
        # The text of a page may name any file; its links lead somewhere.
        yield from ((name, []) for name in re.findall(r"\]\((?!https?:)([\w./-]+\.md)", text))
        return
    for found in REFERENCE.finditer(re.sub(r"\s*\n[#/ ]*", " ", text)):
        yield found[1], re.findall(r"[0-9]+(?:\.[0-9]+)?", found[2])


def document(name, path):
    """Return a document by its path from the package, or beside a file or above it."""
    places = [PACKAGE, PACKAGE.parent, *(parent for parent in path.parents if PACKAGE in {parent, *parent.parents})]
    return next((place / name for place in places if (place / name).is_file()), None)


def test_documents_are_there():
    missing = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in sources()
        for name, _ in references(path)
        if name not in EXAMPLES and document(name, path) is None
    ]
    assert missing == []


def test_sections_are_there():
    wrong = []
    for path in sources():
        for name, sections in references(path):
            found = document(name, path)
            if found is not None and sections:
                headings = set(re.findall(r"^#+ ([0-9]+(?:\.[0-9]+)?)\.? ", found.read_text(), re.MULTILINE))
                wrong += [f"{path.relative_to(PACKAGE)}: {name} {each}" for each in sections if each not in headings]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(WIRE.md 2.3 to 2.9)", [("WIRE.md", ["2.3", "2.9"])]),
        ("as client/WIRE.md 0, 2.3\n    # says", [("client/WIRE.md", ["0", "2.3"])]),
        ("(WIRE.md\n    2.12).", [("WIRE.md", ["2.12"])]),
        ("(WIRE.md 2.12, 2.15, 7).", [("WIRE.md", ["2.12", "2.15", "7"])]),
        ("all *.md files", []),
    ],
)
def test_how_references_are_found(tmp_path, text, found):
    (tmp_path / "module.py").write_text(f'"""{text}"""\n')
    assert list(references(tmp_path / "module.py")) == found
