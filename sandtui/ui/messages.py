"""News for screens. Names are in the past tense."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from sandtui.client import Sandbox, SandboxClientError
from sandtui.fleet.activity.trace import current_trace
from sandtui.fleet.inventory.refresh import Freshness
from sandtui.fleet.inventory.usage import Sample


class Outcome(Message, bubble=False):
    """What came of something that was asked for; ``trace`` are the requests that were made for it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trace = current_trace()


@dataclass
class ConnectionChanged(Message, bubble=False):
    """A platform was connected to, or could not be."""


@dataclass
class SandboxesChanged(Message, bubble=False):
    """Rows of the store came, changed or went."""


@dataclass
class FreshnessChanged(Message, bubble=False):
    """The data became better or worse."""

    freshness: Freshness


@dataclass
class CreateFinished(Outcome, bubble=False):
    """A sandbox was made, or refused."""

    sandbox: Sandbox | None
    error: Exception | None = None
    unsure: bool = False
    """Whether the platform may have made it without saying so."""


@dataclass
class ImageChecked(Message, bubble=False):
    """The platform said whether an image can be used; None when it could not say."""

    image: str
    accessible: bool | None
    details: str


@dataclass
class ImagesKnown(Message, bubble=False):
    """The images that were used before, the latest first."""

    images: list[str]


@dataclass
class LaunchChanged(Message, bubble=False):
    """A launch came to its end."""


@dataclass
class TransfersChanged(Message, bubble=False):
    """Transfers came, changed or went."""


@dataclass
class ExposuresArrived(Message, bubble=False):
    """It is known which sandboxes serve a port."""


@dataclass
class UsageArrived(Outcome, bubble=False):
    """A sandbox told what it uses, or could not."""

    sample: Sample | None
    error: SandboxClientError | None = None


@dataclass
class JobsChanged(Message, bubble=False):
    """Background jobs came, changed or went."""


@dataclass
class LogArrived(Outcome, bubble=False):
    """A log was fetched, as lines that are safe to draw, or could not be."""

    sandbox_id: str
    lines: list[str]
    error: SandboxClientError | None = None
