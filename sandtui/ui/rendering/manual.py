"""A page of the manual as Rich renders it: headings at the left, code without a background."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import ClassVar

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from rich.theme import Theme

PLAIN_STYLES: Mapping[str, str] = {
    "markdown.h1": "bold",
    "markdown.h2": "bold",
    "markdown.h3": "bold",
    "markdown.code": "cyan",
    "markdown.code_block": "cyan",
    "markdown.item.number": "none",
    "markdown.table.border": "dim",
    "markdown.table.header": "bold",
    "markdown.link": "none",
    "markdown.link_url": "underline",
}
"""Styles that are readable on any terminal background."""


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = dict.fromkeys(Heading.LEVEL_ALIGN, "left")


class _Code(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = Text(str(self.text).rstrip(), style="markdown.code_block", no_wrap=False)
        yield Padding(text, (0, 0, 0, 2))


class ManualPage(Markdown):
    """Markdown of which links are shown as plain text."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
    }

    def __init__(self, text: str) -> None:
        super().__init__(text, hyperlinks=False)


def page_lines(text: str, width: int, styles: Mapping[str, Style | str]) -> Iterable[list[Segment]]:
    """Return the lines of a page. A long one takes about 50 ms: call it in a thread."""
    console = Console(file=StringIO(), width=width, theme=Theme(styles), color_system="truecolor", force_terminal=True)
    yield from console.render_lines(ManualPage(text), pad=False)
