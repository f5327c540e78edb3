"""The names of ``prime_sandboxes.core``, for code written for the official SDK."""

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
