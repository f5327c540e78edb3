"""A connection to a platform: the client, the known fleet, and the operations on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sandtui.client import (
    AsyncSandboxClient,
    ExposedPort,
    LanNetwork,
    LanNetworkMember,
    NotFoundError,
    SandboxClientError,
)
from sandtui.clock import Clock
from sandtui.fleet.checkpoints.board import CheckpointBoard
from sandtui.fleet.commands.console import Console, ConsoleRun
from sandtui.fleet.commands.fanout import FanOut, Target
from sandtui.fleet.commands.fanout.grouping import end_of
from sandtui.fleet.commands.fanout.run import MAX_TOTAL
from sandtui.fleet.commands.line.redaction import redact_for_log
from sandtui.fleet.deaths.recorder import DeathRecorder, DeathStorage
from sandtui.fleet.inventory.bulk import BulkRun
from sandtui.fleet.inventory.bulk_plan import BulkPlan
from sandtui.fleet.inventory.leases import LeaseWatch
from sandtui.fleet.inventory.log_ends import LogEnds
from sandtui.fleet.inventory.refresh import Freshness, Pace, Refresher
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.inventory.verbs import at_once, batch_size, work_of
from sandtui.fleet.jobs.board import JobBoard
from sandtui.fleet.jobs.storage import JobStorage
from sandtui.fleet.jobs.watcher import JobWatcher
from sandtui.fleet.ports.exposures import PortBoard
from sandtui.fleet.ports.forwards import ForwardBoard
from sandtui.fleet.volumes.board import VolumeBoard
from sandtui.leases import LeaseFiles, LeaseJudge

if TYPE_CHECKING:
    from sandtui.fleet.shells import ShellBoard
    from sandtui.fleet.transfers.queue import TransferQueue

DELETE_AT_ONCE = 10
FAN_OUTS_KEPT = 10
MOST_NETWORKS = 50
"""LAN networks whose members are asked for one by one."""


@dataclass(frozen=True, slots=True)
class DeleteOutcome:
    """Deleted ids, and why the others were not deleted."""

    deleted: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)


class FleetSession:
    """Everything that a dashboard does with one platform."""

    def __init__(
        self,
        client: AsyncSandboxClient,
        clock: Clock,
        on_freshness: Callable[[Freshness], None] = lambda _: None,
        pace: Pace | None = None,
        storage: JobStorage | None = None,
        context: str = "",
        lease_folder: Path | None = None,
        deaths: DeathStorage | None = None,
    ) -> None:
        self.client = client
        self.clock = clock
        self.store = FleetStore(clock)
        self.refresher = Refresher(client, self.store, clock, on_freshness, pace)
        self.history = History(self.store, clock)
        self.log_ends = LogEnds(client, clock)
        self.leases = LeaseWatch(self.store, LeaseJudge(LeaseFiles(lease_folder)), clock, lambda: client.config.user_id)
        self.exposures: dict[str, list[ExposedPort]] = {}
        self.memberships: dict[str, list[tuple[LanNetwork, LanNetworkMember]]] = {}
        """The LAN networks of sandboxes, as far as they were asked for."""
        self.transfers: TransferQueue | None = None
        """The transfers; set by the program, because they are stored on the disk."""
        self.ports = PortBoard(client, self.store, clock)
        self.forwards = ForwardBoard(client, self.store, clock)
        self.fan_outs: list[FanOut] = []
        """Multi-sandbox runs, oldest first."""
        self.checkpoints = CheckpointBoard(client, self.store, clock)
        self.volumes = VolumeBoard(client, clock)
        self.jobs = JobBoard(client, self.store, self.history, clock, storage, context)
        self.job_watcher = JobWatcher(self.jobs)
        self.deaths = DeathRecorder(self.store, self.history, self.jobs, self.log_ends, clock, deaths, context)
        self._consoles: dict[str, Console] = {}

    @cached_property
    def shells(self) -> ShellBoard:
        """The open shells."""
        from sandtui.fleet.shells import ShellBoard

        return ShellBoard(self.client)

    def console(self, sandbox_id: str) -> Console:
        """Return the console of a sandbox; its output lasts as long as the program."""
        if sandbox_id not in self._consoles:
            row = self.store.get(sandbox_id)
            vm = row is not None and row.sandbox.vm
            console = Console(self.client, sandbox_id, self.clock, vm=vm)
            console.on_end.subscribe(lambda run: self._note_run(sandbox_id, run))
            self._consoles[sandbox_id] = console
        return self._consoles[sandbox_id]

    def _note_run(self, sandbox_id: str, run: ConsoleRun) -> None:
        end = f"exit {run.exit_code}" if run.exit_code is not None else run.state.value
        self.history.note(sandbox_id, f"$ {redact_for_log(run.command)}  {end}", bad=run.exit_code != 0)

    def fan_out(
        self, command: str, rows: Sequence[Row], timeout: int, *, live: bool = False, user: str | None = None
    ) -> FanOut:
        """Return a multi-sandbox run of a command; ``run`` starts it.

        ``timeout`` is in seconds, for each; with ``live`` containers too answer line by line.
        """

        words = redact_for_log(command)

        def note(target: Target) -> None:
            self.history.note(target.id, f"$ {words}  {end_of(target)}", bad=not target.succeeded)

        fan_out = FanOut(command, rows, self.client, self.clock, timeout=timeout, live=live, on_end=note, user=user)
        self.fan_outs = [*self.fan_outs[1 - FAN_OUTS_KEPT :], fan_out]
        while len(self.fan_outs) > 1 and sum(each.size for each in self.fan_outs) > MAX_TOTAL:
            self.fan_outs.pop(0)
        return fan_out

    async def learn_exposures(self) -> None:
        """Fetch the exposed ports of all sandboxes; a platform without ports has none.

        Raises:
            SandboxClientError: the platform could not be asked.
        """
        try:
            reply = await self.client.list_all_exposed_ports()
        except NotFoundError:
            return
        self.exposures = {}
        for port in reply.exposures:
            self.exposures.setdefault(port.sandbox_id, []).append(port)
        self.history.touched.update(self.exposures)

    async def learn_networks(self) -> None:
        """List the LAN networks with their members.

        Raises:
            SandboxClientError: the platform has none, or could not be reached.
        """
        found: dict[str, list[tuple[LanNetwork, LanNetworkMember]]] = {}
        networks = await self.client.list_lan_networks()
        for number, listed in enumerate(networks):
            # Where the list leaves the members out, each network has to be asked for.
            is_whole = listed.members is not None or number >= MOST_NETWORKS
            network = listed if is_whole else await self.client.get_lan_network(listed.id)
            for member in network.members or ():
                found.setdefault(member.sandbox_id, []).append((network, member))
        self.memberships = found

    def bulk(self, plan: BulkPlan) -> BulkRun:
        """Return the bulk operation of a plan; ``run`` starts it."""
        work = work_of(plan, self.client, self.store, self.history, self.jobs)
        return BulkRun(plan.title, plan.rows, work, self.clock, at_once=at_once(plan), batch=batch_size(plan))

    async def delete(self, sandbox_ids: Sequence[str]) -> DeleteOutcome:
        """Delete sandboxes by id, a few at a time; one that no longer exists counts as deleted."""
        self.store.mark_deleting(sandbox_ids)
        gate = asyncio.Semaphore(DELETE_AT_ONCE)
        deleted: list[str] = []
        failed: dict[str, str] = {}

        async def one(sandbox_id: str) -> None:
            async with gate:
                try:
                    await self.client.delete(sandbox_id)
                except NotFoundError:
                    self.store.remove([sandbox_id])
                    deleted.append(sandbox_id)
                except SandboxClientError as error:
                    self.store.unmark_deleting([sandbox_id])
                    failed[sandbox_id] = str(error)
                else:
                    self.store.mark_deleted([sandbox_id])
                    deleted.append(sandbox_id)

        await asyncio.gather(*(one(sandbox_id) for sandbox_id in sandbox_ids))
        self.refresher.expect_changes()
        return DeleteOutcome(tuple(deleted), failed)

    async def count_labels(self, labels: Sequence[str]) -> int:
        """Return the platform's count of active sandboxes with all the labels.

        Raises:
            SandboxClientError: the platform could not be asked.
        """
        reply = await self.client.list(labels=labels, per_page=1, exclude_terminated=True)
        return reply.total

    async def delete_labels(self, labels: Sequence[str]) -> DeleteOutcome:
        """Delete all sandboxes with the labels, on the platform.

        Raises:
            SandboxClientError: it refused, or could not be reached.
        """
        reply = await self.client.bulk_delete(labels=labels)
        self.store.mark_deleted(reply.succeeded)
        self.refresher.refresh_now()
        failed = {row.get("sandbox_id", ""): row.get("error", "refused") for row in reply.failed}
        return DeleteOutcome(tuple(reply.succeeded), failed)

    async def close(self) -> None:
        """Close every connection."""
        await self.forwards.aclose()
        if "shells" in vars(self):
            await self.shells.close()
        await self.client.aclose()
