"""A terminal: draws the lines that changed, at most once a frame, and sends keys, mouse events and pastes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from sandtui.terminal import PLAIN, Emulation, Pen, TerminalText
from sandtui.terminal.keys import focus_bytes, key_bytes, mouse_bytes, paste_bytes
from sandtui.terminal.rewrap import Settling
from sandtui.ui.rendering.terminal import segment, style_of

WHEEL_LINES = 3

FRAME_SECONDS = 1 / 30
HURRIED_FRAME_SECONDS = 1 / 20
"""Interval of frames in a flood of output, in which each frame draws all lines: keys take precedence."""

SHARE_FOR_DRAWING = 0.25
SLOWEST_FRAME_SECONDS = 0.5
"""A flood of colors is slow to draw: frames take at most this share of the time, but come at least this often."""

QUIET_SECONDS = 0.2
SETTLE_SECONDS, SETTLE_PAUSE_SECONDS = 0.2, 0.01
SETTLED_AT_ONCE = 100
"""Lines wrapped in one slice; the slowest, of wide characters, take some milliseconds."""

HELD_SECONDS = 0.15
"""How long a program may defer drawing (synchronized output)."""

STYLES_KEPT = 4096


class TerminalView(Widget, can_focus=True):
    """Shows a terminal. ``send`` gets the input; the keys in ``passed_on`` are not sent to the program.

    While ``typing``, all other keys go to the program. Otherwise they move a cursor through the scrollback.
    """

    DEFAULT_CSS = """
    TerminalView {
        height: 1fr; background: $background; color: $foreground;
        & > .terminal-view--reading { background: $primary 15%; }
        & > .terminal-view--range { background: $primary 30%; }
        & > .terminal-view--found { background: $warning 40%; }
        & > .terminal-view--cursor { background: $foreground; color: $background; }
        & > .terminal-view--cursor-away { background: $foreground 35%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "terminal-view--reading",
        "terminal-view--range",
        "terminal-view--found",
        "terminal-view--cursor",
        "terminal-view--cursor-away",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
    ]

    class Resized(Message):
        """The view was resized; the program should be notified."""

        def __init__(self, columns: int, lines: int) -> None:
            super().__init__()
            self.columns, self.lines = columns, lines

    class Moved(Message):
        """The scroll position has changed."""

    class LinkChosen(Message):
        """A link was clicked with ctrl held."""

        def __init__(self, url: str) -> None:
            super().__init__()
            self.url = url

    def __init__(self, passed_on: frozenset[str], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.text = TerminalText(Emulation())
        self.send: Callable[[bytes], None] = lambda _: None
        self.typing = True
        self.passed_on = passed_on
        self.cursor_line = 0
        self.range_start: int | None = None
        self.searched_for = ""
        self._watching = False
        self._top: int | None = None
        """The first line in view; None while following the end."""
        self._painted_at = 0.0
        self._paint_due = False
        self._drawn_whole_at = 0.0
        self._drawing_took = 0.0
        self._spacing = FRAME_SECONDS
        self._hurried = False
        self._quiet: Timer | None = None
        self._settling: Timer | None = None
        self._cursor_y = 0
        self._styles: dict[tuple[Pen, bool], Style] = {}

    @property
    def terminal(self) -> Emulation:
        """The emulation of the shown terminal."""
        return self.text.terminal

    @property
    def top(self) -> int:
        """The index of the first line in view."""
        end = self.text.end - self.size.height
        if self._watching and end > self.text.top:
            # A recorded terminal may be taller than this one: output appears at its cursor, not at its end.
            end = min(end, max(self.text.top, self.text.top + self.terminal.cursor[1] + 1 - self.size.height))
        return max(self.text.first, end if self._top is None else min(self._top, end))

    @property
    def lines_below(self) -> int:
        """The number of lines below the view."""
        return max(0, self.text.end - self.top - self.size.height)

    def show(self, text: TerminalText, send: Callable[[bytes], None]) -> None:
        """Show another terminal, at its end."""
        self.text, self.send = text, send
        self._top, self.range_start = None, None
        self.cursor_line = self._cursor_of_terminal()
        self.terminal.grid.scrolled = True
        self.changed()

    def essentials(self) -> list[Region]:
        """Return the line of the program's cursor, or of the one in the scrollback."""
        if self._watching:
            return []
        line = self.text.top + self.terminal.cursor[1] if self.typing else self.cursor_line
        return [Region(0, line - self.top, self.size.width, 1)]

    def set_typing(self, typing: bool) -> None:
        """Send keys to the program, or scroll with them."""
        if typing != self.typing:
            self.typing = typing
            self.range_start, self._top = None, None if typing else self._top
            self.cursor_line = self._cursor_of_terminal()
            self.send(focus_bytes(typing, self.terminal.modes))
            self.refresh()

    def set_watching(self) -> None:
        """Neither type nor scroll: the screen gets the keys, and the end is followed."""
        self.typing, self._watching = False, True

    @property
    def is_painted(self) -> bool:
        """Whether all that has come is drawn."""
        return not self._paint_due

    @property
    def is_hurried(self) -> bool:
        """Whether so much comes that text can't be selected in what is drawn."""
        return self._hurried

    @property
    def is_settled(self) -> bool:
        """Whether all lines are wrapped to the width of the view."""
        return self._settling is None

    def changed(self) -> None:
        """Schedule drawing of changes: at once after a pause, otherwise with the next frame."""
        if not self._paint_due and self.is_attached:
            self._paint_due = True
            self._spacing = FRAME_SECONDS
            if self._hurried:
                wanted = self._drawing_took / SHARE_FOR_DRAWING
                self._spacing = max(HURRIED_FRAME_SECONDS, min(wanted, SLOWEST_FRAME_SECONDS))
            wait = self._painted_at + self._spacing - monotonic()
            if wait <= 0:
                self.call_next(self._paint)
            else:
                self.set_timer(wait, self._paint)

    def keep_position(self, change: Callable[[], None]) -> None:
        """Apply a change of size, which wraps lines anew, and keep the scroll position."""
        self._carry(change)
        # While a window is dragged its size changes many times; lines out of view are wrapped at the end.
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE_SECONDS, lambda: self._settle(self.terminal.settling()))

    def _settle(self, settling: Settling) -> None:
        """Wrap the scrollback in slices, between which keys and frames are handled."""
        if not settling.is_ready:
            settling.step(SETTLED_AT_ONCE)
            self._settling = self.set_timer(SETTLE_PAUSE_SECONDS, lambda: self._settle(settling))
        else:
            self._settling = None
            self._carry(settling.commit)

    def _carry(self, change: Callable[[], None]) -> None:
        """Apply a change that renumbers lines, and restore the position unless the end is followed."""
        if self._top is None and self.typing:
            change()
        else:
            lines = [self.cursor_line, self.range_start, self._top]
            marks = [None if line is None else self.text.mark(line) for line in lines]
            change()
            found = [None if mark is None else self.text.find(mark) for mark in marks]
            self.cursor_line, self.range_start, self._top = found[0] or 0, found[1], found[2]
        self.refresh()

    # Scrollback

    def go_to(self, line: int) -> None:
        """Move the scrollback cursor to a line and scroll to it."""
        self.cursor_line = max(self.text.first, min(line, self.text.end - 1))
        top, height = self.top, self.size.height
        if self.cursor_line < top:
            self._top = self.cursor_line
        elif self.cursor_line >= top + height:
            self._top = self.cursor_line - height + 1
        if self.lines_below == 0:
            self._top = None
        self.refresh()
        self.post_message(self.Moved())

    def go_to_text(self, line: int, needle: str) -> None:
        """Move the scrollback cursor to the line on which a match starts, and show the whole match."""
        self.go_to(line)
        below = self.text.last_line(line, needle) - (self.top + self.size.height - 1)
        if 0 < below <= line - self.top:
            # The match continues below the view: show both parts.
            self._top = self.top + below
            self.refresh()

    def copied(self) -> str:
        """Return the text of the range, or of the current line."""
        other = self.cursor_line if self.range_start is None else self.range_start
        return self.text.copy(min(other, self.cursor_line), max(other, self.cursor_line))

    def scroll_lines(self, step: int) -> None:
        """Scroll; at the end, follow again."""
        self._top = self.top + step
        if self.lines_below == 0:
            self._top = None
        if not self.typing:
            self.cursor_line = max(self.top, min(self.cursor_line, self.top + self.size.height - 1))
        self.refresh()
        self.post_message(self.Moved())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the keys that move the cursor while they go to the program."""
        return not (self.typing or self._watching)

    def action_move(self, step: int) -> None:
        self.go_to(self.cursor_line + step)

    def action_page(self, pages: int) -> None:
        self.go_to(self.cursor_line + pages * max(1, self.size.height - 1))

    def action_first(self) -> None:
        self.go_to(self.text.first)

    def action_last(self) -> None:
        self.go_to(self.text.end - 1)

    # Events

    def on_key(self, event: events.Key) -> None:
        if not self.typing or event.key in self.passed_on:
            return
        event.stop()
        event.prevent_default()
        self._send_at_end(key_bytes(event.key, event.character, self.terminal.modes))

    def on_paste(self, event: events.Paste) -> None:
        if self.typing:
            event.stop()
            self._send_at_end(paste_bytes(event.text, self.terminal.modes))

    def on_focus(self) -> None:
        """Notify the program if it asked for focus events."""
        if self.typing:
            self.send(focus_bytes(True, self.terminal.modes))
        self._touch_cursor()

    def on_blur(self) -> None:
        """Notify the program if it asked for focus events."""
        if self.typing:
            self.send(focus_bytes(False, self.terminal.modes))
        self._touch_cursor()

    # The mouse: sent to the program if it asked for it, otherwise scrolls and opens links

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self._send_mouse("press", event.button, event):
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        self._send_mouse("release", event.button, event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._send_mouse("move", event.button, event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def on_click(self, event: events.Click) -> None:
        """Open a link if ctrl is held."""
        if event.ctrl and not self.terminal.modes.mouse:
            column = 0
            for run in self.text.runs(self.top + event.y):
                if column <= event.x < column + run.cells and run.pen.link:
                    self.post_message(self.LinkChosen(run.pen.link))
                column += run.cells

    def _wheel(self, event: events.MouseEvent, step: int) -> None:
        event.stop()
        modes = self.terminal.modes
        if self._send_mouse("scroll", 1 if step < 0 else 2, event):
            return
        if self.typing and self.terminal.is_alternate and modes.alternate_scroll:
            # Programs such as less have no scrollback here: as in xterm, the wheel sends arrow keys.
            self.send(key_bytes("up" if step < 0 else "down", None, modes) * WHEEL_LINES)
        else:
            self.scroll_lines(step * WHEEL_LINES)

    def _send_mouse(self, kind: str, button: int, event: events.MouseEvent) -> bool:
        if not self.typing or event.shift:
            return False
        modes = self.terminal.modes
        # A drag may leave the view, but the program gets positions inside it only.
        x, y = max(0, min(event.x, self.size.width - 1)), max(0, min(event.y, self.size.height - 1))
        if kind in {"press", "release"} and not 1 <= button <= 3:
            return False
        data = mouse_bytes(kind, button, x, y, modes, alt=event.meta, control=event.ctrl)
        if data:
            event.stop()
            self.send(data)
        return bool(data)

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Resized(event.size.width, event.size.height))

    def notify_style_update(self) -> None:
        """Clear the cached styles: the theme has changed."""
        super().notify_style_update()
        self._styles.clear()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return container.height

    # Selection with the mouse, unless the program uses the mouse

    @property
    def allow_select(self) -> bool:
        """Whether text can be selected: not while the program uses the mouse."""
        return not self.terminal.modes.mouse

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        first = self.text.first if selection.start is None else selection.start.y + self.text.first
        last = self.text.end - 1 if selection.end is None else selection.end.y + self.text.first
        parts = []
        for line in range(max(first, self.text.first), min(last + 1, self.text.end)):
            span = selection.get_span(line - self.text.first)
            plain = self.text.plain(line)
            if span is not None:
                parts.append(plain[span[0] : len(plain) if span[1] == -1 else span[1]])
        return "\n".join(parts), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    # Drawing

    def render_line(self, y: int) -> Strip:
        line, width = self.top + y, self.size.width
        reverse = self.terminal.modes.reverse_screen
        strip = Strip([segment(run, self._style(run.pen, reverse)) for run in self.text.runs(line)])
        strip = strip.crop_extend(0, width, self._style(PLAIN, reverse))
        if not self.typing and not self._watching:
            strip = self._reading(strip, line)
        if self.searched_for:
            strip = self._with_hits(strip, line)
        if self.text_selection is not None:
            span = self.text_selection.get_span(line - self.text.first)
            if span is not None:
                style = self.screen.get_component_rich_style("screen--selection")
                strip = _painted(strip, span[0], width if span[1] == -1 else span[1], style)
        column, row = self.terminal.cursor
        shown = self.terminal.modes.cursor_visible and (self.typing or self._watching)
        if shown and line == self.text.top + row and column < width:
            strip = _painted(strip, column, column + self._cursor_width(row, column), self._cursor_style())
        # Selection needs these offsets; adding them costs more than the line itself.
        return strip if self._hurried else strip.apply_offsets(0, line - self.text.first)

    def _reading(self, strip: Strip, line: int) -> Strip:
        start = self.range_start
        if start is not None and min(start, self.cursor_line) <= line <= max(start, self.cursor_line):
            return self._with_background(strip, "terminal-view--range")
        if line == self.cursor_line:
            return self._with_background(strip, "terminal-view--reading")
        return strip

    def _with_background(self, strip: Strip, name: str) -> Strip:
        return _painted(strip, 0, strip.cell_length, self._background(name))

    def _background(self, name: str) -> Style:
        return Style(bgcolor=self.get_component_rich_style(name).bgcolor)

    def _with_hits(self, strip: Strip, line: int) -> Strip:
        style = self._background("terminal-view--found")
        for start, end in self.text.matches(line, self.searched_for):
            strip = _painted(strip, start, end, style)
        return strip

    def _cursor_width(self, row: int, column: int) -> int:
        chars = self.terminal.grid.rows[row].chars
        return 2 if column + 1 < len(chars) and chars[column + 1] == "" else 1

    def _cursor_style(self) -> Style:
        if not self.has_focus:
            return self._background("terminal-view--cursor-away")
        if self.terminal.modes.cursor_shape == "block":
            return self.get_component_rich_style("terminal-view--cursor", partial=True)
        # A bar cannot be drawn between two cells: bar and underline are both drawn below the character.
        return Style(underline=True, bold=True)

    def _style(self, pen: Pen, reverse: bool) -> Style:
        style = self._styles.get((pen, reverse))
        if style is None:
            if len(self._styles) >= STYLES_KEPT:
                self._styles.clear()
            style = self._styles[pen, reverse] = style_of(pen, self.rich_style, reverse)
        return style

    def _paint(self) -> None:
        if not self._paint_due:
            return
        now = monotonic()
        if self.terminal.modes.synchronized and now - self._painted_at < HELD_SECONDS:
            self.set_timer(FRAME_SECONDS, self._paint)
            return
        self._paint_due = False
        self._painted_at = now
        grid = self.terminal.grid
        row = self.terminal.cursor[1]
        if grid.scrolled:
            self._hurry(now)
            self.refresh()
            self.call_after_refresh(self._drawn, now)
        elif self._watching and self._cursor_y != row:
            self.refresh()
        else:
            offset = self.text.top - self.top
            rows = {y + offset for y in {*grid.changed, row, self._cursor_y}}
            regions = [Region(0, y, self.size.width, 1) for y in rows if 0 <= y < self.size.height]
            if regions:
                self.refresh(*regions)
        self._cursor_y = row
        grid.scrolled = False
        grid.changed.clear()

    def _hurry(self, now: float) -> None:
        """Detect a flood: whole screens as fast as they can be drawn."""
        self._hurried = now - self._drawn_whole_at < self._spacing + 2 * FRAME_SECONDS
        self._drawn_whole_at = now
        if self._hurried and self._quiet is None:
            self._quiet = self.set_interval(QUIET_SECONDS, self._calm_down)

    def _drawn(self, began: float) -> None:
        self._drawing_took = monotonic() - began

    def _calm_down(self) -> None:
        if monotonic() - self._drawn_whole_at > QUIET_SECONDS + self._spacing and self._quiet is not None:
            self._quiet.stop()
            self._quiet, self._hurried = None, False
            self.refresh()

    def _send_at_end(self, data: bytes) -> None:
        if self._top is not None:
            self._top = None
            self.refresh()
            self.post_message(self.Moved())
        self.send(data)

    def _touch_cursor(self) -> None:
        self.terminal.grid.changed.add(self.terminal.cursor[1])
        self.changed()

    def _cursor_of_terminal(self) -> int:
        return self.text.top + self.terminal.cursor[1]


def _painted(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """Return a strip with a style added to some of its cells."""
    start, end = max(0, start), min(end, strip.cell_length)
    if start >= end:
        return strip
    before, middle, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
    painted = Strip([Segment(piece.text, (piece.style or Style()) + style) for piece in middle])
    return Strip.join([before, painted, after])
