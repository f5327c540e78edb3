"""Input in order: a key, a paste or a click is delivered when the one before has had its effect.

Textual hands a key to the widget that has the focus and goes on at once; what the key does (move the focus, open a
screen, run a binding) happens later, in other queues. Keys that arrive together would overtake it. So after each
delivery an acknowledgement travels the same way as the key: through the queue of the focused widget, then of each
ancestor, then of the app. It passes behind everything that the key has caused there.
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

if TYPE_CHECKING:
    from textual.app import App
    from textual.message_pump import MessagePump
    from textual.screen import Screen
    from textual.widget import Widget

LONGEST_WAIT = 2.0
"""Seconds that a key waits for the one before: a handler that hangs must not take the keyboard with it."""

CHECK_SECONDS = 0.05
"""How often it is checked whether a queue that is waited for has ended."""

MOST_ROUNDS = 12
"""Rounds of acknowledgements for one key: what a key causes may cause more."""

IN_ORDER = (events.Key, events.Paste, events.MouseDown, events.MouseUp, events.MouseScrollDown, events.MouseScrollUp)


class Dispatcher:
    """Delivers an app's input.

    ``resolve`` returns the events that one stands for where the user is now; ``deliver`` hands one of them to Textual.
    Both are called in the app's own queue.
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

    async def take(self, event: events.Event) -> None:
        """Deliver an event now, or after those that came before it."""
        if self._settling is None:
            before = self._state()
            if await self._next(event):
                self._settling = asyncio.create_task(self._go_on(before), name="input")
        else:
            last = self._waiting[-1] if self._waiting else None
            if isinstance(event, events.MouseMove) and isinstance(last, events.MouseMove):
                # Only the last position matters.
                self._waiting.pop()
            self._waiting.append(event)

    def clear(self) -> None:
        """Forget what is not delivered yet."""
        self._waiting.clear()

    @property
    def is_idle(self) -> bool:
        """Whether every event has been delivered and has had its effect."""
        return self._settling is None

    async def _next(self, event: events.Event) -> bool:
        """Deliver an event, or the first of those that it stands for; whether it can have an effect."""
        meant = self._resolve(event)
        self._waiting.extendleft(reversed(meant[1:]))
        if not meant:
            return bool(self._waiting)
        if isinstance(meant[0], events.MouseEvent) and self._hits_what_is_gone(meant[0]):
            return False
        await self._deliver(meant[0])
        return isinstance(meant[0], IN_ORDER)

    def _hits_what_is_gone(self, event: events.MouseEvent) -> bool:
        """Whether a widget is drawn where the mouse is, but removed already: Textual asks for its parent, and fails."""
        if not self._app.screen_stack or self._app.mouse_captured:
            return False
        try:
            widget, _ = self._app.screen.get_widget_at(event.x, event.y)
        except NoWidget:
            return False
        return not widget.is_attached

    async def _go_on(self, before: _State) -> None:
        try:
            await self._settle(before)
            while self._waiting:
                before = self._state()
                delivered = asyncio.Event()
                if not self._app.call_later(self._deliver_next, delivered):
                    return
                await self._wait(delivered, self._app, monotonic() + LONGEST_WAIT)
                await self._settle(before)
        finally:
            self._settling = None

    async def _deliver_next(self, delivered: asyncio.Event) -> None:
        try:
            if self._waiting:
                await self._next(self._waiting.popleft())
        finally:
            delivered.set()

    async def _settle(self, before: _State) -> None:
        """Wait until what the last event has caused is done."""
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
                    await self._wait(drawn, front, end)
            elif self._is_quiet(now):
                return
            state = now

    async def _wait(self, event: asyncio.Event, node: MessagePump, end: float) -> bool:
        """Wait for what a queue is to do; whether it was done, or never will be since the queue has ended."""
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

    def _is_quiet(self, state: _State) -> bool:
        """Whether no queue of the app and of the screen in front holds anything."""
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
    """Which screen is in front, which widget has the focus, and the queues that a key passes."""

    def __init__(self, front: Screen[object] | None, focused: Widget | None, chain: list[MessagePump]) -> None:
        self.front, self.focused, self.chain = front, focused, chain
