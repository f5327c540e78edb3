"""What the bridge tells the screens. Names are in the past tense."""

from __future__ import annotations

from dataclasses import dataclass, field

from textual.message import Message

from sandtui.client import Sandbox, SandboxClientError
from sandtui.fleet.activity.trace import current_trace
from sandtui.fleet.inventory.bulk import BulkRun
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.refresh import Freshness
from sandtui.fleet.inventory.session import DeleteOutcome
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

    change: ChangeSet


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
class DeleteFinished(Outcome, bubble=False):
    """A deletion came to its end."""

    outcome: DeleteOutcome
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class LaunchChanged(Message, bubble=False):
    """A launch came to its end."""


@dataclass
class BulkFinished(Outcome, bubble=False):
    """Work on many sandboxes came to its end."""

    run: BulkRun


@dataclass
class LabelsCounted(Outcome, bubble=False):
    """The platform told how many sandboxes carry some labels, or refused."""

    labels: tuple[str, ...]
    total: int
    error: SandboxClientError | None = None


@dataclass
class FileWritten(Message, bubble=False):
    """A file was written here, or could not be."""

    path: str
    what: str
    problem: str = ""


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
