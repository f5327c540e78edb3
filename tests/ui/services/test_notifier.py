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
