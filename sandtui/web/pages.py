"""The page and what belongs to it, read once when the server starts: no request names a file."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "static"

FILES: Final = {
    "page.js": "text/javascript",
    "page.css": "text/css",
    "xterm.mjs": "text/javascript",
    "addon-webgl.mjs": "text/javascript",
    "addon-unicode11.mjs": "text/javascript",
    "xterm.css": "text/css",
    "dejavu-mono-latin-400-normal.woff2": "font/woff2",
    "dejavu-mono-latin-700-normal.woff2": "font/woff2",
}
NONCE: Final = "%NONCE%"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The terminal of the page makes ``style`` elements, which get the nonce; style attributes remain forbidden."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page."""

    content: bytes
    media_type: str
    tag: str


class WebPages:
    """Answers requests for the page and its files."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._page = (folder / "index.html").read_text("utf-8")
        self._files: Mapping[str, StaticFile] = {name: _load(folder, name, kind) for name, kind in FILES.items()}

    async def page(self, _: Request) -> Response:
        """Return the page."""
        nonce = secrets.token_urlsafe(16)
        return Response(
            self._page.replace(NONCE, nonce),
            media_type="text/html",
            headers={"content-security-policy": POLICY.format(nonce=nonce)},
        )

    async def file(self, request: Request) -> Response:
        """Return a file of the page."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        headers = {"etag": found.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)


def _load(folder: Path, name: str, media_type: str) -> StaticFile:
    path = folder / name if (folder / name).is_file() else folder / "vendor" / name
    content = path.read_bytes()
    return StaticFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
