from sandtui.client.models import SandboxPage
from sandtui.fleet.inventory.find import PER_PAGE, find
from sandtui.fleet.inventory.query import parse
from tests.fleet.factory import NOW, sandbox


class Pages:
    """Lists a fleet by pages, as the platform does."""

    def __init__(self, *sandboxes):
        self.fleet, self.asked = sandboxes, []

    async def list(self, labels=None, status=None, page=1, per_page=50, exclude_terminated=None):
        self.asked.append((labels, status, page))
        part = self.fleet[(page - 1) * per_page : page * per_page]
        more = page * per_page < len(self.fleet)
        return SandboxPage(sandboxes=list(part), total=len(self.fleet), page=page, per_page=per_page, has_next=more)


async def test_all_pages_are_read_and_the_rest_of_the_query_is_done_here():
    client = Pages(*(sandbox(number) for number in range(PER_PAGE + 30)))
    rows = await find(client, parse("#run=42 status:running rollout-012"), NOW)
    assert [row.sandbox.name for row in rows] == [f"rollout-{number:04}" for number in range(120, 130)]
    assert client.asked == [(("run=42",), "RUNNING", 1), (("run=42",), "RUNNING", 2)]


async def test_an_empty_query_is_everything():
    client = Pages(sandbox(1), sandbox(2))
    assert len(await find(client, parse(""), NOW)) == 2
    assert client.asked == [(None, None, 1)]
