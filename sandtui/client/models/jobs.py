"""Background jobs (WIRE.md 2.10, 4)."""

from pydantic import BaseModel, ConfigDict, Field

from sandtui.client.models.base import WireModel


class BackgroundJob(BaseModel):
    """A job and its files in the sandbox. The id suffices to find the job again."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    job_id: str
    sandbox_id: str
    stdout_log_file: str
    stderr_log_file: str
    exit_file: str

    @classmethod
    def of(cls, sandbox_id: str, job_id: str) -> "BackgroundJob":
        """Return the job with an id; the names of its files are a convention (WIRE.md 4)."""
        base = f"/tmp/job_{job_id}"  # noqa: S108 - in the sandbox, by the convention of WIRE.md 4
        return cls(
            job_id=job_id,
            sandbox_id=sandbox_id,
            stdout_log_file=f"{base}.stdout.log",
            stderr_log_file=f"{base}.stderr.log",
            exit_file=f"{base}.exit",
        )

    @property
    def launch_dir(self) -> str:
        """The directory that makes the launch idempotent; it contains the job's ``pid``."""
        return self.exit_file.removesuffix(".exit") + ".launch"


class BackgroundJobStatus(BaseModel):
    """The status of a job. ``stdout`` and ``stderr`` are None until it has finished, and unless requested."""

    job_id: str
    completed: bool
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    stdout_error: str | None = None
    stderr_error: str | None = None


class JobStatusRow(WireModel):
    """One row of the batch job status."""

    sandbox_id: str
    job_id: str
    completed: bool
    exit_code: int | None = None


class JobErrorRow(WireModel):
    """A job without a status in the batch job status."""

    sandbox_id: str
    job_id: str
    code: str
    message: str = ""


class BatchJobStatusReply(WireModel):
    """Job statuses in the order of the request, and errors for the other jobs."""

    statuses: list[JobStatusRow] = Field(default_factory=list)
    errors: list[JobErrorRow] = Field(default_factory=list)
