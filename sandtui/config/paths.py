"""The paths of all files that sandtui stores, so that tests can move them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandtui.directories import make_private, user_directory
from sandtui.saving import replace_private


@dataclass(frozen=True, slots=True)
class Paths:
    """The user's directories: users edit files in ``config``, the program writes ``state``.

    ``reports`` is for what must survive when ``state`` is a temporary directory.
    """

    config: Path
    state: Path
    reports: Path | None = None

    def with_temporary_state(self, state: Path) -> Paths:
        """Return these paths with a temporary state directory; crash reports remain with the user."""
        return Paths(self.config, state, self.reports or self.state)

    @classmethod
    def of_user(cls) -> Paths:
        """Return the directories of the current user, following the conventions of the system.

        Raises:
            DirectoryError: there is no home directory.
        """
        return cls(user_directory("config"), user_directory("state"))

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.config / "config.toml"

    @property
    def presets(self) -> Path:
        """The directory of presets, one TOML file each."""
        return self.config / "presets"

    @property
    def draft(self) -> Path:
        """The draft of the create form, without secrets."""
        return self.state / "create-draft.json"

    @property
    def folded(self) -> Path:
        """The names of the folded sections of the create form."""
        return self.state / "create-folded"

    @property
    def fleet(self) -> Path:
        """The settings of the sandbox list: columns, sort order, views."""
        return self.state / "fleet.json"

    @property
    def view_states(self) -> Path:
        """The directory with the last view of each context."""
        return self.state / "views"

    @property
    def recordings(self) -> Path:
        """The directory of recordings, one asciicast file each."""
        return self.state / "recordings"

    @property
    def transfers(self) -> Path:
        """The database of transfers."""
        return self.state / "transfers.sqlite3"

    @property
    def spool(self) -> Path:
        """The directory for data in transit between two sandboxes; empty when nothing is being copied."""
        return self.state / "spool"

    @property
    def bookmarks(self) -> Path:
        """The bookmarks of the file browser."""
        return self.state / "bookmarks.json"

    @property
    def theme(self) -> Path:
        """The name of the last used theme."""
        return self.state / "theme"

    @property
    def plain_processes(self) -> Path:
        """Whether the local platform may use plain processes if nothing isolates sandboxes: yes or no."""
        return self.state / "plain-processes"

    @property
    def activity(self) -> Path:
        """The database of the activity log."""
        return self.state / "activity.sqlite3"

    @property
    def crashes(self) -> Path:
        """The directory of crash reports."""
        return (self.reports or self.state) / "crashes"

    @property
    def debug_log(self) -> Path:
        """The debug log, if it is enabled; rotated files are beside it."""
        return self.state / "debug.log"

    @property
    def jobs(self) -> Path:
        """The database of background jobs and the ends of their logs."""
        return self.state / "jobs.sqlite3"

    @property
    def journal(self) -> Path:
        """The database of launches."""
        return self.state / "journal.sqlite3"

    @property
    def deaths(self) -> Path:
        """The database of sandboxes that died."""
        return self.state / "deaths.sqlite3"

    @property
    def leases(self) -> Path:
        """The directory with a file for each lease, which its owner holds."""
        return self.state / "leases"

    @property
    def commands(self) -> Path:
        """The database of the command history."""
        return self.state / "commands.sqlite3"


def read_text(path: Path) -> str:
    """Return the text of a file; empty if it does not exist or cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; only the user can read it.

    Raises:
        OSError: it cannot be written; an existing file is unchanged.
    """
    make_private(path.parent)
    replace_private(path, text)
