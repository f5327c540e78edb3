"""The description of a group of sandboxes: statuses, resources, reasons, images, and when they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

from sandtui.fleet.inventory.cost import Cost, money
from sandtui.fleet.inventory.expiry import STEPS, Expiries, expiries
from sandtui.fleet.inventory.groups import Group
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.usage import share
from sandtui.ui.inventory.sandbox_activity import title
from sandtui.ui.rendering.charts import length
from sandtui.ui.rendering.stacked import status_bar
from sandtui.ui.rendering.status import SHOWN_ORDER, glyph, status_style
from sandtui.ui.rendering.text import Content, Piece, Role, content, cut, fit, outside, width_of
from sandtui.ui.rendering.units import counted, duration, number

MOST_SHOWN = 5
"""Values of each list; the others are added up."""

MOST_ROWS = 20_000
"""Rows that are looked at, to take no longer than 10 ms; the counts by status are those of all."""

BAR_WIDTH = 12
LABEL_WIDTH = 10


def group_detail(group: Group, now: datetime, width: int) -> list[Content]:
    """Return the lines that describe a group, ``width`` cells wide."""
    rows = [
        content(Piece(f"{len(group.rows):,} sandboxes" if len(group.rows) != 1 else "1 sandbox", "bright")),
        *_statuses(group.counts, width),
    ]
    if group.cores:
        held = [counted(round(group.cores, 1), "core"), f"{number(round(group.memory_gb, 1))} GB"]
        held += [counted(group.gpus, "GPU")] if group.gpus else []
        rows += [content(""), content(Piece("In use    ", "dim"), Piece(" · ".join(held)))]
    members = list(islice(group.rows, MOST_ROWS))
    cost = Cost.of(members, now.timestamp())
    if cost.is_known:
        rate = [Piece(f"  ~{money(cost.per_hour)}/h", "dim")] if cost.per_hour else []
        rows.append(content(Piece("Cost      ", "dim"), Piece(cost.text()), *rate))
    rows += [*_measured(members), *_ages(members, now)]
    failed = Counter(row.reason or "no reason given" for row in members if row.status in {"ERROR", "TIMEOUT"})
    rows += _list("Reasons", failed, width, "bad")
    rows += _list("Images", Counter(row.sandbox.docker_image for row in members), width, "info")
    rows += expiry_section(expiries(members, now.timestamp()), width)
    if len(group.rows) > MOST_ROWS:
        rows += [content(""), content(Piece(f"of the first {MOST_ROWS:,}", "dim"))]
    return rows


def expiry_section(found: Expiries, width: int) -> list[Content]:
    """Return a histogram of when sandboxes end; nothing if none is active."""
    if not found.total:
        return []
    counts = [(name, count) for (name, _), count in zip(STEPS, found.counts, strict=True)]
    if found.unlimited:
        counts.append(("never", found.unlimited))
    top = max(count for _, count in counts)
    room = max(4, width - LABEL_WIDTH - width_of(f"{top:,}") - 1)
    rows = [content(""), title("Ends in", width)]
    for index, (name, count) in enumerate(counts):
        # What is about to end stands out, and is the only one.
        role: Role = "busy" if index == 0 else "info" if count else "dim"
        bar = length(count, top, room)
        mark = "!" if index == 0 and count else ""
        rows.append(
            content(
                Piece(f"{name:<{LABEL_WIDTH}}", "dim"),
                Piece(bar, role),
                Piece(f" {count:,}{mark}" if count else "·", role if index == 0 and count else "dim"),
            )
        )
    return rows


def _statuses(counts: Counter[str], width: int) -> list[Content]:
    known = [status for status in SHOWN_ORDER if counts.get(status)]
    others = sorted(status for status in counts if status not in SHOWN_ORDER and counts[status])
    widest = max((width_of(f"{counts[status]:,}") for status in (*known, *others)), default=1)
    rows = [content(*status_bar(counts, width))] if len(known) + len(others) > 1 else []
    return rows + [
        content(glyph(status), Piece(f" {counts[status]:>{widest},} "), Piece(status_style(status).word.lower(), "dim"))
        for status in (*known, *others)
    ]


def _measured(rows: Iterable[Row]) -> list[Content]:
    """Return the mean of what was measured."""
    used = [row.used for row in rows if row.used is not None]
    memory = [row.memory_used for row in rows if row.memory_used is not None]
    if not used and not memory:
        return []
    shares = [f"{share(sum(used) / len(used))} cpu"] if used else []
    shares += [f"{share(sum(memory) / len(memory))} memory"] if memory else []
    count = max(len(used), len(memory))
    return [content(Piece("Used      ", "dim"), Piece(" · ".join(shares)), Piece(f"  mean of {count:,}", "dim"))]


def _ages(rows: Iterable[Row], now: datetime) -> list[Content]:
    created = [row.created for row in rows if row.created]
    if not created:
        return []
    moment = now.astimezone(UTC).timestamp()
    newest, oldest = duration(moment - max(created)), duration(moment - min(created))
    text = newest if newest == oldest else f"{newest} to {oldest}"
    return [content(Piece("Age       ", "dim"), Piece(text))]


def _list(name: str, counts: Counter[str], width: int, role: Role) -> list[Content]:
    """Return the most frequent values with their counts, as text behind a bar."""
    if not counts:
        return []
    top = counts.most_common(MOST_SHOWN)
    rest = counts.total() - sum(count for _, count in top)
    widest = width_of(f"{max(top[0][1], rest):,}")
    bar = min(BAR_WIDTH, max(4, width // 4))
    rows = [content(""), title(name, width)]
    for value, count in top:
        drawn = fit(length(count, top[0][1], bar), bar)
        # A reason is often a sentence: its beginning tells the most.
        rows.append(
            content(
                *cut([Piece(drawn, role), Piece(f" {count:>{widest},} "), outside(value.replace("\n", " "))], width)
            )
        )
    if rest:
        rows.append(content(Piece(f"{'':{bar}} {rest:>{widest},} others", "dim")))
    return rows
