"""Whether a command goes on in the next line, as a shell would decide while it is typed."""

from __future__ import annotations


def goes_on(text: str) -> bool:
    """Whether ``text`` ends in a backslash, or inside quotes: then Enter begins a new line instead of running it."""
    quote = ""
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == "\\" and quote != "'":
            if place + 1 == len(text):
                return True
            place += 2
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (place == 0 or text[place - 1] in " \t\n;&|("):
            end = text.find("\n", place)
            place = len(text) if end < 0 else end
            continue
        place += 1
    return bool(quote)
