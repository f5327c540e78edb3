"""Leases: every sandbox that is created under one names the process that it is for."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sandtui.client.errors import InvalidRequestError
from sandtui.client.forking import renew_in_child
from sandtui.leases import GRACE_SECONDS, VARIABLE, LeaseFiles, LeaseMark, give_signs, new_mark, without_lease

if TYPE_CHECKING:
    from sandtui.client.session import Session

LOG = logging.getLogger("sandtui.client")


class Lease:
    """A lease, for ``with`` or ``async with``; the sandboxes that are created in the block carry it.

    It belongs to the process that entered the block. A process that is forked from it takes a lease of its own with its
    first sandbox. When the block is left, what it created goes on, and is shown as orphaned.
    """

    def __init__(self, session: Session, label: str, grace: float = GRACE_SECONDS, folder: Path | None = None) -> None:
        if not label.strip() or label != label.strip():
            raise InvalidRequestError(f"the label of a lease is a text such as run=42, not {label!r}")
        if not 1 <= grace < 1e7:
            raise InvalidRequestError(f"the grace of a lease is at least 1 second, not {grace!r}")
        self.label = label
        self.grace = int(grace)
        self._session = session
        self._files = LeaseFiles(folder)
        self._lock = threading.Lock()
        self._taken: tuple[LeaseMark, int | None, threading.Event] | None = None
        self._is_open = False

    @property
    def labels(self) -> list[str]:
        """The labels of what is created under it."""
        return [self.label, self._take().label]

    def __enter__(self) -> Self:
        if self._is_open:
            raise InvalidRequestError("a lease can't be entered twice: take another one")
        self._take()
        self._is_open = True
        self._session.leases.append(self)
        renew_in_child(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._session.leases.remove(self)
        with self._lock:
            taken, self._taken = self._taken, None
        if taken is not None:
            mark, descriptor, ended = taken
            ended.set()
            self._files.end(mark)
            if descriptor is not None:
                os.close(descriptor)

    async def __aenter__(self) -> Self:
        await self._session.port.work(self._take)
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def renew(self) -> None:
        """Leave the lease to the parent. Its file stays open: what was created before the fork may be in use here."""
        self._lock = threading.Lock()
        self._taken = None

    def _take(self) -> LeaseMark:
        with self._lock:
            if self._taken is None:
                mark, ended = new_mark(self.grace), threading.Event()
                descriptor = None
                try:
                    descriptor = self._files.take(mark, self.label)
                except OSError as error:
                    LOG.warning(
                        "the lease %s has no file, so that only %s can watch it: %s", self.label, mark.host, error
                    )
                else:
                    thread = threading.Thread(
                        target=give_signs, args=(mark, descriptor, ended), name="sandtui-lease", daemon=True
                    )
                    thread.start()
                self._taken = mark, descriptor, ended
            return self._taken[0]


def with_lease(session: Session, labels: list[str]) -> list[str]:
    """Return the labels of a sandbox that is about to be created."""
    own = session.leases[-1].labels if session.leases else inherited()
    plain = without_lease(labels)
    return [*plain, *(label for label in own if label not in plain)]


def inherited() -> list[str]:
    """Return the labels that ``sandtui lease`` gave this program."""
    try:
        found = json.loads(os.environ.get(VARIABLE) or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(label, str) and label for label in found):
        raise InvalidRequestError(f"{VARIABLE} is not a list of labels: unset it, or start with `sandtui lease`")
    return found
