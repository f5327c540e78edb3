"""Everything that the client raises, in one tree.

::

    SandboxClientError                      catches all
    ├── ConfigurationError                  a key, address or file of the configuration is unusable
    ├── InvalidRequestError                 refused here, before anything was sent
    ├── APIError                            a non-2xx or malformed reply, or no reply
    │   ├── UnauthorizedError               401, or no key at all
    │   ├── PaymentRequiredError            402
    │   ├── PermissionDeniedError           403
    │   │   └── SandboxFileDeniedError      403, from the sandbox's file system
    │   ├── NotFoundError                   404
    │   │   └── SandboxFileNotFoundError
    │   ├── ConflictError                   409
    │   ├── SandboxFileTooLargeError        413
    │   ├── CommandTooLongError             413, for a command and its variables
    │   ├── RequestRejectedError            422, with the fields that the platform refused
    │   ├── RateLimitedError                429
    │   ├── StorageFullError                507
    │   │   └── SandboxDiskFullError        507, for a file that is sent
    │   ├── ServerError                     5xx, but 501 and 507
    │   ├── NotOfferedError                 501: this platform does not have it
    │   ├── MalformedReplyError             2xx, but not what was agreed
    │   ├── JobLostError                    a background job ended without an exit code
    │   ├── ChecksumMismatchError           a transferred file is not what was sent
    │   ├── ConnectionFailedError           no reply at all
    │   └── APITimeoutError                 no reply in time
    ├── SandboxNotRunningError              also a RuntimeError, as in the official SDK
    │   ├── SandboxOOMError
    │   ├── SandboxTimeoutError
    │   └── SandboxImagePullError
    ├── CommandTimeoutError                 also a RuntimeError
    ├── UploadTimeoutError                  also a RuntimeError
    └── DownloadTimeoutError                also a RuntimeError

The names and relations of the official SDK's classes are kept: its two families are ``APIError`` and the
runtime errors of a sandbox, and neither contains the other. Messages never hold a key or a token.
"""

from __future__ import annotations

from typing import ClassVar

from sandtui.printable import clean

MOST_QUOTED = 200
"""Characters of a command in the text of an error."""


class SandboxClientError(Exception):
    """The common root. Fields that do not apply are None.

    The message is one line without control characters, whatever the platform or the sandbox said.

    Attributes:
        status_code: HTTP status of the reply.
        method: HTTP method of the request.
        path: path of the request, without its query.
        sandbox_id: the sandbox that the operation was about.
        error_type: the platform's own word for the cause, such as ``OOM_KILLED``.
        retry_after: seconds that the platform asks to wait.
        command: the command that was to run.
    """

    hint: ClassVar[str] = ""
    """What a person can do about it, as one sentence."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        method: str | None = None,
        path: str | None = None,
        sandbox_id: str | None = None,
        error_type: str | None = None,
        retry_after: float | None = None,
        command: str | None = None,
    ) -> None:
        # Part of it may be the platform's words, and scripts print it: a terminal must not obey them.
        message = clean(message)
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.method = method
        self.path = path
        self.sandbox_id = sandbox_id
        self.error_type = error_type
        self.retry_after = retry_after
        self.command = command

    @property
    def explanation(self) -> str:
        """What went wrong and what can be done about it, without the command, which may hold what is secret."""
        return f"{self.message.rstrip('.')}. {self.hint}" if self.hint else self.message

    def __str__(self) -> str:
        return self.explanation


class ConfigurationError(SandboxClientError):
    """A part of the configuration is missing or can't be used."""


class InvalidRequestError(SandboxClientError, ValueError):
    """The request breaks a rule of the API; nothing was sent."""


class APIError(SandboxClientError):
    """The platform refused, answered something else than agreed, or did not answer."""


class UnauthorizedError(APIError):
    """The API key is missing, wrong or expired (401)."""

    hint = "Check PRIME_API_KEY, or log in again with `prime login`."


class PaymentRequiredError(APIError):
    """The balance does not cover the request (402)."""

    hint = "Top up the account's balance."


class PermissionDeniedError(APIError):
    """The key may not do this (403)."""

    hint = "Use a key with the `sandbox` scope, or ask the team's owner."


class SandboxFileDeniedError(PermissionDeniedError):
    """The sandbox's file system does not allow it (403): read-only, or the file belongs to someone else."""

    # Another key changes nothing inside of a sandbox.
    hint = "Choose another path, or change the permissions in the sandbox."


class NotFoundError(APIError):
    """What was asked for does not exist, or not any more (404)."""


class SandboxFileNotFoundError(NotFoundError):
    """The file does not exist in the sandbox."""


class ConflictError(APIError):
    """The sandbox is in a state that does not allow this now (409)."""


class SandboxFileTooLargeError(APIError):
    """The file is over the limit of this way of transfer (413)."""


class CommandTooLongError(APIError):
    """The command and its variables are longer than the platform takes (413); it was not started."""

    hint = "Upload it as a file and run that file."


class RequestRejectedError(APIError):
    """The platform found fields that it can't accept (422).

    Attributes:
        fields: the platform's words, by the name of the field that they are about.
    """

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.fields = fields or {}


class RateLimitedError(APIError):
    """Too many requests (429); ``retry_after`` says how long to wait."""

    hint = "Wait a little and try again."


class ServerError(APIError):
    """The platform failed (5xx)."""

    hint = "Try again; if it stays, the platform has a problem."


class NotOfferedError(APIError):
    """The platform does not have this part of the API (501); nothing happened, and trying again changes nothing."""


class StorageFullError(APIError):
    """The platform, or the sandbox that a file was for, has no space left (507); nothing was made."""


class SandboxDiskFullError(StorageFullError):
    """There is no space for the file (507)."""

    hint = "Free some space in the sandbox, or create one with a larger disk."


class MalformedReplyError(APIError):
    """The platform answered with success, but not with what was agreed."""


class JobLostError(APIError):
    """A background job's process is gone and it left no exit code."""


class ChecksumMismatchError(APIError):
    """A file did not arrive as it was sent; nothing stands under its final name."""


class ConnectionFailedError(APIError):
    """There was no reply: wrong address, no network, or the connection broke.

    Attributes:
        sent: whether the request may have reached the platform.
    """

    hint = "Check the network and PRIME_API_BASE_URL."

    def __init__(self, message: str, *, sent: bool = False, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.sent = sent


class APITimeoutError(APIError):
    """There was no reply in time."""

    hint = "Try again; check the network."


class SandboxNotRunningError(SandboxClientError, RuntimeError):
    """The sandbox is not, or no longer, running.

    Attributes:
        status: the sandbox's status as far as it is known.
    """

    hint = "Check the sandbox's status before working with it."

    def __init__(self, message: str, *, status: str | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.status = status


class SandboxOOMError(SandboxNotRunningError):
    """The sandbox was ended because it used more memory than it has."""

    hint = "Create it again with more memory_gb, or use less memory."


class SandboxTimeoutError(SandboxNotRunningError):
    """The sandbox's lifetime is over."""

    hint = "Create it again with a longer timeout_minutes, or split the work."


class SandboxImagePullError(SandboxNotRunningError):
    """The image could not be pulled."""

    hint = "Check the image's name, its tag and the registry credentials."


class CommandTimeoutError(SandboxClientError, RuntimeError):
    """The command did not end in time; it has been stopped where the platform can.

    ``stdout`` and ``stderr`` are what it had written by then, as far as the platform tells.
    """

    hint = "Raise the command's timeout (900 s at most), or run it as a background job."
    stdout: str = ""
    stderr: str = ""

    def __str__(self) -> str:
        where = f" in sandbox {self.sandbox_id}" if self.sandbox_id else ""
        what = f": {_brief(self.command)}" if self.command else ""
        return f"{self.message}{where}{what}. {self.hint}"


class UploadTimeoutError(SandboxClientError, RuntimeError):
    """The upload did not end in time."""

    hint = "Check the file's size and the network."


class DownloadTimeoutError(SandboxClientError, RuntimeError):
    """The download did not end in time."""

    hint = "Check the file's size and the network."


def not_running_error(
    sandbox_id: str,
    status: str | None,
    error_type: str | None,
    error_message: str | None = None,
    command: str | None = None,
) -> SandboxNotRunningError:
    """Return the error that says why a sandbox is not running; only ``error_type`` decides (WIRE.md 5)."""
    kinds: dict[str, type[SandboxNotRunningError]] = {
        "OOM_KILLED": SandboxOOMError,
        "TIMEOUT": SandboxTimeoutError,
        "IMAGE_PULL_FAILED": SandboxImagePullError,
    }
    cause = error_message or {
        "OOM_KILLED": "it ran out of memory",
        "TIMEOUT": "its lifetime is over",
        "IMAGE_PULL_FAILED": "its image could not be pulled",
        "SANDBOX_NOT_FOUND": "the platform no longer knows it",
    }.get(error_type or "", "")
    message = f"sandbox {sandbox_id} is not running"
    if status:
        message += f" ({status})"
    if cause:
        message += f": {cause}"
    return kinds.get(error_type or "", SandboxNotRunningError)(
        message, status=status, sandbox_id=sandbox_id, error_type=error_type, command=command
    )


def command_timeout(sandbox_id: str, command: str, seconds: float) -> CommandTimeoutError:
    """Return the error for a command that did not end in time."""
    return CommandTimeoutError(f"the command did not end within {seconds:g} s", sandbox_id=sandbox_id, command=command)


def command_too_long(sandbox_id: str, command: str, size: int) -> CommandTooLongError:
    """Return the error for a command of ``size`` bytes, variables included, that the platform refused with 413."""
    message = f"the command is too long for the platform ({size:,} bytes with its variables)"
    return CommandTooLongError(message, status_code=413, sandbox_id=sandbox_id, command=command)


def _brief(command: str) -> str:
    """Return the beginning of a command, on one line."""
    words = " ".join(command.split())
    return words if len(words) <= MOST_QUOTED else words[: MOST_QUOTED - 1] + "…"
