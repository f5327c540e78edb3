"""Avoids full garbage collections, which traverse all long-lived objects and would delay frames."""

from __future__ import annotations

import gc

THRESHOLDS = 5_000, 10, 20
"""Collections only free cycles, and there are few: a refresh of 1,000 sandboxes should not start one."""

_frozen_rows: int | None = None


def pause_collections() -> None:
    """Disable collections until :func:`freeze_live_objects`: imports at startup create no garbage."""
    gc.disable()


def resume_collections() -> None:
    """Enable collections again, where no screen is: a command may run for hours."""
    if not gc.isenabled():
        gc.set_threshold(*THRESHOLDS)
        gc.enable()


def stop_collections() -> None:
    """Exclude all objects from the interpreter's final collections: exiting frees the memory anyway.

    After hours of use they took seconds on a busy machine, during which the process outlived its window.
    """
    gc.disable()
    gc.freeze()


def freeze_live_objects(rows: int) -> None:
    """Exclude live objects from later collections, at the first call and whenever the number of rows has grown.

    The program itself (modules, models, stylesheets) adds 25 to 45 ms to a full collection, and 10,000 sandboxes as
    much again; none of it ever becomes garbage.
    """
    global _frozen_rows
    if _frozen_rows is None or rows > _frozen_rows * 1.2 + 500:
        if _frozen_rows is None:
            gc.set_threshold(*THRESHOLDS)
        _frozen_rows = rows
        gc.freeze()
        gc.enable()
