"""Runs the dashboard, for each command that opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandtui.ui.garbage_collection import stop_collections

if TYPE_CHECKING:
    from sandtui.ui.app import SandtuiApp


def run_dashboard(app: SandtuiApp) -> int:
    """Run the dashboard to its end; return the exit code of the process."""
    try:
        app.run()
    finally:
        stop_collections()
    return app.return_code or 0
