"""Job workflows of the screens: dialogs before an operation, and notifications when jobs end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.app import App
from textual.timer import Timer

from sandtui.client import SandboxClientError
from sandtui.directories import describe
from sandtui.fleet.inventory import bulk_plan as plans
from sandtui.fleet.inventory.bulk_plan import make_plan
from sandtui.fleet.inventory.preferences import NOTIFY
from sandtui.fleet.inventory.session import FleetSession
from sandtui.fleet.jobs.board import Ended
from sandtui.fleet.jobs.chains import chains_of
from sandtui.fleet.jobs.command_text import is_complete
from sandtui.fleet.jobs.job import Chain, ChainStep, Job, JobState
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.messages import JobsChanged
from sandtui.ui.rendering.jobs import command_text
from sandtui.ui.rendering.units import long_duration
from sandtui.ui.services.bundle import Services
from sandtui.ui.services.notifier import Severity

PAINT_SECONDS = 0.25
NAMES_SHOWN = 4
NOTIFY_SECONDS = 1.0
"""Jobs that end within this time share one notification: a fleet's jobs often end together."""


class JobFlow:
    """Starts and kills jobs for the screens, and notifies when they end."""

    def __init__(self, app: App[Any], services: Services) -> None:
        self.app, self.services = app, services
        self._painting: Timer | None = None
        self._unreported: list[Ended] = []
        services.platform.connected.subscribe(self._attach)

    @property
    def all_reported(self) -> bool:
        """Whether no ended job is waiting for its notification."""
        return not self._unreported

    def _attach(self, session: FleetSession) -> None:
        session.jobs.on_change.subscribe(self._changed)
        session.job_watcher.on_end.subscribe(self._ended)
        session.job_watcher.on_chain.subscribe(self._chain_ended)

    # Notifications

    def _changed(self) -> None:
        if self._painting is None:
            self._painting = self.app.set_timer(PAINT_SECONDS, self._broadcast)

    def _broadcast(self) -> None:
        self._painting = None
        self.services.platform.broadcast(JobsChanged())

    def _ended(self, ended: Sequence[Ended]) -> None:
        self._changed()
        if not self._unreported:
            self.app.set_timer(NOTIFY_SECONDS, self._notify_ended)
        self._unreported += ended

    def _notify_ended(self) -> None:
        ended, self._unreported = self._unreported, []
        if self.services.preferences.notify == "off" or not ended:
            return
        bad = [each.job for each in ended if each.job.state is not JobState.DONE]
        severity: Severity = "warning" if bad else "information"
        if len(ended) == 1:
            text = f"{_ended_text(ended[0].job)}{' while sandtui was closed' if ended[0].away else ''}"
        else:
            text = f"{len(ended)} jobs ended"
            text += f", {len(bad)} failed or lost" if bad else ", all with exit code 0"
        self._notify(text, severity)

    def _chain_ended(self, job: Job) -> None:
        chain = job.chain
        if chain is not None:
            failed = chain.step is ChainStep.FAILED
            self._notify(f"After job {job.key.job_id}: {chain.note}", "error" if failed else "information")

    def _notify(self, text: str, severity: Severity) -> None:
        self.services.notifier.notify(text, severity)
        channel = self.services.preferences.notify
        if channel == "bell":
            self.services.notifier.bell()
        elif channel == "osc9":
            self.services.notifier.notify_desktop(text)

    def choose_notify(self) -> None:
        """Ask how to notify when a job ends."""
        now = self.services.preferences.notify
        choices = [
            Choice(each, each[0], each, text + (" · current" if each == now else "")) for each, text in NOTIFY.items()
        ]

        def on_choice(channel: str | None) -> None:
            if channel:
                self.services.preferences.notify = channel
                self.services.save_preferences()

        self.app.push_screen(ChooseDialog("Notify when a job ends", choices), on_choice)

    # Operations

    def new(self, targets: Sequence[str]) -> None:
        """Ask for a command, and start it as a job in the target sandboxes."""
        from sandtui.ui.jobs.dialogs import NewJobDialog

        session = self.services.platform.session
        rows = [row for each in targets if session is not None and (row := session.store.get(each)) is not None]
        plan = make_plan(plans.JOB, rows)
        if not plan.rows:
            fleet, jobs, new = map(self.services.key_of, ("app.fleet", "fleet.jobs", "jobs.new"))
            why = self.services.bulk.why_none(plans.JOB, rows) if rows else "No running sandbox selected."
            self.services.notifier.refuse(
                f"{why} Select one in the fleet ({fleet}), then press {jobs} and {new}", "new job"
            )
            return
        where = plan.rows[0].sandbox.name if len(plan.rows) == 1 else f"{len(plan.rows):,} sandboxes"

        def on_result(answer: tuple[str, str] | None) -> None:
            if not answer:
                return
            command, folder = answer
            if len(plan.rows) == 1:
                self.services.work.start(self._start(plan.rows[0].id, command, folder), "job")
            else:
                self.services.bulk.confirm(make_plan(plans.JOB, rows, value=command, folder=folder))

        self.app.push_screen(NewJobDialog(where), on_result)

    def run_again(self, jobs: Sequence[Job]) -> None:
        """Start the commands of jobs again, in their sandboxes."""
        known = [job for job in jobs if is_complete(job.command)]
        if not known:
            self.services.notifier.refuse(
                "The full command is not known (secrets are not stored). Start a new job instead", "run again"
            )
            return

        def start() -> None:
            for job in known:
                self.services.work.start(self._start(job.key.sandbox_id, job.command, job.working_dir), "job")

        if len(jobs) == 1:
            start()
            return

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                start()

        left = len(jobs) - len(known)
        more = f"\n\n{left:,} left out: the full command is not known." if left else ""
        question = f"{_names(known)}{more}"
        dialog = AskDialog(f"Run {len(known):,} jobs again", question, "Run", danger=False)
        self.app.push_screen(dialog, on_result)

    def kill(self, jobs: Sequence[Job]) -> None:
        """Ask for confirmation, then kill jobs."""
        how = "Sends TERM to all their processes, KILL after 5 s."
        if len(jobs) == 1:
            name = jobs[0].sandbox_name or jobs[0].key.sandbox_id
            title, question = f"Kill job {jobs[0].key.job_id} in {name}", f"{command_text(jobs[0])}\n\n{how}"
        else:
            title, question = f"Kill {len(jobs):,} jobs", f"{_names(jobs)}\n\n{how}"

        def on_result(confirmed: bool | None) -> None:
            if confirmed:
                for job in jobs:
                    self.services.work.start(self._kill(job), "job")

        self.app.push_screen(AskDialog(title, question, "Kill"), on_result)

    def on_success(self, jobs: Sequence[Job]) -> None:
        """Ask what happens when jobs succeed."""
        from sandtui.ui.jobs.dialogs import OnSuccessDialog

        able = [job for job in jobs if job.state not in {JobState.FAILED, JobState.LOST}]
        if not able:
            which = "This job" if len(jobs) == 1 else "These jobs"
            self.services.notifier.refuse(f"{which} did not succeed, so nothing runs afterwards", "then")
            return

        def on_result(chain: Chain | None) -> None:
            if chain is not None:
                for job, each in zip(able, chains_of(able, chain), strict=True):
                    self.services.work.start(self._set_chain(job, each), "job")

        self.app.push_screen(OnSuccessDialog(able, Path.cwd()), on_result)

    async def _start(self, sandbox_id: str, command: str, folder: str) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            job = await session.jobs.start(sandbox_id, command, folder or None)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Job not started: {error}", "error")
            return
        self.services.notifier.notify(f"Job {job.key.job_id} started in {job.sandbox_name or sandbox_id}")
        session.job_watcher.want([sandbox_id])
        self.services.navigator.show_job(job)

    async def _kill(self, job: Job) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            outcome = await session.jobs.kill(job.key)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Job {job.key.job_id} not killed: {error}", "error")
            return
        texts = {"stopped": "killed", "over": "had already ended", "gone": "has no process"}
        self.services.notifier.notify(f"Job {job.key.job_id} {texts[outcome]}")

    async def _set_chain(self, job: Job, chain: Chain | None) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            await session.jobs.set_chain(job.key, chain)
        except OSError as error:
            self.services.notifier.notify(f"Not saved, so nothing will run after the job: {describe(error)}", "error")
            return
        session.job_watcher.want([job.key.sandbox_id])


def _names(jobs: Sequence[Job]) -> str:
    """Return the first names of the sandboxes of some jobs."""
    names = [clean(job.sandbox_name or job.key.sandbox_id) for job in jobs]
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _ended_text(job: Job) -> str:
    name = clean(job.sandbox_name or job.key.sandbox_id)
    how = {JobState.DONE: "succeeded", JobState.FAILED: f"failed with exit code {job.exit_code}"}
    text = f"Job {job.key.job_id} in {name} {how.get(job.state, f'lost: {job.note}')}"
    if job.started is not None and job.ended is not None:
        text += f" after {long_duration((job.ended - job.started).total_seconds())}"
    return text
