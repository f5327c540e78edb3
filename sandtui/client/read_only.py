"""Which requests change nothing: the only ones that a read-only configuration lets out."""

from __future__ import annotations

from sandtui.client.errors import InvalidRequestError

_ASKING = (":batchGet", "/auth", "/template/check-docker-image")
"""Paths that are asked by POST and change nothing: statuses, a token for the gateway's reading, image checks."""


def refuse_change(method: str, path: str) -> None:
    """Refuse a request that may change something.

    Raises:
        InvalidRequestError: it may; nothing was sent.
    """
    if method not in {"GET", "HEAD"} and not (method == "POST" and path.endswith(_ASKING)):
        raise InvalidRequestError("this context is read-only: nothing was sent", method=method, path=path)
