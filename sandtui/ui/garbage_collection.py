"""Keep full garbage collections away from frames: one of them walks through all that stays until the program ends."""

from __future__ import annotations

import gc

THRESHOLDS = 5_000, 10, 20
"""Collections are for cycles alone, and the screens make few: a refresh of 1,000 sandboxes should not start one."""

_frozen_rows: int | None = None


def collect_nothing_yet() -> None:
    """Switch collections off until :func:`spare_what_stays`: what is imported at the start is no garbage."""
    gc.disable()


def collect_nothing_more() -> None:
    """Take everything out of the interpreter's last collections: the process ends, and frees its memory at once.

    After hours of use they took seconds on a busy machine, in which a program whose window was closed lived on.
    """
    gc.disable()
    gc.freeze()


def spare_what_stays(rows: int) -> None:
    """Take what is alive out of later collections: at the first call in this process, and when the fleet has grown.

    The program itself (modules, models, style sheets) costs a full collection 25 to 45 ms, 10,000 sandboxes as much
    again; none of it ever becomes garbage. `rows` is the number of sandboxes that are known.
    """
    global _frozen_rows
    if _frozen_rows is None or rows > _frozen_rows * 1.2 + 500:
        if _frozen_rows is None:
            gc.set_threshold(*THRESHOLDS)
        _frozen_rows = rows
        gc.freeze()
        gc.enable()
