"""From the fields of a form to sandboxes with the files of a checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sandtui.client import AsyncSandboxClient, SandboxCheckpoint, SandboxClientError
from sandtui.client.models import CreateSandboxRequest, Sandbox
from sandtui.fleet.creation.form import COUNT, DEFAULTS, OF_CHECKPOINT, draft_from, read_count
from sandtui.fleet.creation.launch import LaunchItem
from sandtui.fleet.creation.launch_plan import LaunchPlan, plan_launch
from sandtui.fleet.creation.values import FieldProblem
from sandtui.fleet.fields import LAUNCH_LABEL, MAX_NAME_OF_CLONE

NOT_TAKEN: Final = "pending"
"""Stands for the checkpoint in a request while it is being taken. No checkpoint has this id."""

CHECKPOINTS_AT_ONCE: Final = 4

OF_SOURCE: Final = "{source}"
"""Stands for the name of the source in the names of forks of several."""

_INHERITED: Final = (
    "docker_image", "cpu_cores", "memory_gb", "gpu_count", "gpu_type", "kind", "timeout_minutes", "network", "labels",
    "region", "team_id",
)  # fmt: skip


def fork_fields(source: Sandbox) -> dict[str, str]:
    """Return the form's text for forks of a sandbox: its sizes, labels, lifetime and network rules.

    Its variables, secrets and start command are not taken along, as with `prime sandbox fork`.
    """
    draft = draft_from(source)
    # Labels of launches group what was created together.
    inherited = {name: text for name, text in draft.items() if name in _INHERITED}
    return {**DEFAULTS, **inherited, "name": f"{source.name or source.id}-fork"}


def from_checkpoint(plan: LaunchPlan, checkpoint_id: str) -> LaunchPlan:
    """Return the plan with the files of a checkpoint in place of its images."""
    return replace(plan, requests=tuple(_restoring(request, checkpoint_id) for request in plan.requests))


def _restoring(request: CreateSandboxRequest, checkpoint_id: str) -> CreateSandboxRequest:
    kept = request.model_fields_set - OF_CHECKPOINT
    return CreateSandboxRequest.model_validate(
        {**{name: getattr(request, name) for name in kept}, "checkpoint_id": checkpoint_id}
    )


@dataclass(frozen=True, slots=True)
class ForkPlan:
    """Forks of some sandboxes: the requests without their checkpoint, and the id of the source of each."""

    plan: LaunchPlan
    sources: tuple[str, ...] = ()

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field."""
        return self.plan.problems


def source_of(checkpoint: SandboxCheckpoint, sandbox: Sandbox | None) -> Sandbox:
    """Return the sandbox of a checkpoint; if it is no longer known, one with the default sizes."""
    if sandbox is not None:
        return sandbox
    return Sandbox(
        id=checkpoint.sandbox_id,
        name=checkpoint.sandbox_id[-MAX_NAME_OF_CLONE:],
        docker_image=checkpoint.docker_image or DEFAULTS["docker_image"],
        cpu_cores=float(DEFAULTS["cpu_cores"]),
        memory_gb=float(DEFAULTS["memory_gb"]),
        disk_size_gb=float(DEFAULTS["disk_size_gb"]),
        team_id=checkpoint.team_id,
    )


def default_name(sources: Sequence[Sandbox]) -> str:
    """Return the name of forks, where the user gives none."""
    return fork_fields(sources[0])["name"] if len(sources) == 1 else f"{OF_SOURCE}-fork"


def plan_forks(
    sources: Sequence[Sandbox], count: str, name: str, launch_id: str, checkpoint_id: str = NOT_TAKEN
) -> ForkPlan:
    """Return the plan of ``count`` forks of each source, or what is wrong with the count or the name.

    A ``checkpoint_id`` is one of the source that exists already.
    """
    try:
        each = read_count(count)
    except FieldProblem as problem:
        return ForkPlan(LaunchPlan(launch_id, problems={"count": str(problem)}))
    if each * len(sources) not in COUNT:
        too_many = f"{each * len(sources):,} sandboxes; the maximum is {COUNT.high:,g}"
        return ForkPlan(LaunchPlan(launch_id, problems={"count": too_many}))
    if not name:
        return ForkPlan(LaunchPlan(launch_id, problems={"name": "a name is required"}))
    requests: list[CreateSandboxRequest] = []
    ids: list[str] = []
    for source in sources:
        fields = {**fork_fields(source), "count": count, "name": name.replace(OF_SOURCE, source.name or source.id)}
        plan = plan_launch(fields, launch_id)
        if plan.problems:
            return ForkPlan(plan)
        requests += from_checkpoint(plan, checkpoint_id).requests
        ids += [source.id] * len(plan.requests)
    label = LAUNCH_LABEL + launch_id
    if len(requests) > 1:
        # One fork of each of several has no label yet.
        labels = ([*request.labels, *([] if label in request.labels else [label])] for request in requests)
        requests = [request.model_copy(update={"labels": each}) for request, each in zip(requests, labels, strict=True)]
    return ForkPlan(LaunchPlan(launch_id, tuple(requests)), tuple(ids))


@dataclass(slots=True)
class ForkCheckpoints:
    """Takes one checkpoint of each source of a launch, and puts its id into the requests. A retry takes it again where
    that failed."""

    client: AsyncSandboxClient
    sources: Sequence[str]
    on_change: Callable[[str], None] = lambda _: None
    """Called with the id of a source when its checkpoint was begun, and when it is over."""
    taking: set[str] = field(default_factory=set)
    """The sources of which a checkpoint is being taken."""

    async def __call__(self, items: Sequence[LaunchItem]) -> Mapping[int, Exception]:
        """Complete the requests of some items; return why that failed, by their index."""
        waiting: dict[str, list[LaunchItem]] = {}
        for item in items:
            if item.request.checkpoint_id == NOT_TAKEN:
                waiting.setdefault(self.sources[item.index], []).append(item)
        gate = asyncio.Semaphore(CHECKPOINTS_AT_ONCE)
        problems: dict[int, Exception] = {}

        async def take(source: str, forks: Sequence[LaunchItem]) -> None:
            async with gate:
                try:
                    begun = await self.client.checkpoint(source)
                    self.on_change(source)
                    await self.client.wait_for_checkpoint(begun.id)
                except SandboxClientError as error:
                    problems.update({item.index: error for item in forks})
                else:
                    for item in forks:
                        item.request = item.request.model_copy(update={"checkpoint_id": begun.id})
                finally:
                    self.taking.discard(source)
                    self.on_change(source)

        self.taking = set(waiting)
        async with asyncio.TaskGroup() as group:
            for source, forks in waiting.items():
                group.create_task(take(source, forks))
        return problems
