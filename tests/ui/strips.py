"""Lines are created without their caches, most of which are never used: tests create millions of lines."""

from collections.abc import Iterable
from typing import Any

from rich.segment import Segment
from textual.cache import FIFOCache
from textual.strip import Strip

SIZES = {
    "_divide_cache": 4,
    "_crop_cache": 16,
    "_style_cache": 16,
    "_filter_cache": 4,
    "_line_length_cache": 4,
    "_crop_extend_cache": 4,
    "_offsets_cache": 4,
}


def _init(self: Any, segments: Iterable[Segment], cell_length: int | None = None) -> None:
    self._segments = list(segments)
    self._cell_length = cell_length
    self._render_cache = self._link_ids = self._cell_count = None


def _cache(self: Any, name: str) -> Any:
    if name not in SIZES:
        raise AttributeError(name)
    cache: FIFOCache[Any, Any] = FIFOCache(SIZES[name])
    setattr(self, name, cache)
    return cache


def cache_on_demand() -> None:
    """Create each cache of a line when it is first used."""
    caches = {name for name in Strip.__slots__ if name.endswith("_cache")} - {"_render_cache"}
    assert caches == SIZES.keys(), "Textual has other caches now"
    Strip.__init__ = _init  # type: ignore[method-assign]
    Strip.__getattr__ = _cache  # type: ignore[attr-defined]
