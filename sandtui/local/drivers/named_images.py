"""Images of drivers that pull none: a name is all there is to one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sandtui.local.control.images import Catalogue
from sandtui.local.drivers.architecture import refuse_other_architecture
from sandtui.local.drivers.base import DriverError, ImageUnavailable, Refused


class NamedImages:
    """Copies of images by name; ``driver`` is named to users who want to build one."""

    def __init__(self, driver: str, images: Catalogue) -> None:
        self._driver = driver
        self._images = images

    @property
    def no_builds(self) -> str:
        """Why Dockerfiles cannot be built."""
        return (
            f"The {self._driver} driver gives every sandbox the same files, whatever its image; builds of Dockerfiles "
            "need a container engine (--driver engine) and are"
        )

    def check(self, platform: str) -> None:
        """Refuse images for another processor."""
        try:
            refuse_other_architecture(platform.partition("/")[2])
        except Refused as refused:
            raise Refused("platform", refused.details) from refused

    async def transfer(self, image_id: str, source: str, platform: str, note: Callable[[str], None]) -> None:
        """Check that an image exists."""
        if (reason := self._images.error(source)) is not None:
            raise ImageUnavailable(reason)
        note(f"{source} is only a name here; nothing was copied\n")

    async def build(
        self, image_id: str, context: Path, dockerfile: str, platform: str, note: Callable[[str], None]
    ) -> NoReturn:
        """Refuse: there is nothing to build with."""
        raise DriverError(f"{self.no_builds} not offered.")

    async def remove(self, image_id: str) -> None:
        """Do nothing: a name has no files."""

    async def remains(self) -> list[str]:
        """Return no ids: there are no files."""
        return []
