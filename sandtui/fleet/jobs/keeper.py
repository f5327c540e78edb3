"""Where jobs are kept between runs; the database itself belongs to the layer above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandtui.fleet.jobs.job import Chain, Job, JobKey


class JobKeeper(Protocol):
    """Keeps jobs and what was read of their logs. Calls may block: they are made from threads.

    ``context`` names the platform that the jobs belong to. All raise OSError when nothing can be kept.
    """

    def load(self, context: str) -> list[Job]:
        """Return the jobs that were kept, the latest first."""
        ...

    def keep(self, context: str, jobs: Sequence[Job]) -> None:
        """Write jobs down, those that are there already anew; chains are left as they are."""
        ...

    def forget(self, context: str, keys: Sequence[JobKey]) -> None:
        """Forget jobs and their logs."""
        ...

    def keep_chain(self, context: str, key: JobKey, chain: Chain | None) -> None:
        """Write down what is to happen after a job, and how far that is."""
        ...

    def claim_chain(self, context: str, key: JobKey) -> bool:
        """Take what is to happen after a job for this process; False when another one that runs has it."""
        ...

    def keep_log(self, context: str, key: JobKey, stream: str, text: str, start: int, total: int) -> None:
        """Write down the end of a log: it begins at the byte ``start`` of ``total``."""
        ...

    def log(self, context: str, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return what was kept of a log, or None."""
        ...


class NoKeeper:
    """Keeps nothing."""

    def load(self, context: str) -> list[Job]:
        """Return nothing."""
        return []

    def keep(self, context: str, jobs: Sequence[Job]) -> None:
        """Do nothing."""

    def forget(self, context: str, keys: Sequence[JobKey]) -> None:
        """Do nothing."""

    def keep_chain(self, context: str, key: JobKey, chain: Chain | None) -> None:
        """Do nothing."""

    def claim_chain(self, context: str, key: JobKey) -> bool:
        """Say that it is ours."""
        return True

    def keep_log(self, context: str, key: JobKey, stream: str, text: str, start: int, total: int) -> None:
        """Do nothing."""

    def log(self, context: str, key: JobKey, stream: str) -> tuple[str, int, int] | None:
        """Return nothing."""
        return None
