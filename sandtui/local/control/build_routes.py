"""The calls about images and their builds (client/WIRE.md 2.15)."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandtui.clock import Clock
from sandtui.local import wire
from sandtui.local.control.api_key import Row
from sandtui.local.control.builds import UPLOAD_SECONDS, Builds
from sandtui.local.control.image_names import copy_name, is_docker_hub, name_error, named_images
from sandtui.local.control.images import reference_error
from sandtui.local.drivers.base import Driver, Refused
from sandtui.local.store.images import ImageName, ImageRecord

MAX_SOURCES: Final = 100
MAX_UPDATES: Final = 100
MAX_PAGE: Final = 250

Visibility = Literal["PRIVATE", "PUBLIC"]
_Name = Annotated[wire.Text, StringConstraints(min_length=1, max_length=300)]


class BuildBody(wire.RequestBody):
    """A copy of images (``source_image``), or the build of a Dockerfile."""

    image_name: _Name | None = None
    image_tag: _Name | None = None
    dockerfile_path: Annotated[wire.Text, StringConstraints(min_length=1, max_length=1000)] = "Dockerfile"
    source_image: Annotated[wire.Text, StringConstraints(max_length=50_000)] | None = None
    platform: Literal["linux/amd64", "linux/arm64"] = "linux/amd64"
    team_id: Annotated[wire.Text, StringConstraints(max_length=100)] | None = None
    visibility: Visibility | None = None
    owner_scope: Literal["platform"] | None = None

    @property
    def sources(self) -> list[str]:
        """The images to copy."""
        return [source.strip() for source in (self.source_image or "").split(",") if source.strip()]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sources = self.sources
        if self.source_image is not None and not 0 < len(sources) <= MAX_SOURCES:
            raise ValueError(f"source_image: name 1 to {MAX_SOURCES} images")
        if len(sources) > 1 and (self.image_name or self.image_tag):
            raise ValueError("image_name: only one source can have another name")
        if self.source_image is None and self.image_name is None:
            raise ValueError("image_name: is required")
        if self.image_tag is not None and self.image_name is None:
            raise ValueError("image_tag: needs image_name")
        hub = [source for source in sources if is_docker_hub(source)]
        if hub and len(hub) < len(sources):
            raise ValueError("source_image: images of Docker Hub and of other registries need separate requests")
        if hub and (self.image_name or self.team_id or self.visibility == "PRIVATE"):
            raise ValueError("source_image: a copy from Docker Hub is public and has no other name or team")
        if hub:
            self.owner_scope = "platform"
        if self.owner_scope is not None and (self.team_id or self.visibility == "PRIVATE"):
            raise ValueError("owner_scope: an image of the platform is public and has no team")
        path = posixpath.normpath(self.dockerfile_path)
        if path.startswith(("/", "../")) or path in (".", ".."):
            raise ValueError("dockerfile_path: must be a path inside the context")
        return self

    @property
    def owner(self) -> str:
        """The owner of the image."""
        if self.owner_scope is not None:
            return "platform"
        return f"team-{self.team_id}" if self.team_id else "personal"

    def destination(self, source: str | None) -> ImageName:
        """Return the name of the image, which a copy has from its source."""
        if self.image_name is not None or source is None:
            return ImageName(self.owner, self.image_name or "", self.image_tag or "latest")
        return copy_name(source, self.owner)


class StartBody(wire.RequestBody):
    """The start of a build."""

    context_uploaded: bool = True


class OwnerBody(wire.RequestBody):
    """The owner of an image."""

    type: Literal["personal", "team", "platform"]
    teamId: Annotated[wire.Text, StringConstraints(min_length=1, max_length=100)] | None = None  # noqa: N815

    @model_validator(mode="after")
    def _team_has_id(self) -> Self:
        if (self.type == "team") != (self.teamId is not None):
            raise ValueError("owner: teamId belongs to the type team")
        return self

    @property
    def owner(self) -> str:
        """The owner as records have it."""
        return f"team-{self.teamId}" if self.teamId is not None else self.type


class SourceBody(wire.RequestBody):
    """Names an image: by a reference, or by owner, name and tag."""

    reference: _Name | None = None
    owner: OwnerBody | None = None
    name: _Name | None = None
    tag: _Name | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        parts = (self.owner, self.name, self.tag)
        if (self.reference is not None) == any(parts) or (self.reference is None and not all(parts)):
            raise ValueError("source: give either reference or owner, name and tag")
        return self


class ChangeBody(wire.RequestBody):
    """What is changed of an image."""

    name: _Name | None = None
    tag: _Name | None = None
    owner: OwnerBody | None = None
    visibility: Visibility | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not any((self.name, self.tag, self.owner, self.visibility)):
            raise ValueError("set: must change something")
        return self


class UpdateBody(wire.RequestBody):
    """One change of one image."""

    source: SourceBody
    set: ChangeBody


class UpdatesBody(wire.RequestBody):
    """Changes of images, each on its own."""

    mode: Literal["explicit"] = "explicit"
    dryRun: bool = False  # noqa: N815
    updates: list[UpdateBody] = Field(min_length=1, max_length=MAX_UPDATES)


class BuildRoutes:
    """The calls about images; uploads of contexts have no API key, but a secret in their URL."""

    def __init__(self, builds: Builds, driver: Driver, clock: Clock, base_url: Callable[[], str]) -> None:
        self._builds = builds
        self._driver = driver
        self._clock = clock
        self._base_url = base_url

    def rows(self) -> list[Row]:
        """Return the calls."""
        return [
            ("GET", "/images", self.get_all),
            ("PATCH", "/images", self.update),
            ("POST", "/images/build", self.begin),
            ("GET", "/images/build/{id}", self.get),
            ("POST", "/images/build/{id}/start", self.start),
            ("POST", "/images/build/{id}/cancel", self.cancel),
            ("DELETE", "/images/{name:path}/{tag}", self.delete),
            ("*", "/images/{rest:path}", self.unknown),
        ]

    def open_routes(self) -> list[Route]:
        """Return the call for uploads."""
        return [Route("/uploads/{id}/{token}", self.upload, methods=["PUT"])]

    async def get_all(self, request: Request) -> Response:
        """GET /images."""
        query = request.query_params
        offset = wire.number(request, "offset", 0, 0, 1_000_000_000)
        limit = wire.number(request, "limit", 100, 1, MAX_PAGE)
        team_id = query.get("teamId") or None
        scope = query.get("ownerScope") or None
        if scope not in (None, "platform") or (scope and team_id):
            raise wire.invalid("ownerScope", "can only be platform, without teamId")
        owner = scope or (f"team-{team_id}" if team_id else "personal")
        text = (query.get("search") or "").lower()
        # The page counts images; each has as many rows as builds that are still worth knowing.
        groups: dict[ImageName, list[ImageRecord]] = {}
        for record in reversed(list(self._builds.records)):
            if record.image.owner == owner and text in str(record.image).lower():
                groups.setdefault(record.image, []).append(record)
        shown = list(groups.values())[offset : offset + limit]
        data = [_row(record) for group in shown for record in group]
        return wire.AsciiJSONResponse({"data": data, "totalCount": len(groups), "offset": offset, "limit": limit})

    async def begin(self, request: Request) -> Response:
        """POST /images/build."""
        body = await wire.read_body(request, BuildBody)
        if body.source_image is None and (refusal := self._driver.images.no_builds) is not None:
            raise wire.not_offered(refusal)
        try:
            self._driver.images.check(body.platform)
        except Refused as refused:
            raise wire.invalid(refused.param, refused.details) from refused
        if len(body.sources) < 2:
            source = body.sources[0] if body.sources else None
            if (wrong := self._wrong(body, source)) is not None:
                raise wire.invalid("image_name" if source is None or body.image_name else "source_image", wrong)
            response = await self._begin(body, source)
            return wire.AsciiJSONResponse(response, HTTPStatus.CREATED)
        results, seen = [], set[ImageName]()
        for source in body.sources:
            destination = body.destination(source)
            wrong = self._wrong(body, source)
            if wrong is None and destination in seen:
                wrong = f"duplicate: another source of this request is copied to {destination}"
            seen.add(destination)
            build = None if wrong is not None else await self._begin(body, source)
            # Older SDKs read the build in the row itself.
            flat = {} if build is None else {"buildId": build["build_id"], **build}
            row = {"sourceImage": source, "build": build, "error": wrong, "retryable": False}
            results.append({**flat, **row, "success": build is not None})
        return wire.AsciiJSONResponse({"results": results}, HTTPStatus.CREATED)

    async def get(self, request: Request) -> Response:
        """GET /images/build/{id}."""
        record = self._named(request)
        # The log is this platform's addition.
        logs = await self._builds.log_of(record)
        return wire.AsciiJSONResponse({**_row(record), "build_id": record.id, "logs": logs})

    async def start(self, request: Request) -> Response:
        """POST /images/build/{id}/start."""
        record = self._named(request)
        body = await wire.read_body(request, StartBody)
        if not body.context_uploaded:
            raise wire.invalid("context_uploaded", "must be true: upload the context first")
        record = await self._builds.start(record)
        return wire.AsciiJSONResponse({**_row(record), "build_id": record.id})

    async def cancel(self, request: Request) -> Response:
        """POST /images/build/{id}/cancel, which the API of the hosted platform does not have."""
        record = await self._builds.cancel(self._named(request))
        return wire.AsciiJSONResponse({**_row(record), "build_id": record.id})

    async def delete(self, request: Request) -> Response:
        """DELETE /images/{name}/{tag}."""
        reference = f"{request.path_params['name']}:{request.path_params['tag']}"
        image = self._existing(reference, request.query_params.get("teamId") or None)
        if image is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, f"Image {reference} not found")
        await self._builds.delete(image)
        return wire.AsciiJSONResponse({"success": True, "message": f"Image {image} deleted"})

    async def update(self, request: Request) -> Response:
        """PATCH /images."""
        body = await wire.read_body(request, UpdatesBody)
        results = [await self._update(each, is_dry=body.dryRun) for each in body.updates]
        success = all(result["success"] for result in results)
        return wire.AsciiJSONResponse({"success": success, "dryRun": body.dryRun, "results": results})

    async def upload(self, request: Request) -> Response:
        """PUT /uploads/{id}/{token}."""
        await self._builds.upload(request)
        return wire.AsciiJSONResponse({"success": True})

    async def unknown(self, request: Request) -> Response:
        """Answer all other paths."""
        raise wire.problem(HTTPStatus.NOT_FOUND, "Not Found")

    def _wrong(self, body: BuildBody, source: str | None) -> str | None:
        if source is not None and reference_error(source) is not None:
            return f"{source!r} is not a valid reference of an image"
        return name_error(body.destination(source))

    async def _begin(self, body: BuildBody, source: str | None) -> dict[str, Any]:
        image = body.destination(source)
        before = self._builds.records.named(image)
        # An image that is built again keeps its visibility.
        visibility = body.visibility or (before[-1].visibility if before else "PRIVATE")
        record = await self._builds.begin(
            ImageRecord(
                id=f"img_{secrets.token_hex(12)}",
                image=image,
                created_at=self._clock.now(),
                visibility="PUBLIC" if image.owner == "platform" else visibility,
                source_image=source,
                dockerfile_path=posixpath.normpath(body.dockerfile_path),
                platform=body.platform,
            )
        )
        upload = {} if source else {"upload_url": self._base_url() + self._builds.upload_path(record)}
        return {
            "build_id": record.id,
            "buildIds": [record.id],
            "fullImagePath": str(record.image),
            "visibility": record.visibility,
            **(upload and {**upload, "expires_in": UPLOAD_SECONDS}),
        }

    def _named(self, request: Request) -> ImageRecord:
        found = self._builds.records.get(request.path_params["id"])
        if found is None:
            raise wire.problem(HTTPStatus.NOT_FOUND, "Build not found")
        return found

    def _existing(self, reference: str, team_id: str | None) -> ImageName | None:
        names = named_images(reference, team_id)
        return next((image for image in names if self._builds.records.named(image)), None)

    async def _update(self, body: UpdateBody, *, is_dry: bool) -> dict[str, Any]:
        source = body.source
        if source.reference is not None:
            image = self._existing(source.reference, None)
        else:
            assert source.owner is not None
            image = ImageName(source.owner.owner, source.name or "", source.tag or "")
        result: dict[str, Any] = {"source": source.model_dump(exclude_none=True), "success": False}
        found = [] if image is None else self._builds.records.named(image)
        if image is None or not found:
            return result | {"error": {"code": "NOT_FOUND", "message": "Image not found"}}
        change = body.set
        owner = image.owner if change.owner is None else change.owner.owner
        new = ImageName(owner, change.name or image.name, change.tag or image.tag)
        visibility = change.visibility or found[-1].visibility
        if owner == "platform":
            visibility = "PUBLIC"
        if (wrong := name_error(new)) is not None:
            return result | {"error": {"code": "INVALID", "message": wrong}}
        if change.visibility == "PRIVATE" and owner == "platform":
            return result | {"error": {"code": "INVALID", "message": "Platform images are always public"}}
        if new != image and self._builds.records.named(new):
            return result | {"error": {"code": "CONFLICT", "message": f"The image {new} already exists"}}
        result["before"] = _state(image, found[-1].visibility)
        if not is_dry:
            for record in found:
                await self._builds.records.put(replace(record, image=new, visibility=visibility))
        return result | {"success": True, "after": _state(new, visibility)}


def _state(image: ImageName, visibility: str) -> dict[str, Any]:
    owner = {"type": image.owner_type} | ({} if image.team_id is None else {"teamId": image.team_id})
    return {"owner": owner, "name": image.name, "tag": image.tag, "visibility": visibility}


def _row(record: ImageRecord) -> dict[str, Any]:
    times = {"createdAt": record.created_at, "startedAt": record.started_at, "completedAt": record.completed_at}
    completed = record.completed_at if record.status == "COMPLETED" else None
    return {
        "id": record.id,
        "artifactType": "VM_SANDBOX",
        "imageName": record.image.name,
        "imageTag": record.image.tag,
        "status": record.status,
        "fullImagePath": str(record.image),
        "displayRef": str(record.image),
        "errorMessage": record.error,
        "sizeBytes": record.size_bytes,
        "visibility": record.visibility,
        "teamId": record.image.team_id,
        "ownerType": record.image.owner_type,
        "sourceImage": record.source_image,
        "pushedAt": completed and wire.timestamp(completed),
        **{name: when and wire.timestamp(when) for name, when in times.items()},
    }
