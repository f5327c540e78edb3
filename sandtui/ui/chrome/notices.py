"""Notices: a line in place of the key hints, or a box where nothing essential is.

A notice that fits is one line over the key hints. Others are a box: never over the header, the status line, marks, the
row under a cursor, the focused field or a dialog. It moves away when the cursor comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from textual import events
from textual.geometry import Region, Size
from textual.notifications import Notification, Notifications
from textual.screen import ModalScreen, Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from sandtui.clock import Clock, SystemClock
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.rendering.text import Content, Piece, Role, content, fit_middle, lines, width_of
from sandtui.ui.widgets.essentials import HasEssentials

MOST_LIVE = 20
MOST_SHOWN = 3
MOST_LINES = 5
"""Lines of one notice in the box; the middle of a longer one is left out."""

WIDTHS = (0.6, 0.45, 0.3)
"""Shares of the screen that the box may take, the first that fits."""

MOST_WIDTH = 90
LOW_FIELD = 3
"""A focused widget of at most so many lines is a field, which stays in view as a whole."""

ROLES: dict[str, Role] = {"information": "good", "warning": "busy", "error": "bad"}
RANKS = {"error": 0, "warning": 1, "information": 2}


@dataclass
class CountedNotification(Notification):
    """A notification that came ``count`` times while it was shown."""

    count: int = 1
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        # Not the time when it was raised: while the app was busy, nobody could read it.
        self.ends_at = self.clock.monotonic() + self.timeout

    @property
    def time_left(self) -> float:
        return self.ends_at - self.clock.monotonic()


def add_notification(live: Notifications, new: Notification, clock: Clock) -> None:
    """Add a notification, whose time begins now; one that is shown already is counted. The number of live ones is
    bounded.
    """
    same = [
        each for each in live if (each.message, each.title, each.severity) == (new.message, new.title, new.severity)
    ]
    for each in same:
        del live[each]
    counts = (each.count if isinstance(each, CountedNotification) else 1 for each in same)
    count = sum(counts) + 1
    live.add(CountedNotification(new.message, new.title, new.severity, new.timeout, count=count, clock=clock))
    for old in list(live)[:-MOST_LIVE]:
        del live[old]


def _looks(notification: Notification) -> tuple[str, str, str]:
    return notification.severity, notification.title, notification.message


def text_of_notice(notification: Notification) -> str:
    """Return the text of a notification, safe to draw, with the number of times that it came."""
    title = f"{notification.title}: " if notification.title else ""
    count = notification.count if isinstance(notification, CountedNotification) else 1
    return clean(f"{title}{notification.message}") + (f" ×{count:,}" if count > 1 else "")


@dataclass(frozen=True, slots=True)
class NoticeLayout:
    """The lines to draw at a place. ``owners`` has the notification of each line, None for the line about others."""

    region: Region
    rows: list[Content]
    owners: list[Notification | None]
    is_line: bool = False
    """Whether it is the line over the key hints, where it covers nothing else."""


def lay_out(live: Sequence[Notification], size: Size, essential: Sequence[Region], more_key: str) -> NoticeLayout:
    """Return where and how notifications, the oldest first, are drawn on a screen of some size."""
    newest_first = list(reversed(live))
    ranked = sorted(newest_first, key=lambda each: RANKS.get(each.severity, 2))
    first = ranked[0]
    text = text_of_notice(first)
    if len(live) == 1 and "\n" not in text and width_of(text) + 3 <= size.width:
        return _one_line(first, 0, size, more_key)
    chosen = [each for each in live if each in ranked[:MOST_SHOWN]]
    for share in WIDTHS:
        widest = min(MOST_WIDTH, int(size.width * share))
        rows, owners = _box(chosen, len(live) - len(chosen), max(8, widest - 3), more_key)
        box = Size(max(row.cell_length for row in rows) + 1, len(rows))
        place = _free_place(box, size, essential)
        if place is not None:
            return NoticeLayout(place, rows, owners)
    return _one_line(first, len(live) - 1, size, more_key)


def _one_line(notice: Notification, others: int, size: Size, more_key: str) -> NoticeLayout:
    more = _more(others, more_key) if others else ""
    room = size.width - 3 - (width_of(more) + 2 if more else 0)
    text = text_of_notice(notice).replace("\n", " ")
    if width_of(text) > room and not more:
        # What is cut can be read in full there.
        more = f"{more_key} all" if more_key else ""
        room -= width_of(more) + 2 if more else 0
    text = fit_middle(text, max(4, room)) if width_of(text) > room else text
    row = content(Piece("▌ ", ROLES.get(notice.severity, "text")), Piece(text))
    if more:
        row = row.append(content(Piece(f"  {more}", "dim")))
    return NoticeLayout(_bottom_line(size), [row], [notice], is_line=True)


def _bottom_line(size: Size) -> Region:
    return Region(0, max(0, size.height - 1), size.width, 1)


def _more(others: int, more_key: str) -> str:
    return f"+{others} more" + (f" ({more_key} lists all)" if more_key else "")


def _box(
    chosen: Sequence[Notification], others: int, width: int, more_key: str
) -> tuple[list[Content], list[Notification | None]]:
    rows: list[Content] = []
    owners: list[Notification | None] = []
    is_cut = False
    for notice in chosen:
        wrapped = Content(text_of_notice(notice)).wrap(width)
        if len(wrapped) > MOST_LINES:
            is_cut = True
            head = MOST_LINES // 2
            wrapped = [*wrapped[:head], Content("…"), *wrapped[-(MOST_LINES - head - 1) :]]
        bar = Piece("▌ ", ROLES.get(notice.severity, "text"))
        rows += [content(bar, Piece(line.plain.rstrip())) for line in wrapped]
        owners += [notice] * len(wrapped)
    if others or (is_cut and more_key):
        text = _more(others, more_key) if others else f"{more_key} shows all of it"
        rows.append(content(Piece("▌ ", "dim"), Piece(text, "dim")))
        owners.append(None)
    return rows, owners


def _free_place(box: Size, size: Size, essential: Sequence[Region]) -> Region | None:
    """Return the first free place: at the bottom, at the top, then upwards; at the right, then at the left."""
    if box.width > size.width or box.height > size.height:
        return None
    lowest = size.height - box.height
    for x in dict.fromkeys((max(0, size.width - box.width - 2), 0)):
        free = [y for y in range(lowest, -1, -1) if not any(Region(x, y, *box).overlaps(each) for each in essential)]
        if free:
            # What is at the top stays there while a cursor moves through the lower part.
            return Region(x, free[0] if free[0] >= lowest - LOW_FIELD else free[-1], *box)
    return None


def essential_regions(screen: Screen[object], rack: Widget) -> list[Region]:
    """Return the parts of a screen that are not covered."""
    if isinstance(screen, ModalScreen):
        return [each.region for each in screen.children if each is not rack and each.display and _is_own(each)]
    found: list[Region] = []
    for widget in screen.walk_children(Widget):
        if isinstance(widget, HasEssentials) and widget.display:
            whole = widget.region
            offset = widget.content_region.offset
            found += [part for each in widget.essentials() if (part := each.translate(offset).intersection(whole))]
    field = screen.focused
    if field is not None and not isinstance(field, HasEssentials):
        region = field.region
        if isinstance(field, TextArea) and region.height > LOW_FIELD:
            region = Region(region.x, field.cursor_screen_offset.y, region.width, 1)
        if region.height <= LOW_FIELD:
            found.append(region)
    return found


def _is_own(widget: Widget) -> bool:
    return not widget.has_class("-textual-system")


class NoticeRack(Widget, inherit_css=False):
    """Draws the live notifications of the app; a click dismisses one."""

    DEFAULT_CSS = """
    NoticeRack { layer: _toastrack; position: absolute; display: none; background: $panel; color: $foreground; }
    """
    DEFAULT_CLASSES = "-textual-system"
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._more_key = ""
        self._live: list[Notification] = []
        self._shown: NoticeLayout | None = None
        self._timer: Timer | None = None
        self._source: Iterable[Notification] = []
        self._is_due = False

    def show(self, notifications: Iterable[Notification], more_key: str) -> None:
        """Show what is live of some notifications until their time is over; ``more_key`` lists all there were.

        However many come at once, they are laid out once.
        """
        self._source, self._more_key = notifications, more_key
        if not self._is_due:
            self._is_due = self.call_later(self._update)

    def _update(self) -> None:
        self._is_due = False
        self._live = [each for each in self._source if not each.has_expired]
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._live:
            self._timer = self.set_timer(max(0.01, min(each.time_left for each in self._live)), self._update)
        self._place()

    def keep_clear(self) -> None:
        """Move away from what must be seen."""
        shown = self._shown
        if shown is None or (shown.is_line and shown.region == _bottom_line(self.screen.size)):
            return
        if shown.is_line or any(shown.region.overlaps(each) for each in essential_regions(self.screen, self)):
            self._place()

    def render(self) -> Content:
        return lines(self._shown.rows) if self._shown is not None else Content("")

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if self._shown is not None and event.y < len(self._shown.owners):
            owner = self._shown.owners[event.y]
            if owner is not None:
                self.app._unnotify(owner)

    def _place(self) -> None:
        if not self._live:
            self._shown = None
            self.display = False
            return
        screen = self.screen
        self._shown = lay_out(self._live, screen.size, essential_regions(screen, self), self._more_key)
        region = self._shown.region
        self.styles.width, self.styles.height = region.size
        self.styles.offset = region.offset
        self.display = True
        self.refresh(layout=True)
