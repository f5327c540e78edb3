"""Why a transfer failed, in words and with the names that its user knows."""

from __future__ import annotations

import re

from sandtui.client import APIError, SandboxClientError
from sandtui.directories import describe
from sandtui.fleet.files.names import FilesError
from sandtui.fleet.transfers.model import TransferError

_FILE_ROUTES = ("/upload", "/download")


def reason(error: BaseException, transfer_id: str = "") -> str:
    """Return what is told of an error: no errno, no exception's name, no temporary file."""
    if isinstance(error, APIError):
        text = _of_the_platform(error)
    elif isinstance(error, TransferError | FilesError | SandboxClientError | OSError):
        text = describe(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return _with_final_names(text, transfer_id) if transfer_id else text


def _of_the_platform(error: APIError) -> str:
    """Return what the platform said of a file: a status is of no use to anyone, nor is advice about keys."""
    status = f"HTTP {error.status_code}: "
    if (error.path or "").endswith(_FILE_ROUTES) and error.message.startswith(status) and "/" in error.message:
        return error.message.removeprefix(status)
    return str(error)


def _with_final_names(text: str, transfer_id: str) -> str:
    """Return a text in which temporary names are those that the files will have (see ``names.beside``)."""
    part = rf"(~[0-9a-f]{{8}})?\.{re.escape(transfer_id)}\.part"

    def final(match: re.Match[str]) -> str:
        return f"{match[1]}…" if match[2] else match[1]

    start = r"(?:(?<=[/\s'\"‘])|^)"
    text = re.sub(rf"{start}\.\.([^/\n]+?){part}\.\w+\.kept", final, text)
    return re.sub(rf"{start}\.([^/\n]+?){part}", final, text)
