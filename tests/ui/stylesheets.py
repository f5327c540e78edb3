"""Stylesheets are parsed once in a process, not once for each app, which takes as long as to draw its first frame."""

from functools import cache
from typing import Any

from textual.css import stylesheet

_parse, _tokenize_values = stylesheet.parse, stylesheet.tokenize_values


@cache
def _tokens(variables: tuple[tuple[str, str], ...]) -> dict[str, list[Any]]:
    return _tokenize_values(dict(variables))


def parse_once() -> None:
    """Keep the rules of each stylesheet, for each set of values that its variables have had."""
    rules: dict[tuple[Any, ...], list[Any]] = {}

    def parse(*sheet: Any, variable_tokens: dict[str, list[Any]], **more: Any) -> list[Any]:
        # The tokens are kept too, so no others get their id.
        key = (*sheet, id(variable_tokens), *more.items())
        if key not in rules:
            rules[key] = list(_parse(*sheet, variable_tokens=variable_tokens, **more))
        return rules[key]

    stylesheet.tokenize_values = lambda values: _tokens(tuple(values.items()))
    stylesheet.parse = parse
