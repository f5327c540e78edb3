"""The names of ``prime_sandboxes.core.config``."""

from sandtui.client import (
    Config,
)

__all__ = [
    "Config",
]
