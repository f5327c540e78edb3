"""The least that shows a live fleet with Textual, httpx and pydantic: one list request and a table of three columns.

It draws its first frame before it imports httpx and pydantic, as sandtui does. Run by ``start.py``.
"""

import asyncio
import os
import sys
from datetime import datetime
from importlib import import_module

from textual.app import App
from textual.widgets import DataTable, Static


def import_libraries():
    """Import httpx, without its command line, and pydantic."""
    sys.modules["httpx._main"] = None
    return import_module("httpx"), import_module("pydantic")


async def fetch(httpx, pydantic):
    """Return the first page of the fleet, validated."""
    from pydantic.alias_generators import to_camel

    class Sandbox(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")
        id: str
        name: str
        docker_image: str
        status: str
        cpu_cores: float
        timeout_minutes: int
        labels: list[str]
        created_at: datetime
        started_at: datetime | None = None

    class Page(pydantic.BaseModel):
        sandboxes: list[Sandbox]

    headers = {"Authorization": f"Bearer {os.environ['PRIME_API_KEY']}"}
    async with httpx.AsyncClient(headers=headers) as client:
        url = f"{os.environ['PRIME_API_BASE_URL']}/api/v1/sandbox"
        reply = await client.get(url, params={"per_page": 100})
        return Page.model_validate_json(reply.content).sandboxes


class Least(App):
    """A line, and a table."""

    def compose(self):
        """Both are empty at first."""
        yield Static("first frame")
        yield DataTable()

    def on_mount(self):
        """Draw first."""
        self.query_one(DataTable).add_columns("name", "image", "status")
        self.call_after_refresh(self.run_worker, self.load)

    async def load(self):
        """Show the fleet."""
        rows = await fetch(*await asyncio.to_thread(import_libraries))
        assert rows
        table = self.query_one(DataTable)
        for row in rows:
            table.add_row(row.name, row.docker_image, row.status)
        self.query_one(Static).update("live")


if __name__ == "__main__":
    Least().run()
