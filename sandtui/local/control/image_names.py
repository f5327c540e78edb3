"""The names of images: whose an image is, and what a copy of one is called (client/WIRE.md 2.15)."""

from __future__ import annotations

import re
from typing import Final

from sandtui.local.settings import USER_ID
from sandtui.local.store.images import ImageName

_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_OWN: Final = (USER_ID, "local")
"""The user's id and short name, both of which name the owner."""
MAX_NAME: Final = 200


def name_error(image: ImageName) -> str | None:
    """Return why an image cannot have a name, or None if it can."""
    name = ascii(image.name[:MAX_NAME])
    if len(image.name) > MAX_NAME or not _REPOSITORY.fullmatch(image.name):
        return f"the name {name} must be lower-case letters and digits, with single . _ or - between them"
    if "/" in image.name and image.owner != "platform":
        return f"the name {name} contains a slash, which only those of platform images can"
    if not _TAG.fullmatch(image.tag):
        return f"the tag {image.tag[:MAX_NAME]!a} must be letters, digits, . _ and -"
    return None


def is_docker_hub(source: str) -> bool:
    """Return whether a reference names an image of Docker Hub, copies of which belong to the platform."""
    first, slash, _ = source.partition("@")[0].partition("/")
    return not slash or first.lower() in _HUB or not _is_host(first)


def copy_name(source: str, owner: str) -> ImageName:
    """Return the name of a copy of an image; a platform's keeps the path in the registry."""
    path, _, digest = source.partition("@")
    first, slash, rest = path.partition("/")
    path = rest if slash and _is_host(first) else path
    name, _, tag = path.partition(":")
    if is_docker_hub(source):
        name = name.removeprefix("library/")
    elif owner != "platform":
        name = name.rpartition("/")[2]
    return ImageName(owner, name.lower(), tag or (f"sha256-{digest.partition(':')[2][:16]}" if digest else "latest"))


def named_images(reference: str, team_id: str | None) -> list[ImageName]:
    """Return what a reference may name, the nearest first: [[``prime/``]``OWNER/``]``NAME:TAG``."""
    path = reference.removeprefix("prime/")
    before, colon, tag = path.rpartition(":")
    name, tag = (before, tag) if colon and "/" not in tag else (path, "latest")
    owner, slash, rest = name.partition("/")
    found = []
    if slash and owner.startswith("team-") and len(owner) > len("team-"):
        found.append(ImageName(owner, rest, tag))
    elif slash and owner in _OWN:
        found.append(ImageName("personal", rest, tag))
    elif path == reference:
        if team_id:
            found.append(ImageName(f"team-{team_id}", name, tag))
        found += [ImageName("personal", name, tag), ImageName("platform", name, tag)]
    return found


def _is_host(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost"
