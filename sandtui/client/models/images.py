"""Images and their builds (WIRE.md 2.15)."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from sandtui.client.models.base import Moment, RequestModel, RowsModel, WireModel, readable_rows


class ImageVisibility(StrEnum):
    """Who may create sandboxes from an image."""

    PRIVATE = "PRIVATE"
    PUBLIC = "PUBLIC"


class ImageBuildStatus(StrEnum):
    """The states of a build."""

    PENDING = "PENDING"
    UPLOADING = "UPLOADING"
    BUILDING = "BUILDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class ImageArtifactType(StrEnum):
    """What an image is for."""

    VM_SANDBOX = "VM_SANDBOX"


class ImageOwnerType(StrEnum):
    """Who owns an image."""

    PERSONAL = "personal"
    TEAM = "team"
    PLATFORM = "platform"


ENDED_BUILDS = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


class ImageListItem(WireModel):
    """An image, or a build that has made none. A status that is not known here is kept. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    id: str
    artifact_type: str = "VM_SANDBOX"
    image_name: str
    image_tag: str
    status: str
    full_image_path: str | None = None
    error_message: str | None = None
    size_bytes: int | None = None
    visibility: str = "PRIVATE"
    created_at: Moment
    started_at: Moment | None = None
    completed_at: Moment | None = None
    pushed_at: Moment | None = None
    team_id: str | None = None
    owner_type: str = "personal"
    display_ref: str | None = None

    @property
    def reference(self) -> str:
        """The name that sandboxes are created with."""
        return self.full_image_path or self.display_ref or f"{self.image_name}:{self.image_tag}"


class ImageListResponse(RowsModel):
    """A page of the list of images. The page counts images, each of which may have several rows."""

    data: Annotated[list[ImageListItem], readable_rows(ImageListItem)] = Field(default_factory=list)
    total_count: int | None = None
    offset: int = 0
    limit: int = 0


class BuildImageRequest(RequestModel):
    """A Dockerfile to build, or images to copy (``source_image``, several with commas).

    Copies from Docker Hub are public images of the platform: they take no other name, no team and no visibility.
    """

    image_name: str | None = None
    image_tag: str | None = None
    dockerfile_path: str = "Dockerfile"
    source_image: str | None = None
    platform: Literal["linux/amd64", "linux/arm64"] = "linux/amd64"
    team_id: str | None = None
    visibility: ImageVisibility | None = None
    owner_scope: Literal["platform"] | None = None


class BuildImageResponse(WireModel):
    """A build that has begun; one of a Dockerfile waits for its context at ``upload_url``."""

    build_id: str
    build_ids: list[str] = Field(default_factory=list, alias="buildIds")
    upload_url: str | None = Field(default=None, alias="upload_url", repr=False)
    expires_in: int | None = Field(default=None, alias="expires_in")
    full_image_path: str = Field(alias="fullImagePath")
    visibility: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _either_spelling(cls, data: object) -> object:
        # The hosted platform mixes the two here (WIRE.md 2.15).
        if isinstance(data, dict) and "buildId" in data and "build_id" not in data:
            return {**data, "build_id": data["buildId"]}
        return data


class SourceImageBuildResult(WireModel):
    """What became of one of several images to copy."""

    source_image: str
    build: BuildImageResponse | None = None
    error: str | None = None
    retryable: bool = False


class BulkBuildImageResponse(WireModel):
    """What became of several images to copy, in their order."""

    results: list[SourceImageBuildResult]


class ImageBuild(WireModel):
    """The state of a build. ``logs`` is the end of its output, if the platform returns it. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow")

    status: str
    error_message: str | None = None
    full_image_path: str | None = None
    logs: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED_BUILDS


class ImageOwner(RequestModel):
    """The owner of an image: you, a team or the platform."""

    type: Literal["personal", "team", "platform"] = "personal"
    team_id: str | None = None

    def on_the_wire(self) -> dict[str, str]:
        """Return it as it is sent."""
        return {"type": self.type} | ({} if self.team_id is None else {"teamId": self.team_id})


class ImageUpdateError(WireModel):
    """Why an image was not changed."""

    code: str = ""
    message: str = ""


class ImageUpdateResult(WireModel):
    """What became of one change."""

    success: bool
    error: ImageUpdateError | None = None


class UpdateImagesResponse(WireModel):
    """What became of several changes, in their order."""

    success: bool
    dry_run: bool = False
    results: list[ImageUpdateResult] = Field(default_factory=list)
