"""The names of ``prime_sandboxes.core.client``."""

from sandtui.client.core import *  # noqa: F403
from sandtui.client.core import __all__ as __all__
