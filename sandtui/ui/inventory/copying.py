"""What can be copied of a sandbox, and its page in the web console."""

from __future__ import annotations

from typing import Any

from textual.app import App

from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.snippet import attach_script, description
from sandtui.fleet.text.sanitize import clean
from sandtui.ui.dialogs.choose import Choice, ChooseDialog
from sandtui.ui.rendering.text import fit
from sandtui.ui.services.bundle import Services

SHOWN = 36
"""Cells of each text shown in the menu."""


def choose_copy(app: App[Any], services: Services, row: Row) -> None:
    """Ask what to copy of a sandbox; texts that were copied before are offered too."""
    session, clipboard = services.platform.session, services.clipboard
    ports = session.exposures.get(row.id, []) if session is not None else []
    offers = {"id": row.id, "name": row.sandbox.name, "image": row.sandbox.docker_image}
    offers |= {f"URL of port {port.port}": port.url or port.external_endpoint or "" for port in ports}
    offers |= {"SDK script": attach_script(row.sandbox), "description": description(row.sandbox)}
    offers |= {f"recent {index}": text for index, text in enumerate(clipboard.copied, 1)}
    choices = [
        Choice(name, str(index) if index < 10 else "", name, _summary(text))
        for index, (name, text) in enumerate(offers.items(), 1)
    ]

    def chosen(name: str | None) -> None:
        if name:
            clipboard.copy_text(offers[name])

    app.push_screen(ChooseDialog(f"Copy from {row.sandbox.name}", choices), chosen)


def _summary(text: str) -> str:
    # Texts copied before can be large: only their beginning is looked at.
    return fit(" ".join(text[: SHOWN * 20].split()), SHOWN).rstrip()


def open_web_console(services: Services, sandbox_id: str) -> None:
    """Open the web console and copy the id to paste there: a single sandbox has no documented URL."""
    connection = services.platform.connection
    page = connection.config.frontend_url if connection is not None else None
    if page is None:
        services.notifier.notify("No web console known for this platform; set PRIME_FRONTEND_URL", "warning")
        return
    services.clipboard.copy_text(clean(sandbox_id))
    services.clipboard.open_url(page)
