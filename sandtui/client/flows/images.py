"""Images, as ``client.images``."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from sandtui.client import build_context
from sandtui.client.call import StreamedBody
from sandtui.client.calls import images
from sandtui.client.checks import check_seconds, check_text
from sandtui.client.errors import APIError, InvalidRequestError, MalformedReplyError
from sandtui.client.flows.base import Flows
from sandtui.client.models.base import Nothing
from sandtui.client.models.images import (
    BuildImageRequest,
    BuildImageResponse,
    BulkBuildImageResponse,
    ImageBuild,
    ImageListResponse,
    ImageOwner,
    ImageVisibility,
)

BUILD_SECONDS = 3600.0
MAX_PAGE = 250
_PAUSES = (0.2, 0.5, 1.0, 2.0)

Platform = Literal["linux/amd64", "linux/arm64"]


class ImageOperations(Flows):
    """Operations on images. Without ``team_id`` they are those of the configured team, else of the user.

    A sandbox is created from one by its ``full_image_path`` as ``docker_image``.
    """

    async def list(
        self,
        *,
        team_id: str | None = None,
        search: str | None = None,
        platform: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> ImageListResponse:
        """Return a page of the list of images, newest first; with ``platform``, of those that belong to nobody."""
        if offset < 0 or not 1 <= limit <= MAX_PAGE:
            raise InvalidRequestError(f"offset must be at least 0, and limit 1 to {MAX_PAGE}")
        if platform and team_id is not None:
            raise InvalidRequestError("images of the platform belong to no team")
        team = None if platform else self._team(team_id)
        call = images.list_images(offset, limit, team, search, "platform" if platform else None)
        return await self._session.control(call)

    async def transfer_image(
        self,
        source_image: str,
        *,
        image_name: str | None = None,
        image_tag: str | None = None,
        team_id: str | None = None,
        visibility: ImageVisibility | None = None,
        owner_scope: Literal["platform"] | None = None,
        platform: Platform = "linux/amd64",
    ) -> BuildImageResponse | BulkBuildImageResponse:
        """Begin to copy an image from a public registry, or several with commas between them.

        Raises:
            APIError: the platform refused; of several, each has its own error.
        """
        check_text("source_image", source_image)
        request = _request(
            image_name=image_name, image_tag=image_tag, source_image=source_image, team_id=team_id,
            visibility=visibility, owner_scope=owner_scope, platform=platform,
        )  # fmt: skip
        return await self.initiate_build(request)

    async def initiate_build(self, request: BuildImageRequest) -> BuildImageResponse | BulkBuildImageResponse:
        """Begin what a request describes; the context of a Dockerfile is still to be uploaded."""
        reply = await self._session.control(images.begin_build(request))
        response = reply.one or reply.several
        assert response is not None
        if isinstance(response, BuildImageResponse) and request.source_image is None and not response.upload_url:
            raise MalformedReplyError("the platform has returned no address for the context of the build")
        return response

    async def build(
        self,
        context: Path | str,
        image_name: str,
        image_tag: str = "latest",
        *,
        dockerfile: Path | str | None = None,
        team_id: str | None = None,
        visibility: ImageVisibility | None = None,
        platform: Platform = "linux/amd64",
    ) -> BuildImageResponse:
        """Begin to build an image from a directory, which is uploaded without what its .dockerignore names.

        ``dockerfile`` is by default the file of that name in it. Use :meth:`wait_for_build` afterwards.

        Raises:
            InvalidRequestError: the directory cannot be read; nothing was sent.
            NotOfferedError: the platform builds no images.
            APIError: the platform refused; nothing is left of the build.
        """
        check_text("image_name", image_name)
        request = _request(
            image_name=image_name, image_tag=image_tag, dockerfile_path=build_context.DOCKERFILE,
            team_id=self._team(team_id), visibility=visibility, platform=platform,
        )  # fmt: skip
        stop = threading.Event()
        path = None if dockerfile is None else Path(dockerfile)
        try:
            archive = await self._session.port.work(build_context.pack, Path(context), path, stop)
        finally:
            stop.set()
        with archive:
            response = await self.initiate_build(request)
            assert isinstance(response, BuildImageResponse)
            try:
                size = os.fstat(archive.fileno()).st_size
                body = StreamedBody(size, lambda: build_context.pieces(archive))
                await self._upload(response.upload_url or "", body)
                await self.start_build(response.build_id)
            except BaseException:
                # Only this call knows the build.
                await self._session.port.shielded(self._give_up(response.build_id))
                raise
        return response

    async def start_build(self, build_id: str) -> ImageBuild:
        """Start a build whose context is uploaded."""
        return await self._session.control(images.start_build(build_id))

    async def get_build_status(self, build_id: str) -> ImageBuild:
        """Return the state of a build."""
        return await self._session.control(images.get_build(build_id))

    async def wait_for_build(self, build_id: str, timeout_seconds: float = BUILD_SECONDS) -> ImageBuild:
        """Return a build once it is COMPLETED, FAILED or CANCELLED, or as it is after ``timeout_seconds``."""
        check_seconds("timeout_seconds", timeout_seconds)
        end = self._session.port.monotonic() + timeout_seconds
        number = 0
        while True:
            found = await self.get_build_status(build_id)
            left = end - self._session.port.monotonic()
            if found.has_ended or left <= 0:
                return found
            await self._session.port.sleep(min(_PAUSES[min(number, len(_PAUSES) - 1)], left))
            number += 1

    async def cancel_build(self, build_id: str) -> ImageBuild:
        """Cancel a build. Only the local platform offers this.

        Raises:
            ConflictError: it has ended.
        """
        return await self._session.control(images.cancel_build(build_id))

    async def update(
        self,
        reference: str,
        *,
        name: str | None = None,
        tag: str | None = None,
        owner: ImageOwner | None = None,
        visibility: ImageVisibility | None = None,
        dry_run: bool = False,
    ) -> None:
        """Rename an image, give it to a team or the platform, or change its visibility.

        Raises:
            APIError: it was not changed.
        """
        check_text("reference", reference)
        change: dict[str, object] = {"name": name, "tag": tag, "visibility": visibility}
        change["owner"] = None if owner is None else owner.on_the_wire()
        change = {key: value for key, value in change.items() if value is not None}
        if not change:
            raise InvalidRequestError("give something to change: name, tag, owner or visibility")
        updates = [{"source": self._source(reference), "set": change}]
        call = images.update_images({"mode": "explicit", "dryRun": dry_run, "updates": updates})
        for result in (await self._session.control(call)).results:
            if not result.success:
                message = result.error.message if result.error is not None else ""
                raise APIError(message or "the image was not changed", method="PATCH", path="/images")

    async def delete(self, reference: str, *, team_id: str | None = None) -> None:
        """Delete an image, ``NAME:TAG`` or with its owner before it.

        Raises:
            NotFoundError: there is none of this name.
            ConflictError: a sandbox is being created from it.
        """
        name, tag = _parts(reference)
        team = None if "/" in name else self._team(team_id)
        await self._session.control(images.delete_image(name, tag, team))

    async def _upload(self, url: str, body: StreamedBody) -> Nothing:
        return await self._session.open_call(url, images.upload_context(url, body))

    async def _give_up(self, build_id: str) -> None:
        # Otherwise it ends by itself: its context never comes.
        with contextlib.suppress(APIError):
            await self.cancel_build(build_id)

    def _source(self, reference: str) -> dict[str, object]:
        name, tag = _parts(reference)
        if "/" in name:
            return {"reference": reference}
        team = self._team(None)
        owner = ImageOwner(type="team", team_id=team) if team else ImageOwner()
        return {"owner": owner.on_the_wire(), "name": name, "tag": tag}

    def _team(self, team_id: str | None) -> str | None:
        return (team_id if team_id is not None else self._session.config.team_id) or None


def _parts(reference: str) -> tuple[str, str]:
    name, colon, tag = check_text("the name of an image", reference).rpartition(":")
    if not colon or not name or not tag or "/" in tag:
        raise InvalidRequestError(f"{reference!r} has no tag; write NAME:TAG")
    return name, tag


def _request(**values: object) -> BuildImageRequest:
    try:
        return BuildImageRequest.model_validate(values)
    except ValidationError as error:
        where = ", ".join(str(item["loc"][0]) for item in error.errors() if item["loc"])
        raise InvalidRequestError(f"these values can't be sent: {where}") from None
