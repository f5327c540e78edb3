"""Requests of other calls as models, for code written for the official SDK (``prime_sandboxes.models``).

The calls themselves take plain arguments. The bounds are those of WIRE.md 8.
"""

from __future__ import annotations

from pydantic import Field

from sandtui.client.models.base import RequestModel


class CommandRequest(RequestModel):
    """A command to run."""

    command: str
    working_dir: str | None = None
    env: dict[str, str] | None = None
    user: str | None = None


class ExposePortRequest(RequestModel):
    """A port to expose."""

    port: int = Field(ge=1, le=65535)
    name: str | None = None
    protocol: str = "HTTP"


class BulkDeleteSandboxRequest(RequestModel):
    """Which sandboxes to delete."""

    sandbox_ids: list[str] | None = None
    labels: list[str] | None = None
    team_id: str | None = None
    user_id: str | None = None
    all_users: bool = False


class UpdateSandboxRequest(RequestModel):
    """Changes to a sandbox. No call of any generation uses it (WIRE.md 2)."""

    name: str | None = None
    docker_image: str | None = None
    start_command: str | None = None
    cpu_cores: float | None = None
    memory_gb: float | None = None
    disk_size_gb: float | None = None
    gpu_count: int | None = None
    gpu_type: str | None = None
    timeout_minutes: int | None = None
    idle_timeout_minutes: int | None = None
    environment_vars: dict[str, str] | None = None
    registry_credentials_id: str | None = None
    secrets: dict[str, str] | None = None
    network_access: bool | None = None
