"""The names of ``prime_sandboxes.exceptions``, for code written for the official SDK."""

from sandtui.client import (
    APIError,
    CommandTimeoutError,
    DownloadTimeoutError,
    SandboxFileNotFoundError,
    SandboxFileTooLargeError,
    SandboxImagePullError,
    SandboxNotRunningError,
    SandboxOOMError,
    SandboxTimeoutError,
    UploadTimeoutError,
)

__all__ = [
    "APIError",
    "CommandTimeoutError",
    "DownloadTimeoutError",
    "SandboxFileNotFoundError",
    "SandboxFileTooLargeError",
    "SandboxImagePullError",
    "SandboxNotRunningError",
    "SandboxOOMError",
    "SandboxTimeoutError",
    "UploadTimeoutError",
]
