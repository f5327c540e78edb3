"""Screens that are laid out and drawn once for each event, and at once."""

from __future__ import annotations

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.screen import Screen, ScreenResultType
from textual.widget import Widget
from textual.widgets._toast import ToastRack

from sandtui.ui.chrome.notices import NoticeRack


class PromptScreen(Screen[ScreenResultType]):
    """A screen that draws no more than has changed, and can draw without waiting for the next frame."""

    # The widgets that lose and get the focus draw themselves: Textual would draw the whole screen.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    _was_resumed = False
    _is_drawn_after = False

    @property
    def notices(self) -> NoticeRack | None:
        """What draws the notifications, unless they are disabled."""
        return next((each for each in self._nodes if isinstance(each, NoticeRack)), None)

    def _extend_compose(self, widgets: list[Widget]) -> None:
        super()._extend_compose(widgets)
        widgets[:] = [NoticeRack() if isinstance(each, ToastRack) else each for each in widgets]

    def _on_timer_update(self) -> None:
        notices = self.notices
        if notices is not None and notices.display:
            notices.keep_clear()
        super()._on_timer_update()

    def draw_now(self) -> None:
        """Draw what has changed."""
        if self._layout_required or self._repaint_required or self._scroll_required or self._dirty_widgets:
            self._on_timer_update()

    async def _dispatch_message(self, message: Message) -> None:
        if isinstance(message, events.ScreenResume) and not self._was_resumed:
            # Its widgets have just got their styles, and fill themselves once they know their size.
            self._was_resumed = True
            message.refresh_styles = False
            self._repaint_required = True
        elif isinstance(message, events.ScreenSuspend):
            # Textual asks for all of a screen when another one opens, which draws what is behind it itself.
            self._repaint_required = False
        await super()._dispatch_message(message)

    def _screen_resized(self, size: Size) -> None:
        # A screen that is laid out for the first time hears of its size, and would be laid out once more.
        if size != self._compositor.size:
            super()._screen_resized(size)

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        self._is_drawn_after = self._repaint_required
        try:
            super()._refresh_layout(size, scroll)
        finally:
            self._is_drawn_after = False

    def _compositor_refresh(self) -> None:
        # All of the screen is about to be drawn: what a layout changes needs no drawing of its own.
        if not self._is_drawn_after:
            super()._compositor_refresh()
