"""The API of the Prime Sandboxes platform; usable without the rest of sandtui.

The public interface is what this package and these modules export; all other modules are internal:

- ``models``: requests and responses, with their statuses and limits; each of its modules too
- ``errors``: every exception, in one hierarchy
- ``core`` and ``exceptions``: the same objects under the module names of the official SDK
- ``shell_words``: quoting for a sandbox's shell
- ``toolkit``: limits, checks and building blocks for programs that extend the client

Names are imported on first use, so that models and errors do not load the HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandtui.client.api_client import APIClient, AsyncAPIClient
    from sandtui.client.async_client import AsyncSandboxClient
    from sandtui.client.config import Config
    from sandtui.client.errors import (
        APIError,
        APITimeoutError,
        CheckpointFailedError,
        CheckpointTimeoutError,
        ChecksumMismatchError,
        CommandTimeoutError,
        CommandTooLongError,
        ConfigurationError,
        ConflictError,
        ConnectionFailedError,
        DownloadTimeoutError,
        InvalidRequestError,
        JobLostError,
        MalformedReplyError,
        NotFoundError,
        NotOfferedError,
        PaymentRequiredError,
        PermissionDeniedError,
        RateLimitedError,
        RequestRejectedError,
        SandboxClientError,
        SandboxDiskFullError,
        SandboxFileDeniedError,
        SandboxFileNotFoundError,
        SandboxFileTooLargeError,
        SandboxImagePullError,
        SandboxNotRunningError,
        SandboxOOMError,
        SandboxTimeoutError,
        ServerError,
        StorageFullError,
        UnauthorizedError,
        UploadTimeoutError,
    )
    from sandtui.client.leases import Lease
    from sandtui.client.live import SandboxProcess, SandboxSSH
    from sandtui.client.models import (
        AdvancedConfigs,
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
    from sandtui.client.models.billing import BilledResource, Wallet
    from sandtui.client.models.checkpoints import (
        BatchCheckpointResponse,
        CheckpointDeleteError,
        CheckpointLookupError,
        DeleteSandboxCheckpointsResponse,
        SandboxCheckpoint,
    )
    from sandtui.client.models.gateway import FileUploadResponse, ReadFileResponse
    from sandtui.client.models.images import (
        BuildImageRequest,
        BuildImageResponse,
        BulkBuildImageResponse,
        ImageArtifactType,
        ImageBuild,
        ImageBuildStatus,
        ImageListItem,
        ImageListResponse,
        ImageOwner,
        ImageOwnerType,
        ImageUpdateResult,
        ImageVisibility,
        SourceImageBuildResult,
        UpdateImagesResponse,
    )
    from sandtui.client.models.jobs import BackgroundJob, BackgroundJobStatus
    from sandtui.client.models.networks import LanNetwork, LanNetworkMember, LanPublishedPort, LanRule
    from sandtui.client.models.ports import ListExposedPortsResponse
    from sandtui.client.models.requests import (
        BulkDeleteSandboxRequest,
        CommandRequest,
        ExposePortRequest,
        UpdateSandboxRequest,
    )
    from sandtui.client.models.streams import CommandEnded, CommandEvent, CommandOutput, CommandStarted
    from sandtui.client.models.volumes import AttachedVolume, Volume, VolumeListResponse, VolumeMount
    from sandtui.client.observer import Observer, RequestReport
    from sandtui.client.port import Outcome
    from sandtui.client.process import AsyncSandboxProcess
    from sandtui.client.rpc import RPCError
    from sandtui.client.sync_client import SandboxClient
    from sandtui.client.template_client import AsyncTemplateClient, TemplateClient

    # Names of the official SDK for classes that have another name here.
    SandboxListResponse = SandboxPage
    BulkDeleteSandboxResponse = BulkDeleteReply
    RegistryCredentialSummary = RegistryCredential
    TimeoutError = APITimeoutError  # noqa: A001 - the SDK's name for it

# Without TimeoutError: a star import must not replace the built-in.
__all__ = [
    "APIClient",
    "APIError",
    "APITimeoutError",
    "AdvancedConfigs",
    "AsyncAPIClient",
    "AsyncSandboxClient",
    "AsyncSandboxProcess",
    "AsyncTemplateClient",
    "AttachedVolume",
    "BackgroundJob",
    "BackgroundJobStatus",
    "BatchCheckpointResponse",
    "BatchStatusReply",
    "BilledResource",
    "BuildImageRequest",
    "BuildImageResponse",
    "BulkBuildImageResponse",
    "BulkDeleteReply",
    "BulkDeleteSandboxRequest",
    "BulkDeleteSandboxResponse",
    "CheckpointDeleteError",
    "CheckpointFailedError",
    "CheckpointLookupError",
    "CheckpointTimeoutError",
    "ChecksumMismatchError",
    "CommandEnded",
    "CommandEvent",
    "CommandOutput",
    "CommandRequest",
    "CommandResponse",
    "CommandStarted",
    "CommandTimeoutError",
    "CommandTooLongError",
    "Config",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "CreateSandboxRequest",
    "DeleteReply",
    "DeleteSandboxCheckpointsResponse",
    "DockerImageCheckResponse",
    "DownloadTimeoutError",
    "EgressPolicy",
    "EgressPolicyReply",
    "ErrorContext",
    "ErrorType",
    "ExposePortRequest",
    "ExposedPort",
    "FileUploadResponse",
    "ImageArtifactType",
    "ImageBuild",
    "ImageBuildStatus",
    "ImageListItem",
    "ImageListResponse",
    "ImageOwner",
    "ImageOwnerType",
    "ImageUpdateResult",
    "ImageVisibility",
    "InvalidRequestError",
    "JobLostError",
    "LanNetwork",
    "LanNetworkMember",
    "LanPublishedPort",
    "LanRule",
    "Lease",
    "ListExposedPortsResponse",
    "MalformedReplyError",
    "NotFoundError",
    "NotOfferedError",
    "Observer",
    "Outcome",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RPCError",
    "RateLimitedError",
    "ReadFileResponse",
    "RegistryCredential",
    "RegistryCredentialSummary",
    "RequestRejectedError",
    "RequestReport",
    "SSHSession",
    "Sandbox",
    "SandboxCheckpoint",
    "SandboxClient",
    "SandboxClientError",
    "SandboxDiskFullError",
    "SandboxFileDeniedError",
    "SandboxFileNotFoundError",
    "SandboxFileTooLargeError",
    "SandboxImagePullError",
    "SandboxListResponse",
    "SandboxNotRunningError",
    "SandboxOOMError",
    "SandboxPage",
    "SandboxProcess",
    "SandboxSSH",
    "SandboxStatus",
    "SandboxStatusRow",
    "SandboxTimeoutError",
    "ServerError",
    "SourceImageBuildResult",
    "StartCommand",
    "StorageFullError",
    "TemplateClient",
    "UnauthorizedError",
    "UpdateImagesResponse",
    "UpdateSandboxRequest",
    "UploadTimeoutError",
    "Volume",
    "VolumeListResponse",
    "VolumeMount",
    "Wallet",
]

_MODULES = {
    "api_client": "APIClient AsyncAPIClient",
    "async_client": "AsyncSandboxClient",
    "config": "Config",
    "errors": (
        "APIError APITimeoutError CheckpointFailedError CheckpointTimeoutError "
        "ChecksumMismatchError CommandTimeoutError CommandTooLongError "
        "ConfigurationError ConflictError ConnectionFailedError DownloadTimeoutError "
        "InvalidRequestError JobLostError MalformedReplyError NotFoundError NotOfferedError "
        "PaymentRequiredError PermissionDeniedError RateLimitedError RequestRejectedError "
        "SandboxClientError SandboxDiskFullError SandboxFileDeniedError SandboxFileNotFoundError "
        "SandboxFileTooLargeError SandboxImagePullError "
        "SandboxNotRunningError SandboxOOMError SandboxTimeoutError ServerError StorageFullError "
        "UnauthorizedError UploadTimeoutError "
    ),
    "leases": "Lease",
    "live": "SandboxProcess SandboxSSH",
    "models": (
        "AdvancedConfigs BatchStatusReply BulkDeleteReply CommandResponse CreateSandboxRequest "
        "DeleteReply ErrorContext ErrorType ExposedPort "
        "Sandbox SandboxPage SandboxStatus SandboxStatusRow "
        "StartCommand "
    ),
    "models.access": "DockerImageCheckResponse EgressPolicy EgressPolicyReply RegistryCredential SSHSession",
    "models.billing": "BilledResource Wallet",
    "models.checkpoints": (
        "BatchCheckpointResponse CheckpointDeleteError CheckpointLookupError DeleteSandboxCheckpointsResponse "
        "SandboxCheckpoint"
    ),
    "models.gateway": "FileUploadResponse ReadFileResponse",
    "models.images": (
        "BuildImageRequest BuildImageResponse BulkBuildImageResponse ImageArtifactType ImageBuild ImageBuildStatus "
        "ImageListItem ImageListResponse ImageOwner ImageOwnerType ImageUpdateResult ImageVisibility "
        "SourceImageBuildResult UpdateImagesResponse"
    ),
    "models.jobs": "BackgroundJob BackgroundJobStatus",
    "models.networks": "LanNetwork LanNetworkMember LanPublishedPort LanRule",
    "models.ports": "ListExposedPortsResponse",
    "models.requests": "BulkDeleteSandboxRequest CommandRequest ExposePortRequest UpdateSandboxRequest",
    "models.streams": "CommandEnded CommandEvent CommandOutput CommandStarted",
    "models.volumes": "AttachedVolume Volume VolumeListResponse VolumeMount",
    "observer": "Observer RequestReport",
    "port": "Outcome",
    "process": "AsyncSandboxProcess",
    "rpc": "RPCError",
    "sync_client": "SandboxClient",
    "template_client": "AsyncTemplateClient TemplateClient",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}
_SDK_NAMES = {
    "SandboxListResponse": "SandboxPage",
    "BulkDeleteSandboxResponse": "BulkDeleteReply",
    "RegistryCredentialSummary": "RegistryCredential",
    "TimeoutError": "APITimeoutError",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(_SDK_NAMES.get(name, name))
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), _SDK_NAMES.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
