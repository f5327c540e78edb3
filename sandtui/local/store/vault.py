"""Hides secrets at rest with a key that only this user can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet, InvalidToken

from sandtui.local.files import read_private, write_private
from sandtui.local.settings import LocalError


class Vault:
    """Encrypts and authenticates (Fernet: AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key, or make one the first time."""
        known = read_private(path)
        if known is None:
            known = Fernet.generate_key().decode("ascii")
            write_private(path, known)
        try:
            return cls(known.strip().encode("ascii"))
        except ValueError as error:
            raise LocalError(
                f"The file {path} is not a key. Put the right one back, or remove it; "
                "then the secrets of the sandboxes on record are lost."
            ) from error

    def hide(self, values: dict[str, str]) -> str:
        """Return secrets as they may be stored."""
        return self._fernet.encrypt(json.dumps(values).encode("utf-8")).decode("ascii")

    def reveal(self, text: str) -> dict[str, str]:
        """Return secrets that were stored; none that another key has hidden."""
        try:
            values: dict[str, str] = json.loads(self._fernet.decrypt(text.encode("ascii")))
        except (InvalidToken, ValueError):
            return {}
        return values
