"""The API key of a platform, and how a client identifies the platform before it sends the key."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

CHALLENGE: Final = re.compile("[0-9a-f]{32,128}")
"""The random text that a client sends to check the identity of a platform."""


def new_api_key() -> str:
    """Return an API key for one run of a platform.

    A new key for each run: a program that takes the port of a stopped platform may be sent the key, which is then void.
    """
    return "local_" + secrets.token_hex(24)


def proof(api_key: str, base_url: str, challenge: str) -> str:
    """Return the response to a challenge, which only the platform at an address can compute; it reveals no key.

    It includes the address, so that an impostor cannot pass the challenge on to the platform and return its response.
    """
    secret = hmac.digest(api_key.encode("utf-8"), b"proof of identity", hashlib.sha256)
    return hmac.new(secret, f"{challenge} {base_url}".encode(), hashlib.sha256).hexdigest()


def proves(response: object, api_key: str, base_url: str, challenge: str) -> bool:
    """Return whether a response to a challenge proves that it comes from the platform."""
    expected = proof(api_key, base_url, challenge)
    return isinstance(response, str) and response.isascii() and hmac.compare_digest(response, expected)
