"""Requests and responses of the HTTP API, one module for each of its nouns."""

from sandtui.client.models.gateway import (
    CommandResponse,
    FileUploadResponse,
    GatewayToken,
    ReadFileResponse,
)
from sandtui.client.models.ports import ExposedPort, ListExposedPortsResponse
from sandtui.client.models.sandbox import (
    AdvancedConfigs,
    BatchStatusReply,
    BulkDeleteReply,
    CreatedSandbox,
    CreateSandboxRequest,
    DeleteReply,
    ErrorContext,
    ErrorType,
    LogsReply,
    Sandbox,
    SandboxPage,
    SandboxStatus,
    SandboxStatusRow,
    StartCommand,
    StatusErrorRow,
)

__all__ = [
    "AdvancedConfigs",
    "BatchStatusReply",
    "BulkDeleteReply",
    "CommandResponse",
    "CreateSandboxRequest",
    "CreatedSandbox",
    "DeleteReply",
    "ErrorContext",
    "ErrorType",
    "ExposedPort",
    "FileUploadResponse",
    "GatewayToken",
    "ListExposedPortsResponse",
    "LogsReply",
    "ReadFileResponse",
    "Sandbox",
    "SandboxPage",
    "SandboxStatus",
    "SandboxStatusRow",
    "StartCommand",
    "StatusErrorRow",
]
