"""The base of all full screens: a header, a body, a status line and key hints."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from textual.widgets import Input, TextArea

from sandtui.fleet.actions import PANES
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.chrome.freshness import freshness_pieces, problem_pieces
from sandtui.ui.chrome.gate import ScreenGate, Tick
from sandtui.ui.chrome.key_hints import Hint, KeyHints
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.chrome.work import ended_pieces, summary_pieces, work_pieces
from sandtui.ui.key_bindings import help_hint, hints
from sandtui.ui.rendering.status import count_pieces
from sandtui.ui.rendering.text import Piece, Role
from sandtui.ui.widgets.row_actions import RowActions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.dom import DOMNode
    from textual.widget import Widget

    from sandtui.fleet.actions import Action
    from sandtui.ui.messages import ConnectionChanged, FreshnessChanged, SandboxesChanged, TransfersChanged
    from sandtui.ui.services.bundle import Services

MIN_WIDTH, MIN_HEIGHT = 80, 24


class AppScreen(ScreenGate[None]):
    """A full screen. ``SCOPE`` is the scope of its actions in the registry."""

    SCOPE: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - Textual's own shape

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services

    def __new__(cls, *arguments: object, **named: object) -> Self:
        """Remember the arguments, to be able to open the screen again."""
        screen = super().__new__(cls)
        # Only the subclass knows its arguments.
        screen._opened = partial(cast("Callable[..., Self]", cls), *arguments, **named)
        return screen

    _opened: Callable[[], Self]

    def again(self) -> Self:
        """Return a new screen with the same arguments, to show after this one was closed."""
        return self._opened()

    @property
    def can_reopen(self) -> bool:
        """Whether the object that it shows still exists."""
        return True

    @property
    def is_of_fleet(self) -> bool:
        """Whether it shows the whole fleet, not one sandbox, so that a number key goes to it."""
        return True

    @property
    def sandboxes(self) -> Sequence[str]:
        """The sandboxes that it is about, or on which its cursor is."""
        return ()

    def compose(self) -> ComposeResult:
        """Compose the frame around the body."""
        # Textual sets the class later, which would style each widget a second time.
        width = self.app.size.width
        _, fitting = max(each for each in self.HORIZONTAL_BREAKPOINTS if each[0] <= width)
        self.add_class(fitting, update=False)
        yield ChromeLine(id="header")
        yield from self.compose_body()
        yield ChromeLine(id="activity")
        yield KeyHints(id="hints")

    def compose_body(self) -> Iterable[Widget]:
        """Return the widgets between header and status line."""
        raise NotImplementedError

    @property
    def takes_all_keys(self) -> bool:
        """Whether a shell gets all keys, so that global keys do not work."""
        return False

    def crumbs(self) -> list[str]:
        """Return the path to this screen, such as fleet and sandbox. Text from outside must be made safe here."""
        return []

    def activity(self) -> tuple[list[Piece], list[Piece]]:
        """Return the left and right parts of the status line while there is no problem."""
        return [], []

    @property
    def is_covered(self) -> bool:
        """Whether another full screen is in front. Then nothing is drawn, because Textual would paint both."""
        stack = self.app.screen_stack
        above = stack[stack.index(self) + 1 :] if self in stack else []
        return any(isinstance(screen, AppScreen) for screen in above)

    def hint_scopes(self) -> tuple[str, ...]:
        """Return the scopes whose actions are available now."""
        return (self.SCOPE,)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the screen and all its panes, focused or not."""
        return (self.SCOPE, *PANES.get(self.SCOPE, ()))

    def subject(self) -> str:
        """Return the object of an action for the activity log, if the crumbs do not name it."""
        return ""

    def why_not(self, action: str) -> str:
        """Return why an action is not possible now and what to do instead, or an empty text if it is possible.

        The text is shown when the key of the action is pressed.
        """
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self.is_mounted and self.why_not(action))

    @property
    def has_selection(self) -> bool:
        """Whether text is selected, on the screen or in the focused field: then ctrl+c copies."""
        field = self.focused
        return bool(self.get_selected_text() or (isinstance(field, Input | TextArea) and field.selected_text))

    def offered_hints(self) -> list[Hint]:
        """Return the hints of the actions that are possible now."""
        return hints(*self.hint_scopes(), keymap=self.services.keymap, allowed=self._is_possible)

    def _is_possible(self, action: Action) -> bool:
        if not self.services.contexts.may(action):
            return False
        owner = self.owner_of(action.scope)
        explain: Callable[[str], str] | None = getattr(owner, "why_not", None)
        if explain is not None and explain(action.name):
            return False
        return owner is not self or not self.refuses(action.name)

    def refuses(self, action: str) -> bool:
        """Return whether an action would only say that none of the sandboxes is running: its hint is left out."""
        actions: RowActions | None = getattr(self, "row_actions", None)
        return actions is not None and actions.refuses(action)

    def owner_of(self, scope: str) -> DOMNode:
        """Return the screen, or the pane that runs the actions of a scope."""
        return self

    def run_flow(self, flow: Coroutine[Any, Any, None], group: str, *, exclusive: bool = False) -> None:
        """Start a coroutine of this screen. It continues when the screen closes, but draws nothing then."""
        self.services.work.start(self.of_screen(flow), group, exclusive=exclusive)

    def on_tick(self, _: Tick) -> None:
        self.tick()

    def tick(self) -> None:
        """Redraw what depends on the time; called once a second."""
        self.update_news()

    def update_news(self) -> None:
        """Redraw header and status line, and the hints: what is possible may have changed."""
        if self.is_open and not self.is_covered:
            self._update_header()
            self._update_activity()
            self.update_hints()

    def update_chrome(self) -> None:
        """Redraw header, status line and hints."""
        self.update_news()

    def update_hints(self) -> None:
        """Redraw the hints."""
        typing = isinstance(self.focused, (Input, TextArea))
        help_ = None if self.takes_all_keys else help_hint(typing, self.services.keymap)
        self.query_one("#hints", KeyHints).show(self.offered_hints(), help_)

    def on_mount(self) -> None:
        self.update_chrome()

    def on_screen_resume(self) -> None:
        self.update_chrome()

    def on_resize(self, _: events.Resize) -> None:
        self.call_after_refresh(self.update_chrome)

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        self.update_chrome()

    def on_connection_changed(self, _: ConnectionChanged) -> None:
        self.update_chrome()

    def on_freshness_changed(self, _: FreshnessChanged) -> None:
        self.update_news()

    def on_sandboxes_changed(self, _: SandboxesChanged) -> None:
        self.update_news()

    def on_transfers_changed(self, _: TransfersChanged) -> None:
        self.update_news()

    def on_key_hints_chosen(self, message: KeyHints.Chosen) -> None:
        self.services.run_action(message.action)

    def _update_header(self) -> None:
        platform, clock = self.services.platform, self.services.clock
        left = [Piece(" sandtui", "key"), Piece("  ")]
        crumbs = self.crumbs()
        for index, crumb in enumerate(crumbs):
            last = index == len(crumbs) - 1
            left += [Piece(crumb, "bright" if last else "dim"), Piece("" if last else " › ", "dim")]
        if platform.session is not None:
            left += [Piece("    "), *count_pieces(platform.session.store.counts)]
        right: list[Piece] = []
        if platform.connection is not None:
            connection = platform.connection
            role: Role = "bad" if connection.production else "busy" if connection.warning else "dim"
            right = [Piece(clean(connection.label), role), Piece("   ")]
            if connection.production:
                right.insert(0, Piece("PRODUCTION  ", "bad"))
            if not connection.isolated:
                right.insert(0, Piece("NOT ISOLATED  ", "bad"))
            if connection.config.read_only:
                right.insert(0, Piece("READ-ONLY  ", "busy"))
            right += freshness_pieces(platform.freshness, clock.now())
        elif platform.problem is not None:
            right = [Piece("▲ not connected", "bad")]
        else:
            right = [Piece("◌ connecting", "waiting")]
        self.query_one("#header", ChromeLine).show(left, [*right, Piece(" ")])

    def _update_activity(self) -> None:
        platform, clock = self.services.platform, self.services.clock
        problem = problem_pieces(
            platform.freshness, clock.monotonic(), clock.now(), self.services.key_of("app.refresh")
        )
        left, right = self.activity()
        width, height = self.size
        if problem:
            left = problem
        elif width < MIN_WIDTH or height < MIN_HEIGHT:
            left = [Piece(f"Terminal too small: {width}×{height} (need {MIN_WIDTH}×{MIN_HEIGHT})", "busy")]
        if platform.session is not None and platform.session.transfers is not None:
            right = [*summary_pieces(platform.session.transfers.totals), *right]
        if platform.session is not None:
            jobs = platform.session.jobs
            right = [*work_pieces(len(jobs.running), len(platform.session.forwards.active)), *right]
            if self.SCOPE != "jobs":
                right = [*ended_pieces(jobs.ended_unseen), *right]
        self.query_one("#activity", ChromeLine).show([Piece(" "), *left], [*right, Piece(" ")])
        said = "".join(piece.text for piece in (*left, *([Piece("  "), *right] if right else [])))
        self.services.web_page.announce_status(said.strip(), clock.monotonic())
