"""Work on many by keys: choose, plan, confirm, follow, try again; on the simulated platform."""

import asyncio
import json

from textual.widgets import Input

from sandtui.fleet.inventory.bulk import BulkResult, BulkRun, BulkState
from sandtui.ui.dialogs.bulk import BulkDialog
from sandtui.ui.dialogs.choose import ChooseDialog
from sandtui.ui.dialogs.plan import PlanDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.inventory.screen import FleetScreen
from tests.probes import text_of
from tests.ui.world import World, settled, until


async def type_text(pilot, text):
    field = pilot.app.screen.query_one(Input)
    field.value = text
    await pilot.press("enter")
    await pilot.pause()


async def confirm(pilot, count=None):
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
    if count is None:
        await pilot.press("y")
    else:
        await type_text(pilot, str(count))
    await pilot.pause()


async def filter_by(pilot, text):
    field = pilot.app.screen.query_one("#filter", Input)
    field.value = text
    await pilot.pause()


def app_with(**options):
    return World(**options)


async def test_a_job_is_started_in_all_that_match_and_the_failed_can_be_marked():
    app = app_with()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await filter_by(pilot, "status:running #rl")
        await pilot.press("m")
        assert isinstance(app.screen, ChooseDialog)
        await pilot.press("j")
        assert isinstance(app.screen, ValueDialog)
        await type_text(pilot, "false")
        await confirm(pilot)
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        run = app.screen.run
        assert run.count(BulkState.FAILED) == 10
        assert all("the shell reported" in item.words for item in run.items)
        await pilot.press("asterisk")
        assert isinstance(app.screen, FleetScreen)
        assert app.screen.view.marks == set(run.failed_ids)


async def test_what_failed_is_tried_again():
    app = app_with()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await filter_by(pilot, "status:running #rl")
        await pilot.press("asterisk", "m", "j")
        await type_text(pilot, "false")
        await confirm(pilot)
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        run, before = app.screen.run, app.screen
        await pilot.press("U")
        await until(pilot, lambda: app.screen is not before and isinstance(app.screen, BulkDialog) and run.is_over)
        assert run.count(BulkState.FAILED) == 10
        await pilot.press("escape")
        assert isinstance(app.screen, FleetScreen)


async def test_deleting_many_needs_the_number_and_nothing_else_will_do():
    app = app_with()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("asterisk", "D")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
        await pilot.press("y", "enter")
        await pilot.pause()
        assert isinstance(app.screen, PlanDialog), "a letter and enter confirm nothing"
        await type_text(pilot, "24")
        assert isinstance(app.screen, PlanDialog)
        await type_text(pilot, "25")
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        assert app.screen.run.count(BulkState.DONE) == 25
        store = app.services.platform.session.store
        assert all(row.sandbox.is_finished for row in store)


async def test_the_buttons_of_a_plan_are_in_view_in_a_small_window():
    app = app_with()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for keys in (["asterisk", "D"], ["u", "percent_sign"], ["D"]):
            await pilot.press(*keys)
            await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
            dialog, buttons = app.screen.query_one("#dialog"), app.screen.query_one("#dialog-buttons")
            assert dialog.content_region.contains_region(buttons.region)
            await pilot.press("escape")


async def test_a_dialog_that_was_closed_does_nothing():
    app = app_with()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for keys in (("asterisk", "D", "escape"), ("m", "escape"), ("m", "j", "escape")):
            await pilot.press(*keys)
            await pilot.pause()
            assert isinstance(app.screen, FleetScreen)
        assert app.services.platform.session.store.counts["RUNNING"] == 22


async def test_ids_are_copied_and_a_table_is_written_once(tmp_path):
    app = app_with()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await filter_by(pilot, "status:error")
        await pilot.press("m", "y")
        await pilot.pause()
        assert len(app.clipboard.split("\n")) == 3
        file = tmp_path / "out.json"
        await pilot.press("m", "o")
        await type_text(pilot, str(file))
        await until(pilot, lambda: any("Saved " in said.text for said in app.services.notifier.messages))
        assert {row["status"] for row in json.loads(file.read_text())} == {"ERROR"}
        await pilot.press("m", "o")
        await type_text(pilot, str(file))
        assert isinstance(app.screen, ValueDialog), "a file that is there is not overwritten"


async def test_cancelling_ends_the_work():
    app = app_with()
    release = asyncio.Event()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)

        async def stuck(sandbox_id, command, working_dir=None):
            await release.wait()

        app.services.platform.session.client.start_background_job = stuck
        await filter_by(pilot, "status:running #rl")
        await pilot.press("m", "j")
        await type_text(pilot, "sleep 9")
        await confirm(pilot)
        await until(pilot, lambda: isinstance(app.screen, BulkDialog))
        run = app.screen.run
        await until(pilot, lambda: run.count(BulkState.RUNNING) == 10)
        await pilot.press("K")
        await until(pilot, lambda: run.is_over)
        assert run.count(BulkState.CANCELLED) == 10
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, FleetScreen)


async def test_deleting_by_label_counts_what_is_not_shown_and_needs_the_number():
    app = app_with()
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.services.platform.ask_for = lambda part: (
            None
        )  # so that the platform does not bring back what is taken away here
        store = app.services.platform.session.store
        alive = [row for row in store if "rl" in row.sandbox.labels and not row.sandbox.is_finished]
        await filter_by(pilot, "#rl status:running")
        await pilot.press("m", "L")
        await pilot.pause()
        assert isinstance(app.screen, ChooseDialog), "the filter says more than labels: not offered"
        await pilot.press("escape")
        await filter_by(pilot, "#rl")
        store.remove([alive[0].id])
        await until(pilot, lambda: app.screen.view.place(alive[0].id) is None)
        await pilot.press("m", "L")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.can_be_read)
        assert f"{len(alive)} have this label, 1 of them" in text_of(app)
        await type_text(pilot, str(len(alive) - 1))
        assert isinstance(app.screen, PlanDialog)
        await type_text(pilot, str(len(alive)))
        await until(pilot, lambda: any(said.text.startswith("Deleted") for said in app.services.notifier.messages))
        assert not [row for row in store if "rl" in row.sandbox.labels and not row.sandbox.is_finished]


async def test_the_results_offer_what_can_be_done_with_their_sandboxes():
    app = app_with()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await filter_by(pilot, "status:running #rl")
        await pilot.press("m", "j")
        await type_text(pilot, "false")
        await confirm(pilot)
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        await until(pilot, lambda: "* mark failed   enter open   L logs   esc close" in text_of(app))
        await pilot.press("escape")

        async def work(sandbox_ids):
            return {each: BulkResult(True, "") for each in sandbox_ids}

        run = BulkRun("Try it", [app.screen.target], work, app.services.clock)
        app.services.bulk.run(run)
        app.services.bulk.show(run)
        await until(pilot, lambda: isinstance(app.screen, BulkDialog) and app.screen.run.is_over)
        await until(pilot, lambda: "enter open   s shell   L logs   f files   esc close" in text_of(app))
        await pilot.press("L")
        await until(pilot, lambda: getattr(app.screen, "SCOPE", "") == "log")
