"""Delivers input in order: a key, a paste or a click once the previous one has taken effect.

Textual passes a key to the focused widget and continues at once; its effect (moving the focus, opening a screen,
running a binding) happens later, in other queues, where keys that arrive together would overtake it. So after each
delivery an acknowledgment takes the same route as the key: through the queues of the focused widget, of each ancestor
and of the app. It arrives after everything that the key has caused there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from textual import events
from textual.errors import NoWidget

from sandtui.ui.chrome.drawing import PromptScreen

if TYPE_CHECKING:
    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.screen import Screen
    from textual.widget import Widget

LONGEST_WAIT = 2.0
"""Seconds that a key waits for the previous one: a handler that hangs must not block the keyboard."""

CHECK_SECONDS = 0.05
"""How often to check whether the queue of a wait has ended."""

MOST_ROUNDS = 12
"""Rounds of acknowledgments for one key: its effects may have effects."""

MOST_TURNS = 300
"""Turns of the event loop that a screen gets to become quiet before it is drawn."""

IN_ORDER = (events.Key, events.Paste, events.MouseDown, events.MouseUp, events.MouseScrollDown, events.MouseScrollUp)


class Dispatcher:
    """Delivers the input of an app.

    ``resolve`` returns the events that an event stands for on the current screen; ``deliver`` passes one to Textual.
    Both are called in the queue of the app.
    """

    def __init__(
        self,
        app: App[None],
        resolve: Callable[[events.Event], Sequence[events.Event]],
        deliver: Callable[[events.Event], Awaitable[None]],
    ) -> None:
        self._app = app
        self._resolve = resolve
        self._deliver = deliver
        self._waiting: deque[events.Event] = deque()
        self._settling: asyncio.Task[None] | None = None
        self._input_ends = self._unwanted_ends = 0

    async def take(self, event: events.Event) -> None:
        """Deliver an event now, or after those before it."""
        if self._input_ends < self._unwanted_ends:
            return
        if self._settling is None:
            before = self._state()
            if await self._next(event):
                self._settling = asyncio.create_task(self._deliver_pending(before), name="input")
        else:
            last = self._waiting[-1] if self._waiting else None
            if isinstance(event, events.MouseMove) and isinstance(last, events.MouseMove):
                # Only the last position matters.
                self._waiting.pop()
            self._waiting.append(event)

    def clear(self, input_ends: int = 0) -> None:
        """Discard pending events, and those that come before reading has ended for the ``input_ends``-th time."""
        self._waiting.clear()
        self._unwanted_ends = input_ends

    def input_ended(self, number: int) -> None:
        """Note that what was read before reading ended for the ``number``-th time has come."""
        self._input_ends = number

    @property
    def is_idle(self) -> bool:
        """Whether all events were delivered and have taken effect."""
        return self._settling is None

    async def _next(self, event: events.Event) -> bool:
        """Deliver an event, or the first of those that it stands for; return whether it can have an effect."""
        resolved = self._resolve(event)
        self._waiting.extendleft(reversed(resolved[1:]))
        if not resolved:
            return bool(self._waiting)
        if isinstance(resolved[0], events.MouseEvent) and self._hits_removed_widget(resolved[0]):
            return False
        await self._deliver(resolved[0])
        return isinstance(resolved[0], IN_ORDER)

    def _hits_removed_widget(self, event: events.MouseEvent) -> bool:
        """Whether the widget drawn under the mouse was removed already: Textual would look up its parent, and fail."""
        if not self._app.screen_stack or self._app.mouse_captured:
            return False
        try:
            widget, _ = self._app.screen.get_widget_at(event.x, event.y)
        except NoWidget:
            return False
        return not widget.is_attached

    async def _deliver_pending(self, before: _State) -> None:
        try:
            await self._settle(before)
            self._draw()
            while self._waiting:
                before = self._state()
                delivered = asyncio.Event()
                if not self._app.call_later(self._deliver_next, delivered):
                    return
                await self._wait(delivered, self._app, monotonic() + LONGEST_WAIT)
                await self._settle(before)
                self._draw()
        finally:
            self._settling = None

    async def _deliver_next(self, delivered: asyncio.Event) -> None:
        try:
            if self._waiting:
                await self._next(self._waiting.popleft())
        finally:
            delivered.set()

    async def _settle(self, before: _State) -> None:
        """Wait until the last event has taken effect."""
        end = monotonic() + LONGEST_WAIT
        state = before
        for _ in range(MOST_ROUNDS):
            for node in state.chain:
                passed = asyncio.Event()
                if node.call_later(passed.set) and not await self._wait(passed, node, end):
                    return
            now = self._state()
            if now.front is not state.front or now.focused is not state.focused:
                # A screen often moves the focus once it has been drawn.
                drawn = asyncio.Event()
                front = now.front
                if front is not None and front.call_after_refresh(drawn.set):
                    await self._become_quiet(now)
                    self._draw()
                    await self._wait(drawn, front, end)
            elif self._is_quiet(now):
                return
            state = now

    async def _wait(self, event: asyncio.Event, node: MessagePump, end: float) -> bool:
        """Wait until a queue has set an event; return False on timeout, but True if the queue has ended."""
        while not event.is_set():
            if node is not self._app and not node.is_attached:
                break
            left = end - monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, CHECK_SECONDS)):
                    await event.wait()
        return True

    async def _become_quiet(self, state: _State) -> None:
        """Let a screen do what it does when it opens, so that it is drawn once."""
        for _ in range(MOST_TURNS):
            if self._is_quiet(state):
                return
            await asyncio.sleep(0)

    def _draw(self) -> None:
        """Draw what the last event has changed, without waiting for the next frame."""
        front = self._app.screen_stack[-1] if self._app.screen_stack else None
        if isinstance(front, PromptScreen):
            front.call_next(front.draw_now)

    def _is_quiet(self, state: _State) -> bool:
        """Whether the queues of the app and of the current screen are empty."""
        if self._app.message_queue_size:
            return False
        front = state.front
        if front is None:
            return True
        return not front.message_queue_size and not any(
            node.message_queue_size for node in front.walk_children(with_self=False)
        )

    def _state(self) -> _State:
        stack = self._app.screen_stack
        front = stack[-1] if stack else None
        focused = front.focused if front is not None else None
        chain: list[MessagePump] = list(focused.ancestors_with_self) if focused is not None else []
        if not chain:
            chain = [front, self._app] if front is not None else [self._app]
        return _State(front, focused, chain)


class _State:
    """The current screen, the focused widget, and the queues that a key passes."""

    def __init__(self, front: Screen[object] | None, focused: Widget | None, chain: list[MessagePump]) -> None:
        self.front, self.focused, self.chain = front, focused, chain
