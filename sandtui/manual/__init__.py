"""The user's manual: a page of Markdown for each topic, read by `sandtui help`, the dashboard and people on the web."""

from __future__ import annotations

import re

TOPICS = (
    "start",
    "fleet",
    "filter",
    "create",
    "checkpoints",
    "console",
    "fan-out",
    "logs",
    "shells",
    "files",
    "jobs",
    "ports",
    "activity",
    "leases",
    "cost",
    "deaths",
    "commands",
    "web",
    "contexts",
    "settings",
    "keys",
    "client",
    "local",
    "sdk",
    "measurements",
)
"""The names of the pages, in reading order."""

_IMAGE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n*", re.MULTILINE)
_PAGE_LINK = re.compile(r"\[([^\]]+)\]\(([a-z-]+)\.md(?:#[a-z-]+)?\)")
_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)


def page(topic: str) -> str:
    """Return the Markdown of a page; ``topic`` is one of `TOPICS`."""
    from importlib.resources import files

    if topic not in TOPICS:
        raise KeyError(topic)
    return files(__name__).joinpath(f"{topic}.md").read_text(encoding="utf-8")


def title(topic: str) -> str:
    """Return the heading of a page."""
    return page(topic).partition("\n")[0].removeprefix("# ")


def terminal_page(topic: str, *, commands: bool = True) -> str:
    """Return a page for a terminal: without pictures, links to other pages as ``commands`` or as plain text."""
    text = _COMMENT.sub("", _IMAGE.sub("", page(topic)))
    return _PAGE_LINK.sub(lambda link: f"{link[1]} (`sandtui help {link[2]}`)" if commands else link[1], text)


def nearest(word: str, names: tuple[str, ...] = TOPICS, likeness: float = 0.5) -> str:
    """Return the name that a word was probably meant to be, or an empty text; 1 is the ``likeness`` of equal words."""
    from difflib import get_close_matches

    word = word.lower()
    plural = [name for name in names if word and (name.startswith(word) or word.startswith(name))]
    close = plural or get_close_matches(word, names, 1, likeness)
    return close[0] if close else ""
