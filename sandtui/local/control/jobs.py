"""The batch status of background jobs, from their exit files in the sandboxes (client/WIRE.md 2.10)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from sandtui.local import wire
from sandtui.local.control.api_key import Row
from sandtui.local.control.lifecycle import Lifecycle
from sandtui.local.drivers.base import DriverError, FileFailed
from sandtui.local.store.registry import Registry

_AT_ONCE: Final = 16
_MAX_EXIT_FILE: Final = 64


class JobId(wire.RequestBody):
    """The reference to one job."""

    sandbox_id: wire.SandboxId
    job_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class JobsBody(wire.RequestBody):
    """The jobs to report on."""

    jobs: list[JobId] = Field(min_length=1, max_length=100)


class JobRoutes:
    """Reports the status of many jobs at once."""

    def __init__(self, registry: Registry, lifecycle: Lifecycle) -> None:
        self._registry = registry
        self._lifecycle = lifecycle

    def rows(self) -> list[Row]:
        """Return the calls; this one must come before ``/sandbox/{id}``."""
        return [("POST", "/sandbox/background-jobs/status:batchGet", self.statuses)]

    async def statuses(self, request: Request) -> Response:
        """POST /sandbox/background-jobs/status:batchGet."""
        body = await wire.read_body(request, JobsBody)
        keys = [(job.sandbox_id, job.job_id) for job in body.jobs]
        if len(set(keys)) != len(keys):
            raise wire.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The same job is listed twice.")
        gate = asyncio.Semaphore(_AT_ONCE)

        async def probe(sandbox_id: str, job_id: str) -> dict[str, Any]:
            async with gate:
                return {"sandbox_id": sandbox_id, "job_id": job_id, **await self._status(sandbox_id, job_id)}

        rows = await asyncio.gather(*(probe(*key) for key in keys))
        return wire.AsciiJSONResponse(
            {
                "statuses": [row for row in rows if "code" not in row],
                "errors": [row for row in rows if "code" in row],
            }
        )

    async def _status(self, sandbox_id: str, job_id: str) -> dict[str, Any]:
        record = self._registry.get(sandbox_id)
        if record is None:
            return {"code": "NOT_FOUND", "message": "Sandbox not found"}
        instance = self._lifecycle.instance(sandbox_id)
        if instance is None:
            return {"code": "NOT_RUNNING", "message": f"The sandbox is {record.status}, not RUNNING."}
        try:
            file = await instance.open_read(f"/tmp/job_{job_id}.exit")  # noqa: S108
            try:
                text = (await file.read(0, _MAX_EXIT_FILE)).strip()
            finally:
                file.close()
        except FileFailed:
            return {"completed": False}
        except DriverError as error:
            return {"code": "RUNTIME_ERROR", "message": str(error)}
        if not text:
            return {"completed": False}  # the file exists before its content does
        if not text.isdigit():
            return {"code": "RUNTIME_ERROR", "message": "The job's exit file does not hold a number."}
        return {"completed": True, "exit_code": int(text)}
