"""The base of all groups of flows."""

from __future__ import annotations

from sandtui.client.observer import Observer
from sandtui.client.session import Session


class Flows:
    """A group of operations over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def observe(self, observer: Observer | None) -> None:
        """Set the observer of requests; None removes it.

        It is called after each request, in the caller's context, with a
        :class:`~sandtui.client.observer.RequestReport`, and must be quick. For a command over SSH, only the requests
        that set up the connection are reported.
        """
        self._session.observer = observer
