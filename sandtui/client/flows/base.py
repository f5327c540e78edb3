"""What every group of flows starts from."""

from __future__ import annotations

from sandtui.client.observe import Observer
from sandtui.client.session import Session


class Flows:
    """A group of operations over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def observe(self, observer: Observer | None) -> None:
        """Have ``observer`` told of each request when it is over, from now on; None ends that.

        It is called in the context of whoever asked, gets a :class:`~sandtui.client.observe.RequestReport`, and must
        be quick. A command over SSH is told by the requests that open the way.
        """
        self._session.observer = observer
