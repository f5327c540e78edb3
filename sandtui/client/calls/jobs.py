"""The call for background jobs; everything else is done by commands (WIRE.md 2.10)."""

from __future__ import annotations

from collections.abc import Sequence

from sandtui.client.call import Call, Repeat
from sandtui.client.checks import json_body
from sandtui.client.models.jobs import BackgroundJob, BatchJobStatusReply


def batch_job_status(jobs: Sequence[BackgroundJob], timeout: float) -> Call[BatchJobStatusReply]:
    """Get the status of 1 to 100 jobs of VMs."""
    rows = [{"sandbox_id": job.sandbox_id, "job_id": job.job_id} for job in jobs]
    return Call(
        "POST",
        "/sandbox/background-jobs/status:batchGet",
        BatchJobStatusReply,
        body=json_body({"jobs": rows}),
        repeat=Repeat.SAFE,
        timeout=timeout,
    )
