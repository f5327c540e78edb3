"""The wire format: validation of requests, and the shapes of responses and errors that the SDKs read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandtui.client.models import bounds
from sandtui.client.models.base import camel
from sandtui.client.models.sandbox import DEFAULT_START_COMMAND, Sandbox, StartCommand
from sandtui.local.agent.layout import HOST_DIRECTORIES
from sandtui.local.control.generations import start_command_for
from sandtui.local.drivers.base import MAX_WORD, size_of
from sandtui.local.egress import checked_lists
from sandtui.local.network.lan import ANYONE
from sandtui.local.store.checkpoints import CheckpointRecord
from sandtui.local.store.networks import NetworkRecord, StoredMember, StoredRule
from sandtui.local.store.records import SandboxRecord
from sandtui.local.store.volumes import VolumeRecord

MAX_JSON = 8 * 1024 * 1024
MAX_VARIABLES = 1024 * 1024
"""Bytes of the variables of a sandbox; with more, there could be no room for the arguments of a command."""
MASK = "***"
DISK_MOUNT_PATH = "/sandbox-workspace"
NO_MOUNTS = frozenset({"dev", "proc", "run", "sys", *HOST_DIRECTORIES})
"""Directories of a sandbox in which others are mounted, or that are the machine's."""

VolumeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

NetworkName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_TAG_SELECTOR = re.compile(r"tag:[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
INTERNET = "internet"
MAX_RULES = 1000
MAX_RULE_PORTS = 100
MAX_TAGS = 50

_WIRE_NAMES = {name: camel(name) for name in Sandbox.model_fields}
"""The fields of a sandbox in a response, by their names on the record."""

_Body = TypeVar("_Body", bound=BaseModel)


class AsciiJSONResponse(JSONResponse):
    """A JSON response in ASCII: any text of a request, even a lone surrogate, can be sent back."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the body."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


class WireError(Exception):
    """A response that is an error."""

    def __init__(self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = headers

    def response(self) -> AsciiJSONResponse:
        """Return the HTTP response."""
        return AsciiJSONResponse(self.body, self.status, self.headers)


def problem(status: int, detail: str) -> WireError:
    """Return an error with a reason."""
    return WireError(status, {"detail": detail})


def invalid(param: str, details: str) -> WireError:
    """Return the error for one field of a request."""
    return WireError(HTTPStatus.UNPROCESSABLE_ENTITY, {"errors": [{"param": param, "details": details}]})


def not_offered(what: str) -> WireError:
    """Return the error for a part of the API that this platform does not implement."""
    return problem(HTTPStatus.NOT_IMPLEMENTED, f"{what} not offered by the local platform.")


class RequestBody(BaseModel):
    """The body of a request."""

    # Fields of other versions of the API are ignored, as in the real service.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[^\x00=]+$")]
Variables = dict[VariableName, Text]
Label = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
SandboxId = Annotated[str, StringConstraints(max_length=200)]


class MountBody(RequestBody):
    """A volume of a new sandbox."""

    name: VolumeName
    mount_path: Annotated[str, StringConstraints(min_length=2, max_length=1000, pattern=r"^/[^\x00]+$")]
    read_only: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        parts = self.mount_path.split("/")[1:]
        if any(part in ("", ".", "..") for part in parts) or any(size_of(part) > 255 for part in parts):
            raise ValueError("mount_path: must be an absolute path without empty parts, . and ..")
        if parts[0] in NO_MOUNTS or parts[:2] == ["opt", "sandtui"]:
            raise ValueError(f"mount_path: nothing can be mounted in /{parts[0]}")
        return self


class CreateBody(RequestBody):
    """The body of a create request, in the spelling of any version."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=bounds.MAX_NAME_LENGTH)]
    docker_image: Annotated[Text, StringConstraints(min_length=1, max_length=1000)] | None = None
    start_command: Text | StartCommand | None = None
    cpu_cores: Annotated[float, bounds.CPU_CORES.check] = 1.0
    memory_gb: Annotated[float, bounds.MEMORY_GB.check] = 2.0
    disk_size_gb: Annotated[float, bounds.DISK_GB.check] = 5.0
    gpu_count: Annotated[int, bounds.GPU_COUNT.check] = 0
    gpu_type: str | None = None
    vm: bool = False
    arch: Annotated[Text, StringConstraints(max_length=100)] | None = None
    network_access: bool = True
    network_allowlist: list[str] | None = None
    network_denylist: list[str] | None = None
    timeout_minutes: int = Field(default=60, le=bounds.LIFETIME_MINUTES.high)
    idle_timeout_minutes: Annotated[int, bounds.LIFETIME_MINUTES.check] | None = None
    environment_vars: Variables | None = None
    secrets: Variables | None = None
    labels: list[Label] = Field(default_factory=list, max_length=100)
    team_id: str | None = None
    user_id: str | None = None
    region: str | None = None
    advanced_configs: dict[str, Any] | None = None
    registry_credentials_id: str | None = None
    idempotency_key: (
        Annotated[str, StringConstraints(min_length=1, max_length=bounds.MAX_IDEMPOTENCY_KEY_LENGTH)] | None
    ) = None
    checkpoint_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    volumes: list[MountBody] | None = Field(default=None, max_length=16)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.docker_image is None and self.checkpoint_id is None:
            raise ValueError("docker_image: is required")
        if self.timeout_minutes == 0 or (self.timeout_minutes < 0 and not self.vm):
            raise ValueError(f"timeout_minutes: must be {bounds.LIFETIME_MINUTES}")
        idle = self.idle_timeout_minutes
        if idle is not None and 0 < self.timeout_minutes < idle:
            raise ValueError(f"idle_timeout_minutes: must be at most timeout_minutes ({self.timeout_minutes})")
        mounts = [mount.mount_path for mount in self.volumes or ()]
        if any(one != other and f"{one}/".startswith(f"{other}/") for one in mounts for other in mounts):
            raise ValueError("volumes: one cannot be mounted inside another")
        if len(set(mounts)) < len(mounts) or len({mount.name for mount in self.volumes or ()}) < len(mounts):
            raise ValueError("volumes: names and mount paths must be unique")
        if (self.gpu_count > 0) != (self.gpu_type is not None):
            raise ValueError("gpu_type: must be set if and only if gpu_count is above 0")
        self.network_allowlist, self.network_denylist = checked_lists(
            self.network_allowlist, self.network_denylist, "network_"
        )
        return self

    def check_restore(self) -> None:
        """Reject what a sandbox has from its checkpoint.

        Raises:
            WireError: the image or the size of the disk is given.
        """
        for name in ("docker_image", "disk_size_gb"):
            if name in self.model_fields_set and getattr(self, name) is not None:
                raise invalid(name, "must be omitted with checkpoint_id")

    def check_sizes(self) -> None:
        """Reject values that no program could be started with.

        Raises:
            WireError: the start command or the variables are too long.
        """
        command = self.start_command
        words = [command.executable, *command.args] if isinstance(command, StartCommand) else [command or ""]
        pairs = [pair for variables in (self.environment_vars, self.secrets) for pair in (variables or {}).items()]
        sizes = [size_of(name) + size_of(value) + 1 for name, value in pairs]
        what = ""
        if max(map(size_of, words)) > MAX_WORD:
            what = f"start_command: an argument may have at most {MAX_WORD:,} bytes."
        elif sizes and max(sizes) > MAX_WORD:
            what = f"environment_vars, secrets: a variable may have at most {MAX_WORD:,} bytes."
        elif sum(sizes) > MAX_VARIABLES:
            what = f"environment_vars, secrets: all together may have at most {MAX_VARIABLES:,} bytes."
        if what:
            detail = f"{what} Upload larger data as a file once the sandbox is running."
            raise problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)

    def record(
        self, sandbox_id: str, now: datetime, user_id: str, checkpoint: CheckpointRecord | None = None
    ) -> SandboxRecord:
        """Return the record of a new sandbox, whose image and disk are those of its checkpoint if it has one."""
        command: str | dict[str, Any] | None
        if isinstance(self.start_command, StartCommand):
            command = self.start_command.model_dump()
        else:
            # Newer SDKs send nothing for a VM, older ones the idle command for a container.
            command = self.start_command or (None if self.vm else DEFAULT_START_COMMAND)
        values = self.model_dump(exclude={"volumes", "start_command"})
        if checkpoint is not None:
            values |= {"docker_image": checkpoint.docker_image, "disk_size_gb": checkpoint.disk_size_gb}
        values["labels"] = tuple(self.labels)
        values["user_id"] = self.user_id or user_id
        values["network_access"] = self.network_access and self.network_allowlist != []
        return SandboxRecord(id=sandbox_id, created_at=now, updated_at=now, start_command=command, **values)


class BulkDeleteBody(RequestBody):
    """The sandboxes to delete: by id, by labels, or all of a user, a team or everyone."""

    sandbox_ids: list[SandboxId] | None = Field(default=None, min_length=1, max_length=500)
    labels: list[Label] | None = Field(default=None, min_length=1, max_length=50)
    team_id: str | None = None
    user_id: str | None = None
    all_users: bool = False

    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if self.sandbox_ids is not None and self.labels is not None:
            raise ValueError("sandbox_ids: give either sandbox_ids or labels, not both")
        # Clients without a user or team send an empty id, which must never widen the selection.
        scoped = bool(self.user_id or self.team_id or self.all_users)
        if self.sandbox_ids is None and self.labels is None and not scoped:
            raise ValueError("sandbox_ids: give sandbox_ids, labels, user_id, team_id or all_users")
        return self


class StatusBody(RequestBody):
    """The ids of a batch status request."""

    sandbox_ids: list[SandboxId] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len(set(self.sandbox_ids)) != len(self.sandbox_ids):
            raise ValueError("sandbox_ids: must be unique")
        return self


class VolumeBody(RequestBody):
    """A new volume."""

    name: VolumeName
    team_id: str | None = None


class PublishBody(RequestBody):
    """How a volume is published; with ``force``, also over a version that the sandbox does not know."""

    force: bool = False


class RuleBody(RequestBody):
    """A rule of a LAN network."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    ports: list[Annotated[int, Field(ge=1, le=65535)]] | None = Field(
        default=None, min_length=1, max_length=MAX_RULE_PORTS
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        what = "must be * or tag:NAME"
        if self.source not in (ANYONE, INTERNET) and not _TAG_SELECTOR.fullmatch(self.source):
            raise ValueError(f"from: {what}, or internet")
        if self.target != ANYONE and not _TAG_SELECTOR.fullmatch(self.target):
            raise ValueError(f"to: {what}")
        if self.source == INTERNET and self.ports is None:
            raise ValueError("ports: a rule from internet must name its ports")
        return self

    def stored(self) -> StoredRule:
        """Return the rule in the form that is stored."""
        return StoredRule(self.source, self.target, None if self.ports is None else tuple(self.ports))


Rules = Annotated[list[RuleBody], Field(max_length=MAX_RULES)]


class NetworkBody(RequestBody):
    """A new LAN network; without rules, no member reaches another."""

    name: NetworkName
    team_id: str | None = None
    rules: Rules = Field(default_factory=list)


class RulesBody(RequestBody):
    """All rules of a LAN network; they replace the previous ones."""

    rules: Rules


class MemberBody(RequestBody):
    """The tags of a member of a LAN network; they replace the previous ones."""

    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)


class CheckpointIds(RequestBody):
    """The ids of a batch request for checkpoints."""

    checkpoint_ids: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=100
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len(set(self.checkpoint_ids)) != len(self.checkpoint_ids):
            raise ValueError("checkpoint_ids: must be unique")
        return self


class ExecBody(RequestBody):
    """A command for the shell of a sandbox."""

    command: Text
    working_dir: Text | None = None
    env: Variables | None = None
    timeout: Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False)] = 300
    user: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")] | None = None


async def read_json(request: Request, limit: int = MAX_JSON) -> Any:
    """Return the JSON body of a request.

    Raises:
        WireError: it is too large or malformed.
    """
    data = bytearray()
    if declared_length(request) > limit:
        raise too_large(limit)
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_large(limit)
    try:
        return json.loads(data, parse_constant=_no_constant) if data else {}
    except (ValueError, RecursionError) as error:
        raise problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body of the request is not valid JSON.") from error


def declared_length(request: Request) -> int:
    """Return the declared length of a request's body, or 0 if there is none."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def too_large(limit: int) -> WireError:
    """Return the error for a request over the size limit."""
    detail = f"The request is over the limit of {limit:,} bytes. Upload larger data as a file."
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


async def read_body(request: Request, model: type[_Body]) -> _Body:
    """Return the validated body of a request."""
    data = await read_json(request)
    if not isinstance(data, dict):
        raise invalid("body", "must be a JSON object")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise WireError(HTTPStatus.UNPROCESSABLE_ENTITY, {"errors": _rows(error)}) from error


def _rows(error: ValidationError) -> list[dict[str, str]]:
    rows = []
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in entry["loc"])
        text = entry["msg"].removeprefix("Value error, ")
        if not where:
            where, _, text = text.partition(": ")
        rows.append({"param": where[:200], "details": text})
    return rows


def _stamp(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def sandbox_response(record: SandboxRecord, user_agent: str = "") -> dict[str, Any]:
    """Return a sandbox in the form that the client can read: all fields of its model, in camelCase."""
    command = start_command_for(user_agent, record.start_command)
    fits = isinstance(command, dict) if record.vm else isinstance(command, str)
    values = {name: getattr(record, name, None) for name in _WIRE_NAMES}
    values |= {
        "start_command": command if fits else None,
        "disk_mount_path": DISK_MOUNT_PATH,
        "secrets": dict.fromkeys(record.secrets, MASK) if record.secrets else None,
        "labels": list(record.labels),
        # An addition of this platform.
        "volumes": [
            {"name": each.name, "mount_path": each.mount_path, "read_only": each.read_only} for each in record.volumes
        ]
        or None,
    }
    return {
        _WIRE_NAMES[name]: _stamp(value) if isinstance(value, datetime) else value for name, value in values.items()
    }


def checkpoint_response(record: CheckpointRecord) -> dict[str, Any]:
    """Return a checkpoint."""
    return {
        "id": record.id,
        "sandbox_id": record.sandbox_id,
        "parent_id": record.parent_id,
        "team_id": record.team_id,
        "state": record.state,
        "depth": record.depth,
        "docker_image": record.docker_image,
        "disk_size_bytes": int(record.disk_size_gb * 1024**3),
        # Nothing is compressed here.
        "stored_bytes": record.occupied_bytes if record.state == "DURABLE" else None,
        "occupied_bytes": record.occupied_bytes,
        "error": record.error,
        "created_at": _stamp(record.created_at),
        "updated_at": _stamp(record.updated_at),
    }


def volume_response(record: VolumeRecord, occupied: int) -> dict[str, Any]:
    """Return a volume, with the bytes in use of its newest version."""
    return {
        "id": record.id,
        "name": record.name,
        "user_id": record.user_id,
        "team_id": record.team_id,
        "head_checkpoint_id": record.head_checkpoint_id,
        "created_at": _stamp(record.created_at),
        "occupied_bytes": occupied,
    }


def member_response(member: StoredMember, *, is_synced: bool) -> dict[str, Any]:
    """Return a member of a LAN network, with its address, which is an addition of this platform."""
    return {
        "sandbox_id": member.sandbox_id,
        "tags": list(member.tags),
        "synced": is_synced,
        "address": member.address or None,
    }


def network_response(record: NetworkRecord, published: list[dict[str, Any]], *, is_synced: bool) -> dict[str, Any]:
    """Return a LAN network, with the ports that it publishes, which are an addition of this platform."""
    return {
        "id": record.id,
        "name": record.name,
        "team_id": record.team_id,
        "rules": [
            {"from": rule.source, "to": rule.target} | ({} if rule.ports is None else {"ports": list(rule.ports)})
            for rule in record.rules
        ],
        "version": record.version,
        "synced": is_synced,
        "created_at": _stamp(record.created_at),
        "members": [member_response(member, is_synced=is_synced) for member in record.members],
        "published": published,
    }


def number(request: Request, name: str, default: int, low: int, high: int, other: str = "") -> int:
    """Return a number of the query, in either of two spellings, or the default."""
    text = request.query_params.get(name) or request.query_params.get(other)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 12) or not low <= int(text) <= high:
        raise invalid(name, f"must be a whole number from {low} to {high}")
    return int(text)


def status_row(record: SandboxRecord) -> dict[str, Any]:
    """Return one row of the batch status."""
    return {
        "sandbox_id": record.id,
        "status": record.status,
        "error_type": record.error_type,
        "error_message": record.error_message,
        "pending_image_build_id": record.pending_image_build_id,
    }


def error_context(record: SandboxRecord) -> dict[str, Any]:
    """Return why a sandbox is not running."""
    return {"status": record.status, "errorType": record.error_type, "errorMessage": record.error_message}


def timestamp(when: datetime) -> str:
    """Return a time in the format of the wire."""
    return _stamp(when) or ""
