"""Whether a command continues on the next line, by the rules of a shell."""

from __future__ import annotations


def goes_on(text: str) -> bool:
    """Whether ``text`` ends with a backslash or inside quotes: then Enter inserts a newline instead of running it."""
    quote = ""
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\" and quote != "'":
            if index + 1 == len(text):
                return True
            index += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and (index == 0 or text[index - 1] in " \t\n;&|("):
            end = text.find("\n", index)
            index = len(text) if end < 0 else end
            continue
        index += 1
    return bool(quote)
