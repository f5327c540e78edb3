"""Copying across, and the keys of the queue."""

from __future__ import annotations

import secrets
from dataclasses import replace

from sandtui.fleet.files.entry import Entry
from sandtui.fleet.files.names import as_name, join
from sandtui.fleet.transfers.model import Existing, Place, Spec, State, Transfer
from sandtui.fleet.transfers.queue import TransferQueue
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.files.screen_keys import FileKeys
from sandtui.ui.widgets.output_view import OutputView

WAYS: dict[str, tuple[str, dict[str, object]]] = {
    "k": ("Keep times and permissions", {"keep": True}),
    "d": ("Only what is different, keeping times", {"keep": True, "existing": Existing.DIFFERENT}),
    "n": ("Only what is newer, keeping times", {"keep": True, "existing": Existing.NEWER}),
    "o": ("Overwrite what is there", {"existing": Existing.OVERWRITE}),
    "g": ("With .git directories, whose files git runs", {"allow_git": True}),
    "q": ("Without comparing sha256, sizes only", {"checksum": False}),
}


class Copying(FileKeys):
    """Queues copies and steers the queue."""

    @property
    def queue(self) -> TransferQueue | None:
        """The queue of this connection."""
        return self.services.transfers.queue

    @property
    def transfer(self) -> Transfer | None:
        """The transfer under the cursor of the queue."""
        queue = self.queue
        place = self.query_one("#queue", OutputView).cursor
        return queue.transfers[place] if queue is not None and place < len(queue.transfers) else None

    def action_copy(self) -> None:
        """Copy the chosen entries across."""
        self._copy({})

    def action_copy_as(self) -> None:
        """Choose how to copy, then copy."""
        choices = [Choice(key, key, title) for key, (title, _) in WAYS.items()]

        def answered(key: str | None) -> None:
            if key:
                self._copy(WAYS[key][1])

        self.app.push_screen(ChooseDialog("Copy", choices), answered)

    def _copy(self, options: dict[str, object]) -> None:
        specs = [replace(spec, **options) for spec in self._specs(self.chosen)]  # type: ignore[arg-type]
        if not specs:
            return
        boxes = len(self.sandbox_ids)

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self._begin(specs)

        if boxes > 1:
            kind = "Upload to" if self.pane.side.sandbox_id is None else "Collect from"
            question = f"{len(specs):,} transfers; each sandbox has its own result in the queue."
            self.app.push_screen(AskDialog(f"{kind} {boxes} sandboxes", question, "Copy", danger=False), answered)
        else:
            self._begin(specs)

    def _begin(self, specs: list[Spec]) -> None:
        self.services.transfers.add(specs)
        self.pane.marks.clear()
        self.draw_pane(self.active)

    def _specs(self, entries: list[Entry]) -> list[Spec]:
        """Return one spec for all entries and, with several sandboxes marked, for each of them."""
        here, there, batch = self.pane, self.other, secrets.token_hex(4)
        if here.side.sandbox_id is None and there.side.sandbox_id is None:
            side = self.services.key_of("files.side")
            self.services.notifier.refuse(
                f"Both panes show this machine: {side} brings a sandbox into one of them.", "copy"
            )
            return []
        if here.side.sandbox_id is not None and there.side.sandbox_id is not None:
            source, target = Place("", here.side.sandbox_id, here.title), Place("", there.side.sandbox_id, there.title)
            return [_spec(source, here.path, target, there.path, entries, batch)] if entries else []
        if not entries:
            return []
        shown = here.side.sandbox_id or there.side.sandbox_id
        boxes = self.sandbox_ids if len(self.sandbox_ids) > 1 and shown in self.sandbox_ids else [shown or ""]
        names = [as_name(self.name_of(box), box) for box in boxes]
        specs = []
        for box, name in zip(boxes, names, strict=True):
            sandbox, local = Place("", box, self.name_of(box)), Place("")
            if here.side.sandbox_id is None:
                specs.append(_spec(local, here.path, sandbox, there.path, entries, batch))
                continue
            folder = there.path
            if len(boxes) > 1:
                folder = join(folder, name if names.count(name) == 1 else f"{name}-{box}")
            specs.append(_spec(sandbox, here.path, local, folder, entries, batch))
        return specs

    # The queue

    def action_queue(self) -> None:
        """Go to the transfers, and back."""
        queue = self.query_one("#queue", OutputView)
        if queue.has_focus:
            self.remove_class("-queue")
            self.table(self.active).focus()
        else:
            self.add_class("-queue")
            queue.focus()

    def action_cancel(self) -> None:
        """End the transfer."""
        if self.queue is not None and (transfer := self.transfer) is not None:
            self.queue.cancel(transfer.id)

    def action_pause(self) -> None:
        """Pause the transfer, or go on."""
        if self.queue is None or (transfer := self.transfer) is None:
            return
        if transfer.state is State.PAUSED:
            self.queue.resume(transfer.id)
        else:
            self.queue.pause(transfer.id)

    def action_again(self) -> None:
        """Try it again."""
        if self.queue is not None and (transfer := self.transfer) is not None:
            self.queue.retry(transfer.id)

    def action_clear(self) -> None:
        """Take what is over off the list."""
        if self.queue is not None:
            self.queue.clear_done()

    def action_sooner(self) -> None:
        """Put it earlier."""
        self._move(-1)

    def action_later(self) -> None:
        """Put it later."""
        self._move(1)

    def _move(self, step: int) -> None:
        if self.queue is not None and (transfer := self.transfer) is not None:
            self.queue.move(transfer.id, step)
            self.query_one("#queue", OutputView).action_move(step)


def _spec(source: Place, folder: str, target: Place, goal: str, entries: list[Entry], batch: str) -> Spec:
    if len(entries) == 1:
        folder, goal = join(folder, entries[0].name), join(goal, entries[0].name)
    names = tuple(entry.name for entry in entries) if len(entries) > 1 else ()
    return Spec(replace(source, path=folder), replace(target, path=goal), batch, names=names)
