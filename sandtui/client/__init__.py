"""The API of the Prime Sandboxes platform; usable without the rest of sandtui."""

from sandtui.client.api_client import APIClient, AsyncAPIClient
from sandtui.client.async_client import AsyncSandboxClient
from sandtui.client.config import Config
from sandtui.client.errors import (
    APIError,
    APITimeoutError,
    ChecksumMismatchError,
    CommandTimeoutError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DownloadTimeoutError,
    InvalidRequestError,
    JobLostError,
    MalformedReplyError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitedError,
    RequestRejectedError,
    SandboxClientError,
    SandboxFileNotFoundError,
    SandboxFileTooLargeError,
    SandboxImagePullError,
    SandboxNotRunningError,
    SandboxOOMError,
    SandboxTimeoutError,
    ServerError,
    UnauthorizedError,
    UploadTimeoutError,
)
from sandtui.client.models import (
    BatchStatusReply,
    BulkDeleteReply,
    CommandResponse,
    CreateSandboxRequest,
    DeleteReply,
    ErrorContext,
    ErrorType,
    ExposedPort,
    Sandbox,
    SandboxPage,
    SandboxStatus,
    SandboxStatusRow,
    StartCommand,
)
from sandtui.client.models.access import (
    DockerImageCheckResponse,
    EgressPolicy,
    EgressPolicyReply,
    RegistryCredential,
    SSHSession,
)
from sandtui.client.models.gateway import FileUploadResponse, ReadFileResponse
from sandtui.client.models.jobs import BackgroundJob, BackgroundJobStatus
from sandtui.client.models.ports import ListExposedPortsResponse
from sandtui.client.port import Outcome
from sandtui.client.sync_client import SandboxClient
from sandtui.client.template_client import AsyncTemplateClient, TemplateClient

# The official SDK's names for what has another one here.
SandboxListResponse = SandboxPage
BulkDeleteSandboxResponse = BulkDeleteReply
RegistryCredentialSummary = RegistryCredential

# Not in __all__: a star import must not replace Python's own.
TimeoutError = APITimeoutError  # noqa: A001 - the SDK's name for it

__all__ = [
    "APIClient",
    "APIError",
    "APITimeoutError",
    "AsyncAPIClient",
    "AsyncSandboxClient",
    "AsyncTemplateClient",
    "BackgroundJob",
    "BackgroundJobStatus",
    "BatchStatusReply",
    "BulkDeleteReply",
    "BulkDeleteSandboxResponse",
    "ChecksumMismatchError",
    "CommandResponse",
    "CommandTimeoutError",
    "Config",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "CreateSandboxRequest",
    "DeleteReply",
    "DockerImageCheckResponse",
    "DownloadTimeoutError",
    "EgressPolicy",
    "EgressPolicyReply",
    "ErrorContext",
    "ErrorType",
    "ExposedPort",
    "FileUploadResponse",
    "InvalidRequestError",
    "JobLostError",
    "ListExposedPortsResponse",
    "MalformedReplyError",
    "NotFoundError",
    "Outcome",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimitedError",
    "ReadFileResponse",
    "RegistryCredential",
    "RegistryCredentialSummary",
    "RequestRejectedError",
    "SSHSession",
    "Sandbox",
    "SandboxClient",
    "SandboxClientError",
    "SandboxFileNotFoundError",
    "SandboxFileTooLargeError",
    "SandboxImagePullError",
    "SandboxListResponse",
    "SandboxNotRunningError",
    "SandboxOOMError",
    "SandboxPage",
    "SandboxStatus",
    "SandboxStatusRow",
    "SandboxTimeoutError",
    "ServerError",
    "StartCommand",
    "TemplateClient",
    "UnauthorizedError",
    "UploadTimeoutError",
]
