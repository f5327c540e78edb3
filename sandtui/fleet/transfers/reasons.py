"""Error messages of transfers, with the file names that the user knows."""

from __future__ import annotations

import re

from sandtui.client import APIError, SandboxClientError
from sandtui.directories import describe
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.transfers.model import TransferError

_FILE_ROUTES = ("/upload", "/download")


def reason(error: BaseException, transfer_id: str = "") -> str:
    """Return the message for an error: without errno, exception name or temporary file names."""
    if isinstance(error, APIError):
        text = _platform_message(error)
    elif isinstance(error, TransferError | FilesError | SandboxClientError | OSError):
        text = describe(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return _with_final_names(text, transfer_id) if transfer_id else text


def _platform_message(error: APIError) -> str:
    """Return the platform's message about a file, without the HTTP status and advice about keys."""
    status = f"HTTP {error.status_code}: "
    if (error.path or "").endswith(_FILE_ROUTES) and error.message.startswith(status) and "/" in error.message:
        return error.message.removeprefix(status)
    return str(error)


def _with_final_names(text: str, transfer_id: str) -> str:
    """Replace temporary names by the final ones (see ``names.beside``)."""
    part = rf"(~[0-9a-f]{{8}})?\.{re.escape(transfer_id)}\.part"

    def final(match: re.Match[str]) -> str:
        return f"{match[1]}…" if match[2] else match[1]

    start = r"(?:(?<=[/\s'\"‘])|^)"
    text = re.sub(rf"{start}\.\.([^/\n]+?){part}\.\w+\.kept", final, text)
    return re.sub(rf"{start}\.([^/\n]+?){part}", final, text)
