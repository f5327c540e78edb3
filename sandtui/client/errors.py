"""The exceptions of the client, in one hierarchy.

::

    SandboxClientError                      base of all
    ├── ConfigurationError                  the configuration is missing or unusable
    ├── InvalidRequestError                 rejected locally; nothing was sent
    ├── APIError                            an error response, a malformed one, or none
    │   ├── UnauthorizedError               401, or no key
    │   ├── PaymentRequiredError            402
    │   ├── PermissionDeniedError           403
    │   │   └── SandboxFileDeniedError      403 from the sandbox's file system
    │   ├── NotFoundError                   404
    │   │   └── SandboxFileNotFoundError
    │   ├── ConflictError                   409
    │   ├── SandboxFileTooLargeError        413
    │   ├── CommandTooLongError             413 for a command and its variables
    │   ├── RequestRejectedError            422, with the rejected fields
    │   ├── RateLimitedError                429
    │   ├── StorageFullError                507
    │   │   └── SandboxDiskFullError        507 for an upload
    │   ├── ServerError                     5xx, except 501 and 507
    │   ├── NotOfferedError                 501: not supported by this platform
    │   ├── MalformedReplyError             2xx with an unexpected body
    │   ├── JobLostError                    a background job ended without an exit code
    │   ├── ChecksumMismatchError           a transferred file is corrupt
    │   ├── ConnectionFailedError           no response
    │   └── APITimeoutError                 timeout
    ├── SandboxNotRunningError              also a RuntimeError, as in the official SDK
    │   ├── SandboxOOMError
    │   ├── SandboxTimeoutError
    │   └── SandboxImagePullError
    ├── CommandTimeoutError                 also a RuntimeError
    ├── UploadTimeoutError                  also a RuntimeError
    ├── DownloadTimeoutError                also a RuntimeError
    ├── CheckpointFailedError               also a RuntimeError
    └── CheckpointTimeoutError              also a TimeoutError

Names and relations of the official SDK's classes are the same here: its two families are ``APIError`` and the runtime
errors of a sandbox, and neither contains the other. Messages never contain a key or a token.
"""

from __future__ import annotations

from typing import ClassVar

from sandtui.printable import clean

MAX_QUOTED = 200
"""Maximum length of a command in an error message."""


class SandboxClientError(Exception):
    """The common base class. Attributes that do not apply are None.

    The message is one line without control characters, whatever the platform or the sandbox returned.

    Attributes:
        status_code: HTTP status of the response.
        method: HTTP method of the request.
        path: path of the request without its query.
        sandbox_id: the sandbox concerned.
        error_type: the platform's code for the cause, such as ``OOM_KILLED``.
        retry_after: seconds to wait, as the platform asks.
        command: the command concerned.
    """

    hint: ClassVar[str] = ""
    """What a user can do about it, in one sentence."""

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
        # The message may contain text of the platform, and scripts print it: it must not control a terminal.
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
        """The message and the hint, without the command, which may contain secrets."""
        return f"{self.message.rstrip('.')}. {self.hint}" if self.hint else self.message

    def __str__(self) -> str:
        return self.explanation


class ConfigurationError(SandboxClientError):
    """The configuration is missing or can't be used."""


class InvalidRequestError(SandboxClientError, ValueError):
    """The request is invalid; nothing was sent."""


class APIError(SandboxClientError):
    """The platform refused, returned an unexpected response, or did not respond."""


class UnauthorizedError(APIError):
    """The API key is missing, wrong or expired (401)."""

    hint = "Check PRIME_API_KEY, or log in again with `prime login`."


class PaymentRequiredError(APIError):
    """The account's balance is too low (402)."""

    hint = "Top up the account's balance."


class PermissionDeniedError(APIError):
    """The key lacks permission (403)."""

    hint = "Use a key with the `sandbox` scope, or ask the team's owner."


class SandboxFileDeniedError(PermissionDeniedError):
    """The sandbox's file system denies access (403): read-only, or owned by another user."""

    # Another key would not help inside a sandbox.
    hint = "Choose another path, or change the permissions in the sandbox."


class NotFoundError(APIError):
    """The resource does not exist, or no longer exists (404)."""


class SandboxFileNotFoundError(NotFoundError):
    """The file does not exist in the sandbox."""


class ConflictError(APIError):
    """The sandbox's present state does not allow this (409)."""


class SandboxFileTooLargeError(APIError):
    """The file exceeds the size limit of this call (413)."""


class CommandTooLongError(APIError):
    """The command and its variables exceed the platform's limit (413); it was not started."""

    hint = "Upload it as a file and run that."


class RequestRejectedError(APIError):
    """The platform rejected fields of the request (422).

    Attributes:
        fields: the platform's messages by field name.
    """

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.fields = fields or {}


class RateLimitedError(APIError):
    """Too many requests (429); ``retry_after`` says how long to wait."""

    hint = "Wait and try again."


class ServerError(APIError):
    """The platform failed (5xx)."""

    hint = "Try again; if it persists, the platform has a problem."


class NotOfferedError(APIError):
    """The platform does not support this part of the API (501). Nothing was done; a retry does not help."""


class StorageFullError(APIError):
    """The platform, or the sandbox for an upload, has no space left (507); nothing was created."""


class SandboxDiskFullError(StorageFullError):
    """No space left in the sandbox for the file (507)."""

    hint = "Free space in the sandbox, or create one with a larger disk."


class MalformedReplyError(APIError):
    """The response is a success but its body is not the expected one."""


class JobLostError(APIError):
    """A background job's process ended without leaving an exit code."""


class ChecksumMismatchError(APIError):
    """A file was corrupted or changed during the transfer; the target is unchanged."""


class ConnectionFailedError(APIError):
    """No response: wrong address, no network, or a broken connection.

    Attributes:
        sent: whether the request may have reached the platform.
    """

    hint = "Check the network and PRIME_API_BASE_URL."

    def __init__(self, message: str, *, sent: bool = False, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.sent = sent


class APITimeoutError(APIError):
    """No response within the timeout."""

    hint = "Try again; check the network."


class SandboxNotRunningError(SandboxClientError, RuntimeError):
    """The sandbox is not running, or no longer.

    Attributes:
        status: the sandbox's status, if known.
    """

    hint = "Check the sandbox's status before working with it."

    def __init__(self, message: str, *, status: str | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.status = status


class SandboxOOMError(SandboxNotRunningError):
    """The sandbox was terminated because it ran out of memory."""

    hint = "Create it again with more memory_gb, or use less memory."


class SandboxTimeoutError(SandboxNotRunningError):
    """The sandbox has reached the end of its lifetime."""

    hint = "Create it again with a longer timeout_minutes, or split the work."


class SandboxImagePullError(SandboxNotRunningError):
    """The image could not be pulled."""

    hint = "Check the image's name, its tag and the registry credentials."


class CommandTimeoutError(SandboxClientError, RuntimeError):
    """The command did not finish in time; the platform stops it if it can.

    ``stdout`` and ``stderr`` are the output up to then, as far as the platform returns it.
    """

    hint = "Increase the timeout (up to 900 s), or run the command as a background job."
    stdout: str = ""
    stderr: str = ""

    def __str__(self) -> str:
        where = f" in sandbox {self.sandbox_id}" if self.sandbox_id else ""
        what = f": {_brief(self.command)}" if self.command else ""
        return f"{self.message}{where}{what}. {self.hint}"


class UploadTimeoutError(SandboxClientError, RuntimeError):
    """The upload did not finish in time."""

    hint = "Check the file's size and the network."


class DownloadTimeoutError(SandboxClientError, RuntimeError):
    """The download did not finish in time."""

    hint = "Check the file's size and the network."


class CheckpointFailedError(SandboxClientError, RuntimeError):
    """A checkpoint has failed or is being deleted, so that no sandbox can be created from it."""


class CheckpointTimeoutError(SandboxClientError, TimeoutError):
    """A checkpoint was not durable in time; it may still become so."""


def not_running_error(
    sandbox_id: str,
    status: str | None,
    error_type: str | None,
    error_message: str | None = None,
    command: str | None = None,
) -> SandboxNotRunningError:
    """Return the error for a sandbox that is not running; ``error_type`` selects its class (WIRE.md 5)."""
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
    """Return the error for a command that did not finish in time."""
    return CommandTimeoutError(f"the command did not end within {seconds:g} s", sandbox_id=sandbox_id, command=command)


def command_too_long(sandbox_id: str, command: str, size: int) -> CommandTooLongError:
    """Return the error for a command that the platform rejected with 413; ``size`` in bytes includes its variables."""
    message = f"the command is too long for the platform ({size:,} bytes with its variables)"
    return CommandTooLongError(message, status_code=413, sandbox_id=sandbox_id, command=command)


def _brief(command: str) -> str:
    """Return the start of a command on one line."""
    words = " ".join(command.split())
    return words if len(words) <= MAX_QUOTED else words[: MAX_QUOTED - 1] + "…"
