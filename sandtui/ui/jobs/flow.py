"""Between the jobs and the user: news, what is said at an end, and the questions before something is done."""

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
from sandtui.fleet.jobs.command_text import is_whole
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
TELL_SECONDS = 1.0
"""Ends of jobs within so long are told in one sentence: twenty of one fleet end at about the same time."""


class JobFlow:
    """Starts, stops and follows jobs for the screens."""

    def __init__(self, app: App[Any], services: Services) -> None:
        self.app, self.services = app, services
        self._painting: Timer | None = None
        self._untold: list[Ended] = []
        services.platform.connected.subscribe(self._attach)

    @property
    def all_told(self) -> bool:
        """Whether no end of a job waits to be told."""
        return not self._untold

    def _attach(self, session: FleetSession) -> None:
        session.jobs.on_change.subscribe(self._changed)
        session.job_watcher.on_end.subscribe(self._ended)
        session.job_watcher.on_chain.subscribe(self._chain_ended)

    # News

    def _changed(self) -> None:
        if self._painting is None:
            self._painting = self.app.set_timer(PAINT_SECONDS, self._tell)

    def _tell(self) -> None:
        self._painting = None
        self.services.platform.broadcast(JobsChanged())

    def _ended(self, ended: Sequence[Ended]) -> None:
        self._changed()
        if not self._untold:
            self.app.set_timer(TELL_SECONDS, self._tell_ended)
        self._untold += ended

    def _tell_ended(self) -> None:
        ended, self._untold = self._untold, []
        if self.services.preferences.notify == "off" or not ended:
            return
        bad = [each.job for each in ended if each.job.state is not JobState.DONE]
        severity: Severity = "warning" if bad else "information"
        if len(ended) == 1:
            words = f"{_ended_words(ended[0].job)}{' while you were away' if ended[0].away else ''}."
        else:
            words = f"{len(ended)} jobs ended"
            words += f", {len(bad)} of them failed or were lost." if bad else ", all with exit code 0."
        self._notify(words, severity)

    def _chain_ended(self, job: Job) -> None:
        chain = job.chain
        if chain is not None:
            failed = chain.step is ChainStep.FAILED
            self._notify(f"After job {job.key.job_id}: {chain.words}.", "error" if failed else "information")

    def _notify(self, words: str, severity: Severity) -> None:
        self.services.notifier.notify(words, severity)
        way = self.services.preferences.notify
        if way == "bell":
            self.services.notifier.bell()
        elif way == "osc9":
            self.services.notifier.notify_desktop(words)

    def choose_notify(self) -> None:
        """Ask how the end of a job is to be told."""
        now = self.services.preferences.notify
        choices = [Choice(way, way[0], way, words + (" · now" if way == now else "")) for way, words in NOTIFY.items()]

        def chosen(way: str | None) -> None:
            if way:
                self.services.preferences.notify = way
                self.services.save_preferences()

        self.app.push_screen(ChooseDialog("When a job ends, tell it", choices), chosen)

    # Doing

    def new(self, targets: Sequence[str]) -> None:
        """Ask for a command, and start it as a job in some sandboxes."""
        from sandtui.ui.jobs.dialogs import NewJobDialog

        session = self.services.platform.session
        rows = [row for each in targets if session is not None and (row := session.store.get(each)) is not None]
        plan = make_plan(plans.JOB, rows)
        if not plan.rows:
            fleet, jobs, new = map(self.services.key_of, ("app.fleet", "fleet.jobs", "jobs.new"))
            why = self.services.bulk.why_none(plans.JOB, rows) if rows else "A job needs a sandbox that runs."
            self.services.notifier.refuse(
                f"{why} {fleet} goes to the fleet: choose one there, then {jobs} and {new}.", "new job"
            )
            return
        where = plan.rows[0].sandbox.name if len(plan.rows) == 1 else f"{len(plan.rows):,} sandboxes"

        def answered(answer: tuple[str, str] | None) -> None:
            if not answer:
                return
            command, folder = answer
            if len(plan.rows) == 1:
                self.services.work.start(self._start(plan.rows[0].id, command, folder), "job")
            else:
                self.services.bulk.confirm(make_plan(plans.JOB, rows, value=command, folder=folder))

        self.app.push_screen(NewJobDialog(where), answered)

    def again(self, job: Job) -> None:
        """Start the command of a job again, in its sandbox."""
        if not is_whole(job.command):
            self.services.notifier.refuse(
                "Its command is not known as a whole, or a secret of it was left out.", "run again"
            )
            return
        self.services.work.start(self._start(job.key.sandbox_id, job.command, job.working_dir), "job")

    def stop(self, job: Job) -> None:
        """Ask, and stop a job."""
        question = f"{command_text(job)} — TERM to all that it started, KILL after five seconds."

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.services.work.start(self._stop(job), "job")

        name = job.sandbox_name or job.key.sandbox_id
        self.app.push_screen(AskDialog(f"Stop job {job.key.job_id} in {name}", question, "Stop"), answered)

    def then(self, job: Job) -> None:
        """Ask what is to happen when a job is done."""
        from sandtui.ui.jobs.dialogs import ThenDialog

        if job.state in {JobState.FAILED, JobState.LOST}:
            self.services.notifier.refuse("That job is over and was not successful: nothing follows it.", "then")
            return

        def answered(chain: Chain | None) -> None:
            if chain is not None:
                wanted = chain if chain.download or chain.delete else None
                self.services.work.start(self._set_chain(job, wanted), "job")

        self.app.push_screen(ThenDialog(job, Path.cwd()), answered)

    async def _start(self, sandbox_id: str, command: str, folder: str) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            job = await session.jobs.start(sandbox_id, command, folder or None)
        except SandboxClientError as error:
            self.services.notifier.notify(f"The job was not started: {error}", "error")
            return
        self.services.notifier.notify(f"Started job {job.key.job_id} in {job.sandbox_name or sandbox_id}.")
        session.job_watcher.want([sandbox_id])
        self.services.navigator.show_job(job)

    async def _stop(self, job: Job) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            word = await session.jobs.stop(job.key)
        except SandboxClientError as error:
            self.services.notifier.notify(f"Job {job.key.job_id} was not stopped: {error}", "error")
            return
        told = {"stopped": "is stopped", "over": "had ended already", "gone": "has no process any more"}
        self.services.notifier.notify(f"Job {job.key.job_id} {told[word]}.")

    async def _set_chain(self, job: Job, chain: Chain | None) -> None:
        session = self.services.platform.session
        if session is None:
            return
        try:
            await session.jobs.set_chain(job.key, chain)
        except OSError as error:
            self.services.notifier.notify(
                f"That can't be written down, so it will not happen: {describe(error)}", "error"
            )
            return
        session.job_watcher.want([job.key.sandbox_id])


def _ended_words(job: Job) -> str:
    name = clean(job.sandbox_name or job.key.sandbox_id)
    how = {JobState.DONE: "is done", JobState.FAILED: f"failed with exit code {job.exit_code}"}
    words = f"Job {job.key.job_id} in {name} {how.get(job.state, f'is lost: {job.words}')}"
    if job.started is not None and job.ended is not None:
        words += f" after {long_duration((job.ended - job.started).total_seconds())}"
    return words
