"""Sandboxes for tests."""

from datetime import UTC, datetime, timedelta

from sandtui.client.models import Sandbox

NOW = datetime(2026, 11, 24, 14, 14, 30, tzinfo=UTC)


def sandbox(number: int = 1, **fields: object) -> Sandbox:
    """Return a running sandbox; each number is another one, ten seconds older than the one before."""
    created = NOW - timedelta(seconds=10 * number)
    values: dict[str, object] = {
        "id": f"sbx_{number:04}",
        "name": f"rollout-{number:04}",
        "docker_image": "python:3.11-slim",
        "cpu_cores": 1,
        "memory_gb": 2,
        "disk_size_gb": 5,
        "status": "RUNNING",
        "timeout_minutes": 60,
        "created_at": created,
        "updated_at": created,
        "started_at": created + timedelta(seconds=1),
        "labels": ["run=42"],
    }
    return Sandbox.model_validate({**values, **fields})
