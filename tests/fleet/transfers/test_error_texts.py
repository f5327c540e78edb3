"""What a failed transfer says: words, and names that its user knows."""

import errno
import os

import pytest

from sandtui.client import APIError, NotFoundError, PermissionDeniedError
from sandtui.fleet.files.local import LocalFileSystem
from sandtui.fleet.files.names import FilesError, beside
from sandtui.fleet.transfers.model import TransferError
from sandtui.fleet.transfers.reasons import reason

ID = "0123456789"


def staged(path):
    return beside(path, f"{ID}.part")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/nope"),
            "/proc/nope: No such file or directory",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", staged("/a/b"), None, "/a/b"), "/a/b: Permission denied"),
        (PermissionError(errno.EACCES, "Permission denied", b"/a/b"), "/a/b: Permission denied"),
        (OSError("a sentence of ours"), "a sentence of ours"),
        (FilesError(f"{staged('/a/my file')}: gone"), "/a/my file: gone"),
        (TransferError(f"'{staged('.bashrc')}' is there"), "'.bashrc' is there"),
        (FilesError(f"{staged('/a/' + 'x' * 200)}: gone"), f"/a/{'x' * 100}…: gone"),
        (FilesError(f"/a/.{staged('b')}.abcdef.kept: gone"), "/a/b: gone"),
        (FilesError("/a/.b.9999999999.part: another's"), "/a/.b.9999999999.part: another's"),
        (
            NotFoundError(f"HTTP 404: {staged('/proc/nope')}: No such file", status_code=404, path="/u/j/upload"),
            "/proc/nope: No such file",
        ),
        (
            PermissionDeniedError("HTTP 403: /usr/x: Read-only file system", status_code=403, path="/u/j/upload"),
            "/usr/x: Read-only file system",
        ),
        (APIError("HTTP 500: oops", status_code=500, path="/u/j/upload"), "HTTP 500: oops"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_an_error_is_reported_with_a_message(error, text):
    assert reason(error, ID) == text


@pytest.mark.parametrize("path", ["/proc/nope/x", "{0}/file/x/y"])
async def test_a_directory_that_cannot_be_made(tmp_path, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FilesError, match=r"can't be created: (No such file|.*/file is not a directory)"):
        await LocalFileSystem().make_folders([path.format(tmp_path)])


async def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FilesError, match="/file is not a directory"):
        await LocalFileSystem().stat(os.fspath(tmp_path / "file" / "x" / "y"))
