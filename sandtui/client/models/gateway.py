"""The gateway of one sandbox: tokens, commands and files (WIRE.md 2.8, 3)."""

from pydantic import Field

from sandtui.client.models.base import GatewayUrl, HeaderText, Moment, PathSegment, WireModel


class GatewayToken(WireModel):
    """Where the gateway of one sandbox is and the token that opens it until ``expires_at``."""

    token: HeaderText = Field(repr=False)
    gateway_url: GatewayUrl
    user_ns: PathSegment
    job_id: PathSegment
    expires_at: Moment

    @property
    def base(self) -> str:
        """The address before every gateway path."""
        return f"{self.gateway_url.rstrip('/')}/{self.user_ns}/{self.job_id}"


class CommandResponse(WireModel):
    """What a finished command left behind."""

    stdout: str
    stderr: str
    exit_code: int


class FileUploadResponse(WireModel):
    """A file that has arrived; ``size`` is in bytes."""

    success: bool
    path: str
    size: int
    timestamp: Moment | None = None


class ReadFileResponse(WireModel):
    """A window of a text file; the last three are there when the platform knows windows."""

    content: str
    size: int
    total_size: int | None = None
    offset: int | None = None
    truncated: bool | None = None
