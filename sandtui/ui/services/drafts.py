"""The draft of the create form, and which of its sections are folded."""

from __future__ import annotations

from collections.abc import Mapping

from sandtui.config.drafts import read_draft, read_folded, write_draft, write_folded
from sandtui.config.paths import Paths
from sandtui.ui.services.work import Work


class Drafts:
    """Holds and saves the draft of the create form."""

    def __init__(self, paths: Paths, work: Work) -> None:
        self._paths, self._work = paths, work
        self.values: Mapping[str, str] = read_draft(paths)
        self.folded: frozenset[str] = read_folded(paths)
        """The sections of the form that are folded."""

    def keep(self, values: Mapping[str, str]) -> None:
        """Save the values; the caller leaves secrets out."""
        if values != self.values:
            self.values = values
            self._work.start(write_draft(self._paths, values), "save draft", exclusive=True)

    def keep_folded(self, folded: frozenset[str]) -> None:
        """Save which sections are folded."""
        self.folded = folded
        self._work.start(write_folded(self._paths, folded), "save folded", exclusive=True)
