"""What every group of flows starts from."""

from sandtui.client.session import Session


class Flows:
    """A group of operations over one session."""

    _session: Session
