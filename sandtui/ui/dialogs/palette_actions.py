"""The entries of the command palette: every action of the screen that it was opened on, with its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider

from sandtui.fleet.actions import GLOBAL, Action, in_scope
from sandtui.fleet.keymap import key_label
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.screen import AppScreen
from sandtui.ui.key_bindings import PALETTE
from sandtui.ui.rendering.text import sentence_case
from sandtui.ui.services.bundle import Services

if TYPE_CHECKING:
    from textual.screen import Screen


OURS_INSTEAD = frozenset({"Keys", "Quit"})
"""Commands of Textual's palette that duplicate our own actions."""

TITLE, NAME, HELP = 1.0, 0.8, 0.5
"""What a match in the title, the name or the help text of an action adds to the score."""

LAST = 1000.0
"""Subtracted from the score of actions that are not possible now."""


@dataclass(frozen=True, slots=True)
class PaletteEntry:
    """A line of the palette. ``reason`` tells why the action is not possible now."""

    title: str
    help: str
    run: Callable[[], object]
    name: str = ""
    key: str = ""
    reason: str = ""

    @property
    def line(self) -> Text:
        """The entry as drawn: title and key, and below them the reason."""
        text = Text(self.title, style="dim" if self.reason else "")
        text.append(f"   {self.key}" if self.key else "", "dim")
        text.append(f"\n{clean(self.reason)}" if self.reason else "", "dim italic")
        return text


def entries(app: App[Any], services: Services, screen: Screen[Any]) -> list[PaletteEntry]:
    """Return the actions of a screen, then the global ones, then those that are not possible now."""
    found = [*_of_screen(app, services, screen), *_of_program(app, services, screen)]
    textuals = [
        PaletteEntry(command.title, command.help, command.callback)
        for command in App.get_system_commands(app, screen)
        if command.title not in OURS_INSTEAD
    ]
    possible = [entry for entry in found if not entry.reason]
    return [*possible, *textuals, *(entry for entry in found if entry.reason)]


def scopes_of(screen: Screen[Any]) -> list[str]:
    """Return the scopes of a screen and its panes, those of the focused pane first."""
    if isinstance(screen, AppScreen):
        return list(dict.fromkeys([*screen.hint_scopes(), *screen.scopes]))
    ids = [getattr(binding, "id", None) or "" for binding in type(screen).BINDINGS]
    return list(dict.fromkeys(each.partition(".")[0] for each in ids if "." in each))


def _of_screen(app: App[Any], services: Services, screen: Screen[Any]) -> Iterator[PaletteEntry]:
    for scope in scopes_of(screen):
        owner = screen.owner_of(scope) if isinstance(screen, AppScreen) else screen
        for action in in_scope(scope):
            yield _entry(services, action, services.keymap.of(action), _why_not(services, action, owner))


def _of_program(app: App[Any], services: Services, screen: Screen[Any]) -> Iterator[PaletteEntry]:
    taken = {key for scope in scopes_of(screen)[:1] for action in in_scope(scope) for key in services.keymap.of(action)}
    for action in in_scope(GLOBAL):
        if action.id == PALETTE:
            continue
        reason = _why_not(services, action, app)
        if not reason and not isinstance(screen, AppScreen) and action.name != "quit":
            reason = "Close the dialog first"
        yield _entry(services, action, [key for key in services.keymap.of(action) if key not in taken], reason)


def _entry(services: Services, action: Action, keys: tuple[str, ...] | list[str], reason: str) -> PaletteEntry:
    title = sentence_case(action.title)
    run = partial(services.notifier.refuse, reason, action.title) if reason else partial(services.run_action, action.id)
    key = " ".join(map(key_label, keys)) or (f":{action.command}" if action.command else "")
    return PaletteEntry(title, action.help, run, f"{action.name} {action.command}".replace("_", " "), key, reason)


def _why_not(services: Services, action: Action, owner: object) -> str:
    if not services.contexts.may(action):
        return f"Read-only context: press {services.key_of('app.context')} to switch"
    explain: Callable[[str], str] | None = getattr(owner, "why_not", None)
    if explain is not None and (reason := explain(action.name)):
        return reason
    check = cast("App[None]", owner).check_action
    return "" if check(action.name, ()) is not False else "Not possible now"


def action_provider(services: Services) -> type[Provider]:
    """Return the class that gives the palette its entries."""

    class ActionProvider(Provider):
        """Offers the entries as they were when the palette was opened."""

        async def startup(self) -> None:
            self._entries = entries(self.app, services, self.screen)

        async def discover(self) -> Hits:
            for entry in self._entries:
                yield DiscoveryHit(entry.line, entry.run, entry.title, None if entry.reason else entry.help)

        async def search(self, query: str) -> Hits:
            """Yield the matches; actions that are not possible now come last."""
            matcher = self.matcher(query)
            words = query.lower().split()
            for entry in self._entries:
                score = matcher.match(entry.title)
                if all(word in entry.title.lower() for word in words):
                    score += TITLE
                elif all(word in entry.name for word in words):
                    score += NAME
                elif all(word in f"{entry.title} {entry.help}".lower() for word in words):
                    score += HELP
                if score > 0:
                    help_ = None if entry.reason else entry.help
                    yield Hit(score - (LAST if entry.reason else 0), entry.line, entry.run, entry.title, help_)

    return ActionProvider
