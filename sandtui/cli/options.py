"""Global options: accepted before and after a subcommand, never ignored silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandtui.cli.usage import UsageError
from sandtui.client.errors import ConfigurationError

if TYPE_CHECKING:
    from sandtui.config.contexts import Context
    from sandtui.config.settings import Settings

LOCAL, PROFILE, READ_ONLY, LOG = "--local", "--profile", "--read-only", "--log"
CONTEXT = "--context"
"""The same as ``--profile``: a profile is one kind of context."""

QUIET, COLOR, NO_COLOR = "--quiet", "--color", "--no-color"
AUTO, ALWAYS, NEVER = "auto", "always", "never"

PLATFORM = frozenset({LOCAL, PROFILE, READ_ONLY})
"""Options of commands that connect to a platform."""

EVERYWHERE = frozenset({LOG, QUIET, COLOR, NO_COLOR})
"""Options of every command."""

NOTHING: frozenset[str] = frozenset()

NO_PLATFORM = "it does not connect to a platform"


@dataclass(frozen=True, slots=True)
class Options:
    """The global options that were given; None means not given."""

    local: bool = False
    profile: str | None = None
    read_only: bool = False
    log: str | None = None
    quiet: bool = False
    color: str = AUTO

    @property
    def context_words(self) -> list[str]:
        """The words of a command line that choose the same context."""
        return [LOCAL] if self.local else [] if self.profile is None else [CONTEXT, self.profile]

    def context(self, settings: Settings | None = None) -> Context:
        """Return the context that they choose.

        Raises:
            UsageError: there is no such profile, or the settings are not valid.
        """
        from sandtui.config.contexts import LOCAL as HERE
        from sandtui.config.contexts import check_environment, choose
        from sandtui.config.paths import Paths
        from sandtui.config.settings import SettingsError, load_settings
        from sandtui.fleet.inventory.cost import use_rates

        if self.profile is not None and not self.profile.strip():
            raise UsageError(f"{PROFILE} needs a name")
        if self.local and self.profile is not None:
            raise UsageError(f"{LOCAL} and {PROFILE} cannot be combined")
        try:
            known = settings or load_settings(Paths.of_user().settings)
            use_rates(known.cost.rates)
            if not self.local:
                return choose(known, self.profile or "")
            check_environment(known)
        except (ConfigurationError, SettingsError) as error:
            raise UsageError(str(error)) from None
        return HERE
