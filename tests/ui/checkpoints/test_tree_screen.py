"""The checkpoint screen: the tree, what can be done in it, and how it is while it is not known."""

from datetime import timedelta

import pytest
from textual.widgets import Input

from sandtui.client import APIError, ConflictError, SandboxCheckpoint
from sandtui.fleet.creation.launch import Step
from sandtui.ui.checkpoints.compare_screen import CompareScreen
from sandtui.ui.checkpoints.screen import CheckpointsScreen
from sandtui.ui.creation.screen import CreateScreen
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.fork import ForkDialog
from tests.fleet.factory import sandbox
from tests.probes import text_of
from tests.ui.world import NOW, World, refused, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
HOSTILE = "[/red]\x1b]0;x\x07 \u202eno"


def checkpoint(name, number, minutes, **fields):
    values = {"id": f"ckpt_{name}", "sandbox_id": f"sbx_{number:04}", "state": "DURABLE", "occupied_bytes": 81_000_000}
    return SandboxCheckpoint.model_validate({**values, "created_at": NOW - timedelta(minutes=minutes), **fields})


CHECKPOINTS = [
    checkpoint("0a1b2c3d4e5f", 1, 55),
    checkpoint("1b2c3d4e5f6a", 1, 40, depth=1, occupied_bytes=312_000_000),
    checkpoint("2c3d4e5f6a7b", 1, 1, depth=2, state="PENDING", occupied_bytes=0),
    checkpoint("3d4e5f6a7b8c", 3, 12, state="FAILED", error=f"the disk is full {HOSTILE}"),
    checkpoint("4e5f6a7b8c9d", 7, 200),
]
SANDBOXES = [
    sandbox(1, name="prepared"),
    *(sandbox(number, name=f"try-{number}", checkpoint_id="ckpt_0a1b2c3d4e5f") for number in (2, 3, 4)),
    sandbox(5, name=HOSTILE, checkpoint_id="ckpt_4e5f6a7b8c9d"),
    sandbox(6, name="orphan", checkpoint_id="ckpt_gone", status="TERMINATED"),
    sandbox(8, name="plain"),
]


def answering(app, found=tuple(CHECKPOINTS)):
    """Have the platform answer with these checkpoints; return what may still be changed."""
    client, known = app.services.platform.session.client, {each.id: each for each in found}

    async def list_checkpoints(sandbox_id, checkpoint_id=None):
        return [each for each in known.values() if each.sandbox_id == sandbox_id]

    async def get_checkpoints(ids):
        return type("Reply", (), {"checkpoints": [known[each] for each in ids if each in known]})

    client.list_checkpoints, client.get_checkpoints = list_checkpoints, get_checkpoints
    return known


async def opened(pilot, found=tuple(CHECKPOINTS), sandboxes=tuple(SANDBOXES)):
    app = await settled(pilot)
    app.services.platform.session.store.apply(sandboxes)
    known = answering(app, found)
    await until(pilot, lambda: app.screen.target is not None or not sandboxes)
    await pilot.press("7")
    await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen) and app.screen.board.load_state.is_loaded)
    await pilot.pause()
    return app, known


def at(app, name):
    """Put the cursor on the line of a sandbox or a checkpoint."""
    ids = [each.node.id for each in app.screen.tree_lines]
    app.screen.view.go_to(ids.index(name))


@SIZES
def test_the_tree(snap_compare, size):
    async def steps(pilot):
        await opened(pilot)
        await pilot.press("g", "j", "space")

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


def test_a_deep_chain_stays_readable(snap_compare):
    async def steps(pilot):
        chain = [sandbox(n, name=f"gen-{n:02}", checkpoint_id=f"ckpt_{n - 1}" if n else None) for n in range(40)]
        await opened(pilot, [checkpoint(str(n), n, 90 - n) for n in range(40)], chain)
        await pilot.press("G")

    assert snap_compare(World(fleet=0), terminal_size=(80, 24), run_before=steps)


@SIZES
@pytest.mark.parametrize("status", [None, 500, 501], ids=["none", "failed", "unsupported"])
def test_nothing_to_show(snap_compare, size, status):
    async def steps(pilot):
        app = await settled(pilot)
        answering(app, [])
        app.services.platform.session.store.apply(SANDBOXES[:1])
        if status:

            async def refuse(*_):
                raise APIError(f"checkpoints: {HOSTILE}", status_code=status)

            app.services.platform.session.client.list_checkpoints = refuse
        app.services.navigator.go_to_checkpoints(())
        board = app.services.platform.session.checkpoints
        await until(pilot, lambda: board.listed_at is not None)
        await pilot.pause()

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


async def test_what_is_pending_becomes_durable_without_a_key_and_the_cursor_stays():
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, known = await opened(pilot)
        at(app, "ckpt_3d4e5f6a7b8c")
        known["ckpt_2c3d4e5f6a7b"] = known["ckpt_2c3d4e5f6a7b"].model_copy(update={"state": "DURABLE"})
        app.screen.tick()
        await until(pilot, lambda: not app.screen.board.pending)
        app.services.platform.session.store.apply([sandbox(0, name="newest", checkpoint_id="ckpt_1b2c3d4e5f6a")])
        await until(pilot, lambda: "newest" in text_of(app))
        assert app.screen.node.id == "ckpt_3d4e5f6a7b8c"


async def test_taking_restoring_and_forking():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        app.screen.query_one("#filter", Input).value = "status:running kind:container"
        await until(pilot, lambda: app.screen.target is not None and app.screen.target.status == "RUNNING")
        source = app.screen.target
        await pilot.press("7")
        await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen) and app.screen.board.load_state.is_loaded)
        await until(pilot, lambda: app.screen.node is not None and app.screen.node.id == source.id)
        tree = app.screen
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        await pilot.press("enter")
        await until(pilot, lambda: tree.node is not None and not tree.node.is_sandbox)
        for _ in range(50):
            tree.tick()
            await pilot.pause()
            if not tree.board.pending:
                break
        checkpoint_id = tree.node.id
        await pilot.press("N")
        await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.plan.requests)
        (request,) = app.screen.plan.requests
        assert (request.checkpoint_id, request.docker_image) == (checkpoint_id, "")
        assert request.cpu_cores == source.sandbox.cpu_cores
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is tree)
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, ForkDialog))
        await pilot.press("backspace", "2", "enter")
        await until(pilot, lambda: app.services.launches.all != [])
        launch = app.services.launches.all[0]
        await until(pilot, lambda: launch.counts[Step.STARTING] == 2)
        assert {item.request.checkpoint_id for item in launch.items} == {checkpoint_id}
        assert len(await app.services.platform.session.client.list_checkpoints(source.id)) == 1


async def test_deleting_names_what_goes_and_says_why_one_stays():
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, _ = await opened(pilot)
        deleted = []

        async def delete(checkpoint_id):
            if checkpoint_id == "ckpt_1b2c3d4e5f6a":
                raise ConflictError("The checkpoint is the newest of a running sandbox.", status_code=409)
            deleted.append(checkpoint_id)

        app.services.platform.session.client.delete_checkpoint = delete
        for name in ("ckpt_0a1b2c3d4e5f", "ckpt_1b2c3d4e5f6a"):
            at(app, name)
            await pilot.press("space")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
        assert "2 checkpoints, 393 MB together" in app.screen.question
        assert "3 sandboxes made from them stay" in app.screen.question
        await pilot.press("y")
        await until(pilot, lambda: "then this one can go" in app.services.notifier.messages[-1].text)
        assert deleted == ["ckpt_0a1b2c3d4e5f"]
        # Its forks still hang on it.
        await until(pilot, lambda: any(each.node.id == deleted[0] for each in app.screen.tree_lines))


async def test_what_cannot_be_done_is_said():
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, _ = await opened(pilot)
        for name, key, words in [
            ("ckpt_2c3d4e5f6a7b", "N", "PENDING, not DURABLE"),
            ("ckpt_3d4e5f6a7b8c", "F", "FAILED, not DURABLE"),
            ("sbx_0001", "N", "Select a checkpoint"),
            ("sbx_0006", "n", "Not running"),
            ("sbx_0001", "equals_sign", "mark two"),
        ]:
            at(app, name)
            await pilot.press(key)
            await refused(pilot, words)


async def test_a_checkpoint_is_compared_with_the_one_before():
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, _ = await opened(pilot)
        at(app, "ckpt_1b2c3d4e5f6a")
        sides = []
        app.services.navigator.open_comparison = lambda *both: sides.extend(both)
        await pilot.press("equals_sign")
        await until(pilot, lambda: len(sides) == 2)
        assert [each.checkpoint.id for each in sides] == ["ckpt_0a1b2c3d4e5f", "ckpt_1b2c3d4e5f6a"]
        assert not isinstance(app.screen, CompareScreen)


async def test_folding_filtering_and_all_sandboxes():
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        app, _ = await opened(pilot)
        at(app, "ckpt_0a1b2c3d4e5f")
        await pilot.press("left")
        await until(pilot, lambda: "try-2" not in text_of(app))
        await pilot.press("right")
        await until(pilot, lambda: "try-2" in text_of(app))
        await pilot.press("a")
        await until(pilot, lambda: "plain" in text_of(app))
        await pilot.press("slash", *"try-3", "enter")
        await until(pilot, lambda: "try-2" not in text_of(app) and "prepared" in text_of(app))
