"""Calls for images (WIRE.md 2.15)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import model_validator

from sandtui.client.call import Call, Repeat, StreamedBody
from sandtui.client.checks import json_body, segment
from sandtui.client.models.base import Nothing, WireModel
from sandtui.client.models.images import (
    BuildImageRequest,
    BuildImageResponse,
    BulkBuildImageResponse,
    ImageBuild,
    ImageListResponse,
    UpdateImagesResponse,
)

UPLOAD_TIMEOUT = 600.0


class BuildReply(WireModel):
    """The response to a build: one, or one for each source."""

    one: BuildImageResponse | None = None
    several: BulkBuildImageResponse | None = None

    @model_validator(mode="before")
    @classmethod
    def _either(cls, data: object) -> object:
        return {"several": data} if isinstance(data, dict) and "results" in data else {"one": data}


def list_images(
    offset: int, limit: int, team_id: str | None, search: str | None, scope: str | None
) -> Call[ImageListResponse]:
    """Get a page of the images of the user, a team or the platform."""
    query = {"offset": offset, "limit": limit, "teamId": team_id or None, "search": search, "ownerScope": scope}
    return Call("GET", "/images", ImageListResponse, query=query, repeat=Repeat.SAFE)


def begin_build(request: BuildImageRequest) -> Call[BuildReply]:
    """Begin a build, or copies of images."""
    return Call("POST", "/images/build", BuildReply, body=json_body(request.model_dump(exclude_none=True)))


def upload_context(upload_url: str, body: StreamedBody) -> Call[Nothing]:
    """Send the context of a build to the address that the platform returned, which holds a secret."""
    secret = upload_url.partition("://")[2].partition("/")[2]
    return Call(
        "PUT", "", Nothing, body=body, timeout=UPLOAD_TIMEOUT, content_type="application/octet-stream",
        secrets=(secret,) if secret else (),
    )  # fmt: skip


def start_build(build_id: str) -> Call[ImageBuild]:
    """Start a build whose context is uploaded."""
    body = json_body({"context_uploaded": True})
    return Call("POST", f"/images/build/{segment(build_id)}/start", ImageBuild, body=body)


def get_build(build_id: str) -> Call[ImageBuild]:
    """Get the state of a build."""
    return Call("GET", f"/images/build/{segment(build_id)}", ImageBuild, repeat=Repeat.SAFE)


def cancel_build(build_id: str) -> Call[ImageBuild]:
    """Cancel a build, which only the local platform offers."""
    return Call("POST", f"/images/build/{segment(build_id)}/cancel", ImageBuild, body=b"", repeat=Repeat.SAFE)


def update_images(changes: Mapping[str, object]) -> Call[UpdateImagesResponse]:
    """Change images."""
    return Call("PATCH", "/images", UpdateImagesResponse, body=json_body(changes))


def delete_image(name: str, tag: str, team_id: str | None) -> Call[Nothing]:
    """Delete an image; the name may have an owner before it, with slashes."""
    path = "/".join(segment(part) for part in (*name.split("/"), tag))
    return Call("DELETE", f"/images/{path}", Nothing, query={"teamId": team_id or None}, timeout=120.0)
