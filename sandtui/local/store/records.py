"""The record of one sandbox: its request and its state."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandtui.client.models.sandbox import DEFAULT_START_COMMAND, FINISHED_STATUSES, SandboxStatus

_TIMES = ("created_at", "updated_at", "started_at", "terminated_at")

# A missing start command and the default one both mean that nothing is run.
IDLE_COMMANDS = (None, "", DEFAULT_START_COMMAND)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume of a sandbox: its own copy of the version ``base``, which is None for an empty volume."""

    volume_id: str
    name: str
    mount_path: str
    read_only: bool = False
    base: str | None = None


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """One sandbox. Immutable: a change creates a new record."""

    id: str
    name: str
    docker_image: str
    created_at: datetime
    updated_at: datetime
    status: SandboxStatus = SandboxStatus.PENDING
    start_command: str | dict[str, Any] | None = DEFAULT_START_COMMAND
    cpu_cores: float = 1.0
    memory_gb: float = 2.0
    disk_size_gb: float = 5.0
    gpu_count: int = 0
    gpu_type: str | None = None
    vm: bool = False
    network_access: bool = True
    network_allowlist: list[str] | None = None
    network_denylist: list[str] | None = None
    network_generation: int = 1
    """How many times the lists were set, including at creation."""
    timeout_minutes: int = 60
    idle_timeout_minutes: int | None = None
    environment_vars: dict[str, str] | None = None
    secrets: dict[str, str] | None = field(default=None, repr=False)
    labels: tuple[str, ...] = ()
    team_id: str | None = None
    user_id: str | None = None
    region: str | None = None
    advanced_configs: dict[str, Any] | None = None
    registry_credentials_id: str | None = None
    arch: str | None = None
    idempotency_key: str | None = None
    checkpoint_id: str | None = None
    """The checkpoint that its files come from."""
    image_id: str | None = None
    """The image of this platform that ``docker_image`` names; None if it is one of a registry."""
    pending_image_build_id: str | None = None
    """The build of its image that it waits for."""
    volumes: tuple[Attachment, ...] = ()
    lan_address: str | None = None
    """Its own address in LAN networks; None if it can be in none."""
    driver: str = ""
    started_at: datetime | None = None
    terminated_at: datetime | None = None
    exit_code: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    termination_reason: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the sandbox has ended."""
        return self.status in FINISHED_STATUSES

    @property
    def expires_at(self) -> datetime | None:
        """The end of its lifetime, which begins when it runs (client/WIRE.md 5)."""
        if self.started_at is None or self.timeout_minutes <= 0:
            return None
        return self.started_at + timedelta(minutes=self.timeout_minutes)

    def argv(self) -> list[str] | None:
        """Return the command line of the start command, or None if there is nothing to run."""
        command = self.start_command
        if isinstance(command, dict):
            return [command["executable"], *command.get("args", [])]
        return None if command in IDLE_COMMANDS else ["/bin/sh", "-c", str(command)]

    def environment(self) -> dict[str, str]:
        """Return the environment of its commands, including secrets."""
        return {**(self.environment_vars or {}), **(self.secrets or {})}

    def to_row(self) -> dict[str, Any]:
        """Return plain values for the store, without secrets, which are stored separately."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "secrets"}
        for name in _TIMES:
            row[name] = None if row[name] is None else row[name].isoformat()
        row["volumes"] = [dataclasses.asdict(each) for each in self.volumes]
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any], secrets: dict[str, str] | None) -> SandboxRecord:
        """Return a stored record; fields that this version does not know are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {name: value for name, value in row.items() if name in known}
        for name in _TIMES:
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        values["status"] = SandboxStatus(values["status"])
        values["labels"] = tuple(values.get("labels") or ())
        values["volumes"] = tuple(Attachment(**each) for each in values.get("volumes") or ())
        return cls(**values, secrets=secrets)
