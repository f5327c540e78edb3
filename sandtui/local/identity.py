"""The API key of a platform, and how a client knows the platform without sending it the key."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

CHALLENGE: Final = re.compile("[0-9a-f]{32,128}")
"""What a client may send to learn whether it talks to the platform that it means."""


def new_api_key() -> str:
    """Return an API key for one run of a platform.

    Whoever takes the port of a platform that has ended may be sent its key, which is worth nothing by then.
    """
    return "local_" + secrets.token_hex(24)


def proof(api_key: str, base_url: str, challenge: str) -> str:
    """Return what only the platform at an address can answer to a challenge; it tells nothing of the key.

    The address is part of it: a stranger can't pass the challenge on to the platform and return its answer.
    """
    secret = hmac.digest(api_key.encode("utf-8"), b"proof of identity", hashlib.sha256)
    return hmac.new(secret, f"{challenge} {base_url}".encode(), hashlib.sha256).hexdigest()


def proves(answer: object, api_key: str, base_url: str, challenge: str) -> bool:
    """Return whether an answer to a challenge can be that of the platform alone."""
    expected = proof(api_key, base_url, challenge)
    return isinstance(answer, str) and answer.isascii() and hmac.compare_digest(answer, expected)
