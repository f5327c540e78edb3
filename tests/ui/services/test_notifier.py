"""What the user is told stands on the screen, however long it is."""

import pytest

from tests.probes import Toast
from tests.ui.world import World, settled


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_the_newest_notice_is_seen(size):
    app = World(fleet=3)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        room = size[0] * 6 // 10
        for length in range(room - 6, room + 6):
            app.clear_notifications()
            app.services.notifier.notify("x" * length)
            app.services.notifier.notify("the newest")
            await settled(pilot)
            toasts = [toast for toast in app.screen.query(Toast) if toast.is_attached]
            newest = toasts[-1]
            assert newest.region.bottom <= size[1] - 1, f"after one of {length} characters"
            assert app.screen.get_widget_at(newest.region.x + 1, newest.region.y)[0] is newest


@pytest.mark.parametrize(
    ("title", "shown"), [("QR code", "QR code"), ("edit as TOML", "Edit as TOML"), ("kill", "Kill")]
)
async def test_a_refusal_keeps_the_capitals_of_its_title(title, shown):
    app = World(fleet=0)
    async with app.run_test() as pilot:
        await settled(pilot)
        app.services.notifier.refuse("[b]no[/b]", title)
        await pilot.pause()
        assert app.screen.query_one("#dialog").border_title == shown
        assert app.screen.reason == "[b]no[/b]"
