"""Textual's stylesheet, with a memory of the rules for each kind of node.

Textual walks through all rules for each node that it mounts or restyles, which takes a good part of the time to open a
screen. The result depends only on the path to the node (types, ids, classes and pseudo-classes): it is looked up by it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from textual.app import App
from textual.css.model import RuleSet
from textual.css.styles import RulesMap
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.widget import Widget

MOST_PATHS = 5_000


class PathStylesheet(Stylesheet):
    """Finds the rules of a node by its path; those that depend on siblings are found as by Textual."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._by_path: dict[Hashable, _Found] = {}
        self._found_in: list[RuleSet] | None = None
        self._pending: Hashable = None
        self._latest: RulesMap | None = None

    def apply(
        self, node: DOMNode, *, animate: bool = False, cache: dict[tuple[Any, ...], RulesMap] | None = None
    ) -> None:
        """Style a node."""
        rules = self.rules
        if rules is not self._found_in:
            # Parsed again: the theme has changed, or a class of widgets is new.
            self._found_in = rules
            self._by_path.clear()
        path = _path(node)
        found = self._by_path.get(path)
        if found is None:
            self._pending, self._latest = path, None
            # Without Textual's own cache, which serves one mount only.
            super().apply(node, animate=animate)
            return
        node._has_hover_style, node._has_focus_within = found.has_hover, found.has_focus_within
        node._has_order_style = node._has_odd_or_even = False
        if found.rules is not None:
            self.replace_rules(node, found.rules, animate)
        self._process_component_classes(node)

    def replace_rules(self, node: DOMNode, rules: RulesMap, animate: bool = False) -> None:  # type: ignore[override]
        """Set the rules of a node."""
        self._latest = rules
        super().replace_rules(node, rules, animate)

    def _process_component_classes(self, node: DOMNode) -> None:
        # The last step of `apply`, which calls it for each part of the node.
        path, self._pending = self._pending, None
        if path is not None and not (node._has_order_style or node._has_odd_or_even):
            if len(self._by_path) >= MOST_PATHS:
                self._by_path.clear()
            self._by_path[path] = _Found(self._latest, node._has_hover_style, node._has_focus_within)
        super()._process_component_classes(node)


class _Found(NamedTuple):
    """The rules of a node, None if there are none, and the pseudo-classes that they use."""

    rules: RulesMap | None
    has_hover: bool
    has_focus_within: bool


def _path(node: DOMNode) -> Hashable:
    """Return all that selectors see of a node, but for its siblings."""
    path: list[object] = []
    above: object = node
    while isinstance(above, DOMNode):
        path += (type(above), above._css_type_name, above.id, above.classes, above.name)
        if isinstance(above, Widget):
            path += (above.mouse_hover, above.has_focus, above.disabled, above.allow_focus(), above.has_focus_within)
        elif isinstance(above, App):
            path += (above.theme, above.ansi_color, above.app_focus, above.is_inline)
        above = above._parent
    return tuple(path)
