"""The gate in front of every screen: nothing reaches one before it is composed or after it has begun to close.

Ticks, timers, messages, results of workers, changes of the fleet and resizes come at any time; a screen without its
widgets can't take them. They all pass here, so that no screen needs a check of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

from textual import events, messages
from textual._callback import invoke
from textual.css.query import QueryError
from textual.dom import NoScreen
from textual.message import Message
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import MountError, Widget

from sandtui.fleet.signals import Signal
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
"""Textual's own messages that a closing screen must not get, besides all of ours."""

READING_SECONDS = 0.15
"""How long a question must have stood before a key can be an answer to it."""

HARMLESS_KEYS = frozenset({"escape", "tab", "shift+tab"})

WIDGETS_ARE_GONE = (QueryError, NoScreen, MountError)


class Tick(Message, bubble=False):
    """A second has passed."""


class ScreenGate(Screen[ScreenResultType]):
    """A screen that hears nothing while it can't draw."""

    _was_resumed = False

    @property
    def is_open(self) -> bool:
        """Whether the screen is composed and has not begun to close."""
        return self.is_mounted and not self.is_closing

    @property
    def is_closing(self) -> bool:
        """Whether the screen has been left, or the program is ending."""
        if self._pruning or self._closing or self._closed or not self.is_attached:
            return True
        # From Python 3.12 on a screen is composed before it is put on the stack: Textual's tasks start at once.
        return self._was_pushed and not any(screen is self for screen in self.app.screen_stack)

    def whenever_open(self, callback: Callable[..., object]) -> Callable[..., None]:
        """Return a function that calls ``callback`` while the screen is open and else does nothing."""

        def call(*arguments: object) -> None:
            if self.is_open:
                callback(*arguments)

        return call

    def listen(self, signal: Signal[P], callback: Callable[P, object]) -> Callable[[], None]:
        """Have ``callback`` called with what a signal tells until the screen closes; return what ends that before."""

        def call(*news: P.args, **named: P.kwargs) -> None:
            if self.is_open:
                callback(*news, **named)

        end = signal.subscribe(call)
        self._subscriptions.append(end)
        return end

    def of_screen(self, flow: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T | None]:
        """Return a coroutine of this screen that ends quietly when the screen closed while it was waiting."""

        async def run() -> T | None:
            try:
                return await flow
            except WIDGETS_ARE_GONE:
                if self.is_open:
                    raise
                return None

        return run()

    # Textual's ways to be called later

    def call_after_refresh(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> bool:
        """Call after the next refresh, if the screen is open then."""
        return super().call_after_refresh(self._later, partial(callback, *args, **kwargs))

    def set_timer(self, delay: float, callback: Any = None, **kwargs: Any) -> Timer:
        """Call after some seconds, if the screen is open then."""
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
        # Widgets have their callbacks run by the screen in front, which must not end by a fault of theirs.
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
        elif isinstance(message, events.ScreenResume) and not self._was_resumed:
            # Its widgets have just got their styles, and nothing has changed since.
            self._was_resumed = True
            message.refresh_styles = False
        await super()._dispatch_message(message)

    def _push_result_callback(self, *arguments: Any, **named: Any) -> None:
        self._was_pushed = True
        super()._push_result_callback(*arguments, **named)

    def on_unmount(self) -> None:
        """Hear nothing more."""
        for end in self._subscriptions:
            end()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._subscriptions: list[Callable[[], None]] = []
        self._was_composed = False
        self._was_pushed = False


class Dialog(ModalScreen[ScreenResultType], ScreenGate[ScreenResultType]):
    """A dialog behind the gate. ``ModalScreen`` comes first: Textual takes default styles from the first base.

    Where ``READ_FIRST`` is set, keys that were typed before it could be read count for nothing.
    """

    READ_FIRST: ClassVar[bool] = False
    _drawn_at: float | None = None

    def on_mount(self) -> None:
        """Note when there is something to read."""
        self.call_after_refresh(self._note_drawn)

    def render(self) -> RenderableType:
        """Draw what is behind the dialog."""
        behind = super().render()
        return Backdrop(behind.screen, behind.color) if isinstance(behind, BackgroundScreen) else behind

    @property
    def can_be_read(self) -> bool:
        """Whether it has stood long enough for an answer to be meant."""
        return self._was_readable_at(monotonic())

    def accepts(self, event: events.Event) -> bool:
        """Whether a key or a paste is delivered. What goes back or moves the focus always is: it does no harm."""
        if not self.READ_FIRST or (isinstance(event, events.Key) and event.key in HARMLESS_KEYS):
            return True
        return not isinstance(event, events.Key | events.Paste) or self._was_readable_at(event.time)

    def _was_readable_at(self, moment: float) -> bool:
        return self._drawn_at is not None and moment >= self._drawn_at + READING_SECONDS

    def _note_drawn(self) -> None:
        self._drawn_at = monotonic()


def still_open(screen: Screen[Any]) -> Callable[[], bool]:
    """Return what tells whether a screen can still take what was begun for it."""
    return lambda: not isinstance(screen, ScreenGate) or screen.is_open


def can_draw(widget: Widget) -> bool:
    """Whether a widget is composed, and neither it nor its screen has begun to close."""
    if not widget.is_mounted or not widget.is_attached or widget._pruning or widget._closing or widget._closed:
        return False
    screen = widget if isinstance(widget, Screen) else widget.screen
    return not (isinstance(screen, ScreenGate) and screen.is_closing)
