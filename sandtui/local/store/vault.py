"""Encrypts stored secrets with a key that only the current user can read."""

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
        """Read the key; create it the first time."""
        known = read_private(path)
        if known is None:
            known = Fernet.generate_key().decode("ascii")
            write_private(path, known)
        try:
            return cls(known.strip().encode("ascii"))
        except ValueError as error:
            raise LocalError(
                f"The file {path} is not a key. Restore the right one, or remove the file; "
                "the stored secrets of sandboxes are lost then."
            ) from error

    def encrypt(self, values: dict[str, str]) -> str:
        """Return secrets in encrypted form."""
        return self._fernet.encrypt(json.dumps(values).encode("utf-8")).decode("ascii")

    def decrypt(self, text: str) -> dict[str, str]:
        """Return stored secrets; none if they were encrypted with another key."""
        try:
            values: dict[str, str] = json.loads(self._fernet.decrypt(text.encode("ascii")))
        except (InvalidToken, ValueError):
            return {}
        return values
