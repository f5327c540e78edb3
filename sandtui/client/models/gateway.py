"""The gateway of one sandbox: tokens, commands and files (WIRE.md 2.8, 3)."""

from pydantic import Field

from sandtui.client.models.base import GatewayUrl, HeaderText, Moment, PathSegment, WireModel


class GatewayToken(WireModel):
    """The address of a sandbox's gateway and a token valid until ``expires_at``."""

    token: HeaderText = Field(repr=False)
    gateway_url: GatewayUrl
    user_ns: PathSegment
    job_id: PathSegment
    expires_at: Moment

    @property
    def base(self) -> str:
        """The base address of gateway paths."""
        return f"{self.gateway_url.rstrip('/')}/{self.user_ns}/{self.job_id}"


class CommandResponse(WireModel):
    """The result of a command."""

    stdout: str
    stderr: str
    exit_code: int


class FileUploadResponse(WireModel):
    """An uploaded file; ``size`` is in bytes."""

    success: bool
    path: str
    size: int
    timestamp: Moment | None = None


class ReadFileResponse(WireModel):
    """A text file or a window of it; the last three fields are set if the platform supports windows."""

    content: str
    size: int
    total_size: int | None = None
    offset: int | None = None
    truncated: bool | None = None
