"""What the platform offers to the create form: images, volumes and checkpoints."""

import pytest

from sandtui.client import APIError, AsyncSandboxClient, ImageListItem, ImageListResponse
from sandtui.client.flows.images import ImageOperations
from sandtui.client.flows.volumes import VolumeOperations
from sandtui.fleet.creation.offers import offered_images
from sandtui.ui.creation.screen import CreateScreen
from tests.probes import text_of
from tests.ui.world import NOW, World, settled, until


async def opened(pilot):
    app = await settled(pilot)
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, CreateScreen) and app.screen.lines != [])
    return app


async def test_volumes_and_checkpoints_of_the_platform_are_offered():
    async with World().run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        session = app.services.platform.session
        await session.client.volumes.create("data")
        row = next(row for row in session.store if row.status == "RUNNING" and not row.sandbox.vm)
        taken = await session.client.wait_for_checkpoint((await session.client.checkpoint(row.id)).id)
        await opened(pilot)
        volumes, checkpoint = app.screen.line("volumes"), app.screen.line("checkpoint_id")
        volumes.focus_field()
        await until(pilot, lambda: volumes.words == "↓ data:/data  data:/data:ro")
        await pilot.press("down", "down")
        await until(pilot, lambda: app.screen.plan.requests and app.screen.plan.requests[0].volumes)
        (mount,) = app.screen.plan.requests[0].volumes
        assert (mount.name, mount.mount_path, mount.read_only) == ("data", "/data", True)
        checkpoint.focus_field()
        await until(pilot, lambda: taken.id in checkpoint.words)
        await pilot.press("down")
        await until(pilot, lambda: f"of {row.sandbox.name}" in checkpoint.words)
        assert app.screen.plan.requests[0].checkpoint_id == taken.id


@pytest.mark.parametrize("status", [404, 501, 500])
async def test_a_platform_without_them_offers_none_and_says_nothing(monkeypatch, status):
    asked = []

    async def refuse(*_, **__):
        asked.append(1)
        raise APIError("not here", status_code=status)

    monkeypatch.setattr(VolumeOperations, "list", refuse)
    monkeypatch.setattr(ImageOperations, "list", refuse)
    monkeypatch.setattr(AsyncSandboxClient, "list_checkpoints", refuse)
    async with World(fleet=4).run_test(size=(120, 36)) as pilot:
        app = await opened(pilot)
        await until(pilot, lambda: len(asked) > 3 and app.services.platform.session.checkpoints.listed_at is not None)
        app.screen.line("volumes").focus_field()
        await pilot.pause()
        assert app.screen.line("volumes").words == "NAME:/PATH, or NAME:/PATH:ro"
        assert "not here" not in text_of(app)
        assert not app.services.notifier.messages


async def test_only_finished_images_are_offered_once(monkeypatch):
    def image(name, status="COMPLETED"):
        return ImageListItem(
            id=name, image_name=name, image_tag="1", status=status, full_image_path=name, created_at=NOW
        )

    async def listed(_, *, platform=False, **__):
        own = [image("prime/me/new:1"), image("broken", "FAILED"), image("two words")]
        return ImageListResponse(data=[image("prime/me/new:1"), image("python:3.12")] if platform else own)

    monkeypatch.setattr(ImageOperations, "list", listed)
    async with World(fleet=0).run_test() as pilot:
        app = await settled(pilot)
        assert await offered_images(app.services.platform.session.client) == ["prime/me/new:1", "python:3.12"]
