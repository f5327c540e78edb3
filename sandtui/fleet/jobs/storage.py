"""The interface of the storage for jobs; the database itself belongs to the layer above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandtui.fleet.jobs.job import Chain, Job, JobKey


class JobStorage(Protocol):
    """Stores jobs and the ends of their logs. Calls may block: they are made from threads.

    ``context`` names the platform that the jobs belong to. All methods raise OSError when the storage fails.
    """

    def load(self, context: str) -> list[Job]:
        """Return the stored jobs, latest first."""
        ...

    def save(self, context: str, jobs: Sequence[Job]) -> None:
        """Insert or update jobs; chains are not changed."""
        ...

    def forget(self, context: str, keys: Sequence[JobKey]) -> None:
        """Delete jobs and their logs."""
        ...

    def save_chain(self, context: str, key: JobKey, chain: Chain | None) -> None:
        """Store what happens after a job, and its progress; None deletes it."""
        ...

    def claim_chain(self, context: str, key: JobKey) -> bool:
        """Claim a job's chain for this process; False when another running process has it."""
        ...

    def save_log(self, context: str, key: JobKey, stream: str, text: str, start: int, total: int) -> None:
        """Store the end of a log, from byte ``start`` of ``total``."""
        ...

    def load_log(self, context: str, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return the stored end of a log, its start and the total size in bytes; None when there is none."""
        ...


class NoJobStorage:
    """Stores nothing."""

    def load(self, context: str) -> list[Job]:
        """Return nothing."""
        return []

    def save(self, context: str, jobs: Sequence[Job]) -> None:
        """Do nothing."""

    def forget(self, context: str, keys: Sequence[JobKey]) -> None:
        """Do nothing."""

    def save_chain(self, context: str, key: JobKey, chain: Chain | None) -> None:
        """Do nothing."""

    def claim_chain(self, context: str, key: JobKey) -> bool:
        """Grant the claim: without storage there is no other claimant."""
        return True

    def save_log(self, context: str, key: JobKey, stream: str, text: str, start: int, total: int) -> None:
        """Do nothing."""

    def load_log(self, context: str, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return nothing."""
        return None
