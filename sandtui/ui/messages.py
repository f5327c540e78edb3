"""Messages to screens, named in the past tense."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from sandtui.client import Sandbox, SandboxClientError
from sandtui.fleet.activity.trace import current_trace
from sandtui.fleet.inventory.refresh import Freshness
from sandtui.fleet.inventory.usage import Sample


class TracedMessage(Message, bubble=False):
    """The result of a request; ``trace`` is the trace of the requests made for it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trace = current_trace()


@dataclass
class ConnectionChanged(Message, bubble=False):
    """A connection was made, or failed."""


@dataclass
class SandboxesChanged(Message, bubble=False):
    """Rows of the store were added, changed or removed."""


@dataclass
class FreshnessChanged(Message, bubble=False):
    """The freshness of the data has changed."""

    freshness: Freshness


@dataclass
class CreateFinished(TracedMessage, bubble=False):
    """A sandbox was created, or creating it failed."""

    sandbox: Sandbox | None
    error: Exception | None = None
    unsure: bool = False
    """Whether the platform may have created it although the request failed."""


@dataclass
class ImageChecked(Message, bubble=False):
    """The platform has checked whether an image is available; None if it could not."""

    image: str
    accessible: bool | None
    details: str


@dataclass
class ImagesKnown(Message, bubble=False):
    """The images used before, latest first."""

    images: list[str]


@dataclass
class ChoicesKnown(Message, bubble=False):
    """What the platform offers for a field of the create form."""

    field: str
    values: list[str]


@dataclass
class LaunchChanged(Message, bubble=False):
    """A launch has ended."""


@dataclass
class TransfersChanged(Message, bubble=False):
    """Transfers were added, changed or removed."""


@dataclass
class ExposuresArrived(Message, bubble=False):
    """The exposed ports were fetched."""


@dataclass
class NetworksArrived(Message, bubble=False):
    """The LAN networks were fetched."""


@dataclass
class UsageArrived(TracedMessage, bubble=False):
    """The usage of a sandbox was measured, or measuring failed."""

    sample: Sample | None
    error: SandboxClientError | None = None


@dataclass
class JobsChanged(Message, bubble=False):
    """Background jobs were added, changed or removed."""


@dataclass
class LogArrived(TracedMessage, bubble=False):
    """A log was fetched, as lines that are safe to draw, or fetching it failed."""

    sandbox_id: str
    lines: list[str]
    error: SandboxClientError | None = None


@dataclass
class LogEndArrived(Message, bubble=False):
    """The last lines of a log were read, or could not be."""

    sandbox_id: str
