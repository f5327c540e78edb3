"""Image references: their form, and which of them a driver that pulls nothing lets through."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

# The grammar of the distribution project: [host[:port]/]path[:tag][@digest].
_HOST: Final = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"
_PATH: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
_REFERENCE: Final = re.compile(rf"{_HOST}{_PATH}(?::[\w][\w.-]{{0,127}})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{{32,}})?")


def form_trouble(image: str) -> str | None:
    """Return why a text can't be an image's reference, or None."""
    if _REFERENCE.fullmatch(image):
        return None
    return f"The image {image!r} could not be pulled: this is not a valid reference."


class Catalogue:
    """The images that are taken as there, by glob patterns."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns

    def trouble(self, image: str) -> str | None:
        """Return why an image can't be had, or None."""
        if (wrong := form_trouble(image)) is not None:
            return wrong
        if any(fnmatchcase(image, pattern) for pattern in self._patterns):
            return None
        known = ", ".join(self._patterns) or "none"
        return f"The image {image!r} could not be pulled: this platform was told to have only: {known}."
