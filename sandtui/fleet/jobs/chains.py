"""What happens after several jobs: each downloads to a place of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sandtui.fleet.files.names import as_name
from sandtui.fleet.jobs.job import Chain, Job


def chains_of(jobs: Sequence[Job], chain: Chain) -> list[Chain | None]:
    """Return the chain of each job; None for an empty one, which removes what was set.

    With one job the target of the chain is the file or directory itself. With several it is a directory, in which each
    sandbox gets one of its own, as when files are copied from many sandboxes.
    """
    if not chain.download and not chain.delete:
        return [None] * len(jobs)
    if len(jobs) == 1 or not chain.download:
        return [chain for _ in jobs]
    names = [as_name(job.sandbox_name or job.key.sandbox_id, job.key.sandbox_id) for job in jobs]
    sandboxes = {(name, job.key.sandbox_id) for name, job in zip(names, jobs, strict=True)}
    same_name = Counter(name for name, _ in sandboxes)
    in_sandbox = Counter(job.key.sandbox_id for job in jobs)
    base = PurePosixPath(chain.download).name
    chains: list[Chain | None] = []
    for name, job in zip(names, jobs, strict=True):
        folder = name if same_name[name] == 1 else f"{name}-{job.key.sandbox_id}"
        place = Path(chain.target, folder)
        if in_sandbox[job.key.sandbox_id] > 1:
            place /= job.key.job_id
        chains.append(replace(chain, target=str(place / base)))
    return chains
