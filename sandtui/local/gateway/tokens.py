"""The short-lived gateway tokens, each valid for one sandbox."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

LIFETIME = timedelta(hours=1)


def same(given: str, expected: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode("utf-8"))


class GatewayTokens:
    """Issues and checks tokens. They contain all that is needed, and are valid until the platform stops."""

    def __init__(self, api_key: str) -> None:
        self._secret = hmac.digest(api_key.encode("utf-8"), b"gateway tokens", hashlib.sha256)

    def issue(self, sandbox_id: str, now: datetime) -> tuple[str, datetime]:
        """Return a token for a sandbox and its expiry."""
        expires = (now + LIFETIME).replace(microsecond=0)
        claim = f"{sandbox_id}.{int(expires.timestamp())}".encode()
        token = base64.urlsafe_b64encode(claim + b"." + self._sign(claim)).decode("ascii")
        return token.rstrip("="), expires

    def accepts(self, token: str, sandbox_id: str, now: datetime) -> bool:
        """Return whether a token is valid for a sandbox at a time."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return False
        claim, separator, signature = raw[:-65], raw[-65:-64], raw[-64:]
        if separator != b"." or not hmac.compare_digest(signature, self._sign(claim)):
            return False
        owner, _, until = claim.decode("utf-8").rpartition(".")
        return owner == sandbox_id and now < datetime.fromtimestamp(int(until), UTC)

    def opens(self, request: Request, now: datetime) -> bool:
        """Return whether the token of a request is valid for the sandbox in its path."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.accepts(token.strip(), request.path_params["id"], now)

    def _sign(self, claim: bytes) -> bytes:
        return hmac.new(self._secret, claim, hashlib.sha256).hexdigest().encode("ascii")
