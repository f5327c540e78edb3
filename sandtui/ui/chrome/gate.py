"""The gate of every screen: no message reaches it before it is composed or after it starts to close.

Ticks, timers, messages, results of workers, changes of the fleet and resizes arrive at any time, but a screen without
its widgets cannot handle them. They are all filtered here, so that no screen needs checks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from textual import events, messages
from textual._callback import invoke
from textual.binding import Binding, BindingType
from textual.css.query import QueryError
from textual.dom import NoScreen
from textual.message import Message
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import MountError, Widget

from sandtui.fleet.signals import Signal
from sandtui.ui.chrome.drawing import PromptScreen
from sandtui.ui.rendering.backdrop import Backdrop

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.timer import Timer

P = ParamSpec("P")
T = TypeVar("T")

NEWS = (
    events.Compose,
    events.Mount,
    events.Timer,
    events.Callback,
    events.Resize,
    events.InputEvent,
    events.ScreenResume,
    events.DescendantFocus,
    events.DescendantBlur,
    messages.InvokeLater,
)
"""Textual's messages that a closing screen must not get, in addition to all of ours."""

READING_SECONDS = 0.15
"""How long a question must have been visible before a key counts as its answer."""

HARMLESS_KEYS = frozenset({"escape", "tab", "shift+tab"})

WIDGETS_ARE_GONE = (QueryError, NoScreen, MountError)


class Tick(Message, bubble=False):
    """Posted once a second."""


class ScreenGate(PromptScreen[ScreenResultType]):
    """A screen that gets no messages while it has no widgets."""

    @property
    def is_open(self) -> bool:
        """Whether the screen is composed and not closing."""
        return self.is_mounted and not self.is_closing

    @property
    def is_closing(self) -> bool:
        """Whether the screen was left or the program is shutting down."""
        if self._pruning or self._closing or self._closed or not self.is_attached:
            return True
        # With the eager tasks of Python 3.12 a screen may be composed before it is on the stack.
        return self._was_pushed and not any(screen is self for screen in self.app.screen_stack)

    def whenever_open(self, callback: Callable[..., object]) -> Callable[..., None]:
        """Return a function that calls ``callback`` only while the screen is open."""

        def call(*arguments: object) -> None:
            if self.is_open:
                callback(*arguments)

        return call

    def listen(self, signal: Signal[P], callback: Callable[P, object]) -> Callable[[], None]:
        """Subscribe ``callback`` to a signal until the screen closes; return a function that unsubscribes earlier."""

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            if self.is_open:
                callback(*args, **kwargs)

        unsubscribe = signal.subscribe(call)
        self._subscriptions.append(unsubscribe)
        return unsubscribe

    def of_screen(self, flow: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T | None]:
        """Return a coroutine that ends quietly if the screen closes while it is waiting."""

        async def run() -> T | None:
            try:
                return await flow
            except WIDGETS_ARE_GONE:
                if self.is_open:
                    raise
                return None

        return run()

    # Deferred calls

    def call_after_refresh(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> bool:
        """Call after the next refresh if the screen is still open."""
        return super().call_after_refresh(self._later, partial(callback, *args, **kwargs))

    def set_timer(self, delay: float, callback: Any = None, **kwargs: Any) -> Timer:
        """Call after ``delay`` seconds if the screen is still open."""
        return super().set_timer(delay, callback and partial(self._later, callback), **kwargs)

    async def _later(self, callback: Callable[..., Any]) -> None:
        if self.is_closing:
            return
        if not self.is_mounted:
            # Called from the queue of another screen, before this one is composed.
            self.call_later(callback)
            return
        result = callback()
        if result is not None and hasattr(result, "__await__"):
            await result

    async def _invoke_and_clear_callbacks(self) -> None:
        # The current screen runs the callbacks of widgets; an error of theirs must not end it.
        callbacks, self._callbacks = self._callbacks, []
        for callback, pump in callbacks:
            if isinstance(pump, Widget) and not can_draw(pump):
                continue
            with pump._context():
                try:
                    await invoke(callback)
                except Exception as error:
                    self.app._handle_exception(error)

    async def _dispatch_message(self, message: Message) -> None:
        is_news = isinstance(message, NEWS) or not type(message).__module__.startswith("textual.")
        if is_news and self.is_closing:
            return
        if isinstance(message, events.Compose):
            self._was_composed = True
        elif isinstance(message, events.ScreenSuspend) and (self._pruning or not self._was_composed):
            return
        await super()._dispatch_message(message)

    def _push_result_callback(self, *arguments: Any, **named: Any) -> None:
        self._was_pushed = True
        super()._push_result_callback(*arguments, **named)

    def on_unmount(self) -> None:
        for unsubscribe in self._subscriptions:
            unsubscribe()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._subscriptions: list[Callable[[], None]] = []
        self._was_composed = False
        self._was_pushed = False


class Dialog(ModalScreen[ScreenResultType], ScreenGate[ScreenResultType]):
    """A dialog behind the gate. ``ModalScreen`` comes first: Textual takes default styles from the first base.

    With ``READ_FIRST``, keys that were typed before the dialog could be read are ignored.
    """

    READ_FIRST: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_body(-1)", "scroll up", show=False),
        Binding("down", "scroll_body(1)", "scroll down", show=False),
        Binding("pageup", "scroll_body(-5)", "page up", show=False),
        Binding("pagedown", "scroll_body(5)", "page down", show=False),
    ]
    _drawn_at: float | None = None

    def on_mount(self) -> None:
        self.call_after_refresh(self._note_drawn)

    def render(self) -> RenderableType:
        """Draw what is behind the dialog."""
        behind = super().render()
        return Backdrop(behind.screen, behind.color) if isinstance(behind, BackgroundScreen) else behind

    def action_scroll_body(self, lines: int) -> None:
        """Scroll the text when the focused widget has no use for the key."""
        for body in self.query(".dialog-body"):
            body.scroll_relative(y=lines, animate=False)

    @property
    def can_be_read(self) -> bool:
        """Whether it has been visible long enough for a key to be meant for it."""
        return self._was_readable_at(monotonic())

    def accepts(self, event: events.Event) -> bool:
        """Whether an event is delivered. Keys that close or move the focus always are: they do no harm."""
        if not self.READ_FIRST or (isinstance(event, events.Key) and event.key in HARMLESS_KEYS):
            return True
        return not isinstance(event, events.Key | events.Paste) or self._was_readable_at(event.time)

    def _was_readable_at(self, moment: float) -> bool:
        return self._drawn_at is not None and moment >= self._drawn_at + READING_SECONDS

    def _note_drawn(self) -> None:
        self._drawn_at = monotonic()


def still_open(screen: Screen[Any]) -> Callable[[], bool]:
    """Return a function that tells whether a screen is still open."""
    return lambda: not isinstance(screen, ScreenGate) or screen.is_open


def can_draw(widget: Widget) -> bool:
    """Whether a widget is composed, and neither it nor its screen is closing."""
    if not widget.is_mounted or not widget.is_attached or widget._pruning or widget._closing or widget._closed:
        return False
    screen = widget if isinstance(widget, Screen) else widget.screen
    return not (isinstance(screen, ScreenGate) and screen.is_closing)
