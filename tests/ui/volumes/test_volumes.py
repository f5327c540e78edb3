"""The volumes screen: what it shows, also while it knows nothing, and creating, deleting and publishing."""

from datetime import timedelta

import pytest

from sandtui.client import (
    APIError,
    AttachedVolume,
    ConflictError,
    CreateSandboxRequest,
    Volume,
    VolumeListResponse,
    VolumeMount,
)
from sandtui.client.flows.volumes import VolumeOperations
from sandtui.ui.dialogs.ask import AskDialog
from sandtui.ui.dialogs.value import ValueDialog
from sandtui.ui.volumes.screen import VolumesScreen
from tests.fleet.factory import sandbox
from tests.probes import text_of
from tests.ui.world import NOW, World, refused, settled, until

SIZES = pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
HOSTILE = "[/red]\x1b]0;x\x07 ‮no"


def volume(name, minutes=60, **fields):
    values = {"id": f"vol_{name}", "name": name, "created_at": NOW - timedelta(minutes=minutes), **fields}
    return Volume.model_validate(values)


VOLUMES = [
    volume("data", 50, head_checkpoint_id="ckpt_0a1b2c3d4e5f", occupied_bytes=312_000_000),
    volume("empty", 1),
    volume(f"weights {HOSTILE}", 90_000, head_checkpoint_id="ckpt_4e5f6a7b8c9d", occupied_bytes=8_100_000_000),
]


def having(number, name, *mounts, **fields):
    return sandbox(number, name=name, volumes=[AttachedVolume(name=each) for each in mounts], **fields)


SANDBOXES = [
    having(1, "writer", "data"),
    *(having(number, f"reader-{number}", "data", VOLUMES[2].name) for number in (2, 3)),
    having(4, "ended", "data", status="TERMINATED"),
    having(5, "plain"),
]


@pytest.fixture
def answer(monkeypatch):
    """Have the platform answer with these volumes, or with an error."""

    def answering(found):
        async def listed(_, **__):
            if isinstance(found, Exception):
                raise found
            return VolumeListResponse(volumes=found, storage_limit_gb=100)

        monkeypatch.setattr(VolumeOperations, "list", listed)

    return answering


async def shown(pilot, sandboxes=SANDBOXES):
    """Show what the platform answers, beside made-up sandboxes."""
    app = await settled(pilot)
    app.services.platform.session.store.apply(sandboxes)
    return await front(pilot, app)


async def opened(pilot, names=("data",)):
    """Show the volumes of the simulated platform, with these names."""
    app = await settled(pilot)
    client = app.services.platform.session.client
    for name in names:
        await client.volumes.create(name)
    return await front(pilot, app)


async def front(pilot, app):
    await pilot.press("8")
    board = app.services.platform.session.volumes
    await until(pilot, lambda: isinstance(app.screen, VolumesScreen) and not board.is_asking)
    await until(pilot, lambda: not board.load_state.is_loading)
    await pilot.pause()
    return app


async def asked(pilot, app, words):
    await until(pilot, lambda: isinstance(app.screen, AskDialog) and app.screen.can_be_read)
    assert words in app.screen.question


def last(app):
    return app.services.notifier.messages[-1].text


@SIZES
def test_the_volumes(snap_compare, answer, size):
    async def steps(pilot):
        answer(VOLUMES)
        await shown(pilot)
        await pilot.press("j", "space", "k")

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


@SIZES
@pytest.mark.parametrize("status", [None, 500, 501, 404], ids=["none", "failed", "unsupported", "unknown"])
def test_nothing_to_show(snap_compare, answer, size, status):
    async def steps(pilot):
        answer(APIError(f"volumes: {HOSTILE}", status_code=status) if status else [])
        await shown(pilot, ())

    assert snap_compare(World(fleet=0), terminal_size=size, run_before=steps)


async def test_what_cannot_be_done_is_said(answer):
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        answer([])
        app = await shown(pilot)
        for key in "WD":
            await pilot.press(key)
            await refused(pilot, "No volumes: n creates one")
        answer(VOLUMES)
        await pilot.press("r")
        await until(pilot, lambda: "data" in text_of(app))
        await pilot.press("j", "W")
        await refused(pilot, "No running sandbox has this volume to write")


async def test_a_list_that_fails_later_stays_and_says_so(answer):
    async with World(fleet=0).run_test(size=(80, 24)) as pilot:
        answer(VOLUMES)
        app = await shown(pilot)
        answer(APIError("the disk is full", status_code=500))
        await pilot.press("r")
        await until(pilot, lambda: "not refreshed: the disk is full" in text_of(app))
        assert "data" in text_of(app)


async def test_volumes_are_created_and_deleted():
    async with World().run_test(size=(80, 24)) as pilot:
        app = await opened(pilot, ("other",))
        client = app.services.platform.session.client
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, ValueDialog))
        await pilot.press(*"other", "enter")
        await until(pilot, lambda: "already exists: choose another name" in text_of(app))
        await pilot.press(*["backspace"] * 5, *"data", "enter")
        await until(pilot, lambda: isinstance(app.screen, VolumesScreen) and app.screen.volume.name == "data")
        assert {each.name for each in (await client.volumes.list()).volumes} == {"data", "other"}
        await pilot.press("n", *"a/b", "enter")
        await until(pilot, lambda: "Volume a/b not created" in last(app))
        await pilot.press("asterisk", "D")
        await asked(pilot, app, "Delete 2 volumes and their data")
        await pilot.press("y")
        await until(pilot, lambda: "No volumes" in text_of(app))
        assert not (await client.volumes.list()).volumes


async def test_a_volume_that_is_attached_is_not_deleted():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await opened(pilot)
        await attached(pilot, app, "writer")
        await pilot.press("D")
        await asked(pilot, app, "attached to 1 sandbox")
        await pilot.press("y")
        await until(pilot, lambda: "Volume data not deleted" in last(app))
        assert app.screen.volume.name == "data"


async def attached(pilot, app, *names, read_only=False):
    """Create sandboxes with the volume, which run when the list shows them."""
    session = app.services.platform.session
    mount = VolumeMount(name="data", mount_path="/data", read_only=read_only)
    made = [
        await session.client.create(CreateSandboxRequest(name=name, docker_image="python:3.12", volumes=[mount]))
        for name in names
    ]
    for each in made:
        while (found := await session.client.get(each.id)).status != "RUNNING":
            app.local_clock.advance(seconds=2)
            await pilot.pause()
        session.store.apply([found])
    await until(pilot, lambda: names[-1] in text_of(app))


async def test_the_copy_of_a_sandbox_is_published():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await opened(pilot)
        await attached(pilot, app, "reader", read_only=True)
        await pilot.press("W")
        await refused(pilot, "No running sandbox has this volume to write")
        await attached(pilot, app, "first", "writer")
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, ValueDialog))
        field = app.screen.query_one("#value")
        assert set(field.choices(field.value)) == {"first", "writer"}
        await pilot.press("ctrl+u", *"writer", "enter")
        await until(pilot, lambda: "Published data of writer" in last(app))
        head = (await app.services.platform.session.client.volumes.get("data")).head_checkpoint_id
        assert head
        await until(pilot, lambda: head[-8:] in text_of(app))


async def test_a_conflict_is_told_and_only_replaced_when_asked(answer, monkeypatch):
    async with World(fleet=0).run_test(size=(120, 36)) as pilot:
        answer(VOLUMES)
        app, calls = await shown(pilot), []

        async def publish(_, sandbox_id, name, force=False, wait=True):
            calls.append((sandbox_id, name, force))
            if len(calls) == 1:
                raise ConflictError("The volume data is being published already", status_code=409)
            if not force:
                raise ConflictError(f"The volume data has a newer version {HOSTILE}", status_code=409)

        async def get(_, name, team_id=None):
            return volume("data", head_checkpoint_id="ckpt_new", occupied_bytes=5)

        monkeypatch.setattr(VolumeOperations, "publish", publish)
        monkeypatch.setattr(VolumeOperations, "get", get)

        async def begin():
            await pilot.press("g", "W")
            await until(pilot, lambda: isinstance(app.screen, ValueDialog))
            await pilot.press("ctrl+u", *"nobody", "enter")
            await until(pilot, lambda: "no running sandbox" in text_of(app))
            await pilot.press("ctrl+u", *"writer", "enter")

        await begin()
        await until(pilot, lambda: "W again when that is over" in last(app))
        await begin()
        await asked(pilot, app, "To keep both")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, VolumesScreen))
        assert len(calls) == 2
        await begin()
        await asked(pilot, app, "Replacing it loses")
        await pilot.press("y")
        await until(pilot, lambda: "Published data of writer" in last(app))
        assert calls[-1] == ("sbx_0001", "data", True)
        await until(pilot, lambda: "ckpt_new" in text_of(app))
