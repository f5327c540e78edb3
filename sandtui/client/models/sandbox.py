"""Sandboxes: requests and responses (WIRE.md 2.3 to 2.9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    field_serializer,
    model_serializer,
    model_validator,
)

from sandtui.client.models import bounds
from sandtui.client.models.base import AnswerModel, Moment, RequestModel, RowsModel, Texts, WireModel, readable_rows
from sandtui.client.models.gateway import GatewayToken
from sandtui.client.models.volumes import AttachedVolume, VolumeMount

DEFAULT_START_COMMAND = "tail -f /dev/null"
"""Keeps a container alive and idle (WIRE.md 2.3)."""

NOT_BLANK = r"\S"

EnvironmentKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class SandboxStatus(StrEnum):
    """The states of a sandbox (WIRE.md 5); the platform may return others."""

    PENDING = "PENDING"
    PROVISIONING = "PROVISIONING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    ERROR = "ERROR"
    TERMINATED = "TERMINATED"
    TIMEOUT = "TIMEOUT"


FINISHED_STATUSES = frozenset({SandboxStatus.ERROR, SandboxStatus.TERMINATED, SandboxStatus.TIMEOUT})
"""Final states."""

CHANGING_STATUSES = frozenset({SandboxStatus.PENDING, SandboxStatus.PROVISIONING})
"""Transient states."""


class ErrorType(StrEnum):
    """Why a sandbox ended, if the platform tells (WIRE.md 5)."""

    OOM_KILLED = "OOM_KILLED"
    TIMEOUT = "TIMEOUT"
    IMAGE_PULL_FAILED = "IMAGE_PULL_FAILED"


class StartCommand(RequestModel):
    """A start command without a shell, for VMs."""

    executable: Annotated[str, StringConstraints(min_length=1)]
    args: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _no_nul(self) -> Self:
        if any("\0" in part for part in (self.executable, *self.args)):
            raise ValueError("a start command can't hold a NUL byte")
        return self


class AdvancedConfigs(BaseModel):
    """Further settings of a sandbox, sent unchanged."""

    model_config = ConfigDict(extra="allow")


class CreateSandboxRequest(RequestModel):
    """The sandbox to create. Sizes are in GB, times in minutes; the bounds are those of WIRE.md 8.

    Secrets are :class:`pydantic.SecretStr`, so that ``repr`` does not show them.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=bounds.MAX_NAME_LENGTH, pattern=NOT_BLANK)]
    docker_image: Annotated[str, BeforeValidator(lambda value: "" if value is None else value)] = ""
    checkpoint_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """The checkpoint to take the files from, in place of an image and the size of the disk (WIRE.md 2.13)."""
    start_command: str | StartCommand | None = DEFAULT_START_COMMAND
    cpu_cores: Annotated[float, bounds.CPU_CORES.check] = 1.0
    memory_gb: Annotated[float, bounds.MEMORY_GB.check] = 2.0
    disk_size_gb: Annotated[float, bounds.DISK_GB.check] = 5.0
    gpu_count: Annotated[int, bounds.GPU_COUNT.check] = 0
    gpu_type: str | None = None
    vm: Annotated[bool, BeforeValidator(lambda value: False if value is None else value)] = False
    guaranteed: bool | None = None
    network_access: bool = True
    network_allowlist: list[str] | None = None
    network_denylist: list[str] | None = None
    timeout_minutes: int = 60
    idle_timeout_minutes: Annotated[int, bounds.LIFETIME_MINUTES.check] | None = None
    environment_vars: dict[EnvironmentKey, str] | None = None
    secrets: dict[EnvironmentKey, SecretStr] | None = None
    labels: list[str] = Field(default_factory=list)
    team_id: str | None = None
    region: str | None = None
    advanced_configs: AdvancedConfigs | None = None
    registry_credentials_id: str | None = None
    idempotency_key: (
        Annotated[str, StringConstraints(min_length=1, max_length=bounds.MAX_IDEMPOTENCY_KEY_LENGTH)] | None
    ) = None
    arch: Literal["amd64", "arm64"] | None = None
    volumes: list[VolumeMount] | None = None
    lan_network_id: str | None = None
    """The LAN network that the sandbox joins in ``wait_for_creation``; not sent with the request."""
    lan_tags: list[str] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.checkpoint_id is None and not self.docker_image.strip():
            raise ValueError("docker_image is needed, unless checkpoint_id is set")
        if self.checkpoint_id is not None and (self.docker_image or "disk_size_gb" in self.model_fields_set):
            raise ValueError("leave docker_image and disk_size_gb out with checkpoint_id: it has both")
        # A VM may have no time limit, expressed by a negative lifetime; a container may not.
        if not (self.timeout_minutes in bounds.LIFETIME_MINUTES or (self.vm and self.timeout_minutes != 0)):
            raise ValueError(
                f"timeout_minutes must be {bounds.LIFETIME_MINUTES}, not {self.timeout_minutes}"
                " (a VM takes more, and -1 for no end)"
            )
        if self.idle_timeout_minutes is not None and 0 < self.timeout_minutes < self.idle_timeout_minutes:
            raise ValueError(
                f"idle_timeout_minutes must be at most timeout_minutes ({self.timeout_minutes}), "
                f"not {self.idle_timeout_minutes}"
            )
        secrets = (secret.get_secret_value() for secret in (self.secrets or {}).values())
        if any("\0" in text for text in (*(self.environment_vars or {}).values(), *secrets)):
            raise ValueError("an environment variable or a secret can't hold a NUL byte")
        if isinstance(self.start_command, str) and "\0" in self.start_command:
            raise ValueError("a start command can't hold a NUL byte")
        if (self.gpu_count > 0) != (self.gpu_type is not None):
            raise ValueError("gpu_type is needed exactly when gpu_count is above 0")
        if self.gpu_count > 0 and not self.vm:
            raise ValueError("gpu_count needs vm=True: a container has no GPU")
        if self.network_allowlist is not None and self.network_denylist is not None:
            raise ValueError("give network_allowlist or network_denylist, not both")
        if not self.network_access and (self.network_allowlist or self.network_denylist is not None):
            raise ValueError("network_access=False blocks everything: leave the network lists out")
        if self.lan_tags is not None and self.lan_network_id is None:
            raise ValueError("lan_tags needs lan_network_id")
        return self

    @model_serializer(mode="wrap")
    def _without_disk(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        if self.checkpoint_id is not None:
            # A checkpoint has both already.
            for name in ("docker_image", "disk_size_gb"):
                values.pop(name, None)
        return values

    @field_serializer("secrets", when_used="json")
    def _reveal(self, value: dict[str, SecretStr] | None) -> dict[str, str] | None:
        # Only the JSON request contains the values; a Python dump keeps them masked.
        return None if value is None else {key: secret.get_secret_value() for key, secret in value.items()}


class Sandbox(WireModel):
    """A sandbox as the platform returns it. Only ``id`` is required; times are UTC.

    ``status`` is a string because a newer platform may use unknown states. Fields that this version does not know are
    kept in ``model_extra``, for programs that pass them on.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    name: str = ""
    docker_image: str = ""
    start_command: str | dict[str, Any] | None = None
    cpu_cores: float = 0
    memory_gb: float = 0
    disk_size_gb: float = 0
    disk_mount_path: str = ""
    gpu_count: int = 0
    gpu_type: str | None = None
    vm: bool = False
    arch: str | None = None
    network_access: bool = True
    network_allowlist: list[str] | None = None
    network_denylist: list[str] | None = None
    status: str = ""
    timeout_minutes: int = 0
    idle_timeout_minutes: int | None = None
    termination_reason: str | None = None
    environment_vars: Texts | None = None
    secrets: Texts | None = None
    advanced_configs: dict[str, Any] | None = None
    labels: list[str] = Field(default_factory=list)
    created_at: Moment | None = None
    updated_at: Moment | None = None
    started_at: Moment | None = None
    terminated_at: Moment | None = None
    exit_code: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    region: str | None = None
    kubernetes_job_id: str | None = None
    registry_credentials_id: str | None = None
    pending_image_build_id: str | None = None
    checkpoint_id: str | None = None
    """The checkpoint that it was created from, where the platform says so."""
    volumes: Annotated[list[AttachedVolume] | None, readable_rows(AttachedVolume)] = None
    """The volumes that it was created with, where the platform says so."""

    @property
    def is_finished(self) -> bool:
        """Whether the sandbox is in a final state."""
        return self.status in FINISHED_STATUSES

    @property
    def expires_at(self) -> datetime | None:
        """The end of the lifetime, counted from ``started_at`` (WIRE.md 5); None without a limit."""
        if self.started_at is None or self.timeout_minutes <= 0 or self.is_finished:
            return None
        try:
            return self.started_at + timedelta(minutes=self.timeout_minutes)
        except OverflowError:
            return None  # after the year 9999: no limit


class CreatedSandbox(Sandbox):
    """The response to a create; it may contain the first gateway token (WIRE.md 2.3)."""

    gateway_auth: GatewayToken | None = Field(default=None, repr=False)


class SandboxPage(RowsModel):
    """A page of the list; ``per_page`` and ``has_next`` are accepted in either spelling.

    ``unreadable`` counts rows that were dropped as invalid.
    """

    sandboxes: Annotated[list[Sandbox], readable_rows(Sandbox)]
    total: int = 0
    page: int = 1
    per_page: int = Field(default=0, validation_alias=AliasChoices("perPage", "per_page"))
    has_next: bool = Field(default=False, validation_alias=AliasChoices("hasNext", "has_next"))
    unreadable: int = 0

    @model_validator(mode="wrap")
    @classmethod
    def _complete(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        page = read(data)
        if not isinstance(data, dict) or not isinstance(data.get("sandboxes"), list):
            return page
        rows = len(data["sandboxes"])
        changes: dict[str, object] = {}
        if rows > len(page.sandboxes):
            changes["unreadable"] = rows - len(page.sandboxes)
        if page.per_page < 1:
            changes["per_page"] = rows
        if data.get("has_next") is None and data.get("hasNext") is None:
            # Not returned: a missing field must not be taken for the end of the list.
            changes["has_next"] = rows > 0 and page.total > page.page * max(page.per_page, rows)
        return page.model_copy(update=changes) if changes else page


class DeleteReply(AnswerModel):
    """The result of deleting a sandbox."""

    success: bool = True
    message: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_unknown(cls, data: object, info: ValidationInfo) -> object:
        # Any other JSON object, such as a sandbox, must not count as deleted.
        if info.mode == "json" and isinstance(data, dict) and "success" not in data:
            raise ValueError("success is missing")
        return data


def _words_of(row: Any) -> Any:
    return (
        {str(key): "" if value is None else str(value) for key, value in row.items()} if isinstance(row, dict) else row
    )


class BulkDeleteReply(AnswerModel):
    """The result of a bulk delete: deleted ids, and rows with ``sandbox_id`` and ``error``."""

    succeeded: list[str] = Field(default_factory=list)
    failed: list[Annotated[dict[str, str], BeforeValidator(_words_of)]] = Field(default_factory=list)
    message: str = ""


class LogsReply(WireModel):
    """The log of a sandbox as a string."""

    logs: str


class ErrorContext(WireModel):
    """Why a sandbox is not running, if the platform knows."""

    status: str | None = None
    error_type: str | None = None
    error_message: str | None = None


class SandboxStatusRow(WireModel):
    """One row of the batch status."""

    sandbox_id: str
    status: str
    error_type: str | None = None
    error_message: str | None = None
    pending_image_build_id: str | None = None


class StatusErrorRow(WireModel):
    """An id without a status: NOT_FOUND, FORBIDDEN or MANAGED."""

    sandbox_id: str
    code: str
    message: str = ""


class BatchStatusReply(RowsModel):
    """Statuses in the order of the request, and errors for the other ids."""

    statuses: Annotated[list[SandboxStatusRow], readable_rows(SandboxStatusRow)] = Field(default_factory=list)
    errors: Annotated[list[StatusErrorRow], readable_rows(StatusErrorRow)] = Field(default_factory=list)
