"""The actions of a row that names sandboxes: open one, or its shell, log, files and console, fork or delete it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

SANDBOX_ACTIONS = ("open_sandbox", "shell", "logs", "files", "exec", "fork", "delete")
"""The names of the actions, in any scope."""


class ActsOnSandboxes(Protocol):
    """What carries out the actions, by the ids of sandboxes."""

    def why_not(self, sandbox_ids: Sequence[str]) -> str:
        """Return why nothing can be done with them, or an empty text."""
        ...

    def refuses(self, name: str, sandbox_ids: Sequence[str]) -> bool:
        """Return whether an action would only say that none of them is running."""
        ...

    def open_sandbox(self, sandbox_ids: Sequence[str]) -> None: ...
    def shell(self, sandbox_ids: Sequence[str]) -> None: ...
    def logs(self, sandbox_ids: Sequence[str]) -> None: ...
    def files(self, sandbox_ids: Sequence[str]) -> None: ...
    def exec(self, sandbox_ids: Sequence[str]) -> None: ...
    def fork(self, sandbox_ids: Sequence[str]) -> None: ...
    def delete(self, sandbox_ids: Sequence[str]) -> None: ...


class RowActions:
    """The sandbox actions of the rows of one screen.

    ``named`` returns the sandboxes that are acted on: those of the marked rows, or of the current one. ``current``
    returns those of the current row, of which the first is opened. ``nothing`` says what to do if there are none.
    """

    def __init__(
        self,
        actions: ActsOnSandboxes,
        named: Callable[[], Sequence[str]],
        nothing: str,
        current: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        self._actions, self._named, self._nothing = actions, named, nothing
        self._current = current or named

    def attach(self, screen: object, *names: str) -> None:
        """Give a screen the methods of the actions, or of some of them, for its key bindings."""
        for name in names or SANDBOX_ACTIONS:
            setattr(screen, f"action_{name}", partial(self.run, name))

    def why_not(self, action: str) -> str:
        """Return why an action is not possible, or an empty text; other actions than these always are."""
        if action not in SANDBOX_ACTIONS:
            return ""
        sandbox_ids = self._of(action)
        return self._actions.why_not(sandbox_ids) if sandbox_ids else self._nothing

    def refuses(self, action: str) -> bool:
        """Return whether an action would only say that no sandbox is running."""
        return action in SANDBOX_ACTIONS and self._actions.refuses(action, self._of(action))

    def run(self, name: str) -> None:
        """Run an action."""
        run: Callable[[Sequence[str]], None] = getattr(self._actions, name)
        run(self._of(name))

    def _of(self, action: str) -> Sequence[str]:
        return self._current() if action == "open_sandbox" else self._named()
