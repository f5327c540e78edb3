"""Which requests change nothing: the only ones that a read-only configuration allows."""

from __future__ import annotations

from sandtui.client.errors import InvalidRequestError

_ASKING = (":batchGet", "/auth", "/template/check-docker-image")
"""POST paths that change nothing: statuses, gateway tokens for reading, image checks."""


def refuse_change(method: str, path: str) -> None:
    """Refuse a request that may change something.

    Raises:
        InvalidRequestError: it might change something; nothing was sent.
    """
    if method not in {"GET", "HEAD"} and not (method == "POST" and path.endswith(_ASKING)):
        raise InvalidRequestError("this context is read-only: nothing was sent", method=method, path=path)
