"""The demo compares the generated files of its sandboxes like those of real ones."""

from sandtui.ui.checkpoints.compare_screen import CompareScreen
from tests.probes import text_of
from tests.ui.checkpoints.test_compare import SIZES
from tests.ui.every_screen import opened
from tests.ui.world import World, until


@SIZES
async def test_the_demo_shows_what_differs_in_the_files_of_two_sandboxes(size):
    async with World(fleet=30).run_test(size=size) as pilot:
        app = await opened(pilot, CompareScreen)
        await until(pilot, lambda: "config.toml" in text_of(app))
        # Files with the same content are left out, whatever their times.
        assert "outputs/train.log" not in text_of(app)
        await until(pilot, lambda: "-# build-0022" in text_of(app) and "+# eval-code-016" in text_of(app))
