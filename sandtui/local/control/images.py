"""Image references: their syntax, and the images that a driver without pulls accepts."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

# The grammar of the distribution project: [host[:port]/]path[:tag][@digest].
_HOST: Final = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"
_PATH: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
_REFERENCE: Final = re.compile(rf"{_HOST}{_PATH}(?::[\w][\w.-]{{0,127}})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{{32,}})?")


def reference_error(image: str) -> str | None:
    """Return why a text is not a valid image reference, or None if it is."""
    if _REFERENCE.fullmatch(image):
        return None
    return f"The image {image!r} could not be pulled: this is not a valid reference."


class Catalogue:
    """The images that are treated as available, by glob patterns."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns

    def error(self, image: str) -> str | None:
        """Return why an image is not available, or None if it is."""
        if (wrong := reference_error(image)) is not None:
            return wrong
        if any(fnmatchcase(image, pattern) for pattern in self._patterns):
            return None
        known = ", ".join(self._patterns) or "none"
        return f"The image {image!r} could not be pulled: this platform only has {known}."
