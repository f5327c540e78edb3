"""Every place where sandtui keeps something, so that tests can move them all at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandtui.directories import make_private, user_directory
from sandtui.saving import replace_private


@dataclass(frozen=True, slots=True)
class Paths:
    """The user's folders: ``config`` is edited by people, ``state`` is written by the program.

    ``reports`` holds what must outlive ``state`` when that is a temporary directory.
    """

    config: Path
    state: Path
    reports: Path | None = None

    def with_temporary_state(self, state: Path) -> Paths:
        """Return these paths with a state that is thrown away; crash reports stay with the user."""
        return Paths(self.config, state, self.reports or self.state)

    @classmethod
    def of_user(cls) -> Paths:
        """Return the folders of this user, by the habits of the system.

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
        """The folder of presets, one TOML file each."""
        return self.config / "presets"

    @property
    def draft(self) -> Path:
        """The create form as it was left, without its secrets."""
        return self.state / "create-draft.json"

    @property
    def fleet(self) -> Path:
        """What the fleet screen remembers: columns, order, views."""
        return self.state / "fleet.json"

    @property
    def recordings(self) -> Path:
        """The folder of recordings, one asciicast file each."""
        return self.state / "recordings"

    @property
    def transfers(self) -> Path:
        """The database of transfers."""
        return self.state / "transfers.sqlite3"

    @property
    def spool(self) -> Path:
        """What is on its way between two places; empty when nothing is copied."""
        return self.state / "spool"

    @property
    def bookmarks(self) -> Path:
        """The bookmarks of the file browser."""
        return self.state / "bookmarks.json"

    @property
    def theme(self) -> Path:
        """The name of the theme that was chosen last."""
        return self.state / "theme"

    @property
    def plain_processes(self) -> Path:
        """Whether the local platform may run plain processes where nothing isolates sandboxes: yes or no."""
        return self.state / "plain-processes"

    @property
    def activity(self) -> Path:
        """The database of what was done and what went wrong."""
        return self.state / "activity.sqlite3"

    @property
    def crashes(self) -> Path:
        """The folder of crash reports."""
        return (self.reports or self.state) / "crashes"

    @property
    def debug_log(self) -> Path:
        """The debug log, when it is asked for; its older parts stand beside it."""
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
    def commands(self) -> Path:
        """The database of commands that were run."""
        return self.state / "commands.sqlite3"


def read_text(path: Path) -> str:
    """Return the text of a file; an empty one when it is not there or can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; only this user can read it.

    Raises:
        OSError: it can't be written; what stood there is untouched.
    """
    make_private(path.parent)
    replace_private(path, text)
