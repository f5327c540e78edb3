"""The create form as it was left."""

from __future__ import annotations

from collections.abc import Mapping

from sandtui.config.drafts import read_draft, write_draft
from sandtui.config.paths import Paths
from sandtui.ui.services.work import Work


class Drafts:
    """Holds the draft of the create form, and writes it down."""

    def __init__(self, paths: Paths, work: Work) -> None:
        self._paths, self._work = paths, work
        self.values: Mapping[str, str] = read_draft(paths)

    def keep(self, values: Mapping[str, str]) -> None:
        """Keep what was typed; the caller leaves secrets out."""
        if values != self.values:
            self.values = values
            self._work.start(write_draft(self._paths, values), "keep draft", exclusive=True)
