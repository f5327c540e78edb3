"""The names of ``prime_sandboxes.core.client``."""

from sandtui.client import (
    APIClient,
    APIError,
    APITimeoutError,
    AsyncAPIClient,
    Config,
    PaymentRequiredError,
    UnauthorizedError,
)

__all__ = [
    "APIClient",
    "APIError",
    "APITimeoutError",
    "AsyncAPIClient",
    "Config",
    "PaymentRequiredError",
    "UnauthorizedError",
]
