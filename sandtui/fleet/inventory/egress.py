"""The egress lists of a running sandbox: which hosts it may connect to, as one line of text and as lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from sandtui.client import AsyncSandboxClient, EgressPolicy, EgressPolicyReply, SandboxClientError
from sandtui.client.models import Sandbox
from sandtui.fleet.creation import values
from sandtui.fleet.inventory.sandbox_history import History
from sandtui.fleet.inventory.store import FleetStore

EXAMPLE = "allow pypi.org *.debian.org · deny 10.0.0.0/8 · open · blocked"


@dataclass(frozen=True, slots=True)
class EgressLists:
    """Which hosts may be reached: those of ``allow``, or all but those of ``deny``."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``open``, ``blocked``, ``allow HOST ...`` or ``deny HOST ...``.

        Raises:
            ValueError: the text is none of these, or an entry is not valid; the message says why.
        """
        if not text.strip():
            raise ValueError("use open, blocked, allow HOST or deny HOST")
        read = values.hosts(text)
        if "network_access" in read:
            return cls(deny=()) if read["network_access"] else cls(allow=())
        allow, deny = read.get("network_allowlist"), read.get("network_denylist")
        return cls(_entries(allow), _entries(deny))

    @classmethod
    def of(cls, policy: EgressPolicy) -> Self:
        """Return the lists of a policy."""
        return cls(_entries(policy.allowlist), _entries(policy.denylist))

    @classmethod
    def of_sandbox(cls, sandbox: Sandbox) -> Self:
        """Return the lists of a sandbox, as it was last read."""
        if not sandbox.network_access and sandbox.network_allowlist is None:
            return cls(allow=())
        return cls(_entries(sandbox.network_allowlist), _entries(sandbox.network_denylist))

    def __str__(self) -> str:
        """Return the text that :meth:`parse` reads."""
        if self.allow is not None:
            return f"allow {' '.join(self.allow)}" if self.allow else "blocked"
        return f"deny {' '.join(self.deny)}" if self.deny else "open"


def _entries(entries: object) -> tuple[str, ...] | None:
    return tuple(map(str, entries)) if isinstance(entries, Sequence) and not isinstance(entries, str) else None


class EgressAccess:
    """Reads and replaces the lists of sandboxes; a change is noted, and the known sandbox brought up to date."""

    def __init__(self, client: AsyncSandboxClient, store: FleetStore, history: History) -> None:
        self._client, self._store, self._history = client, store, history

    async def read(self, sandbox_id: str) -> EgressLists:
        """Return the lists as the platform has them.

        Raises:
            SandboxClientError: they are not available.
        """
        return EgressLists.of((await self._client.get_network(sandbox_id)).policy)

    async def replace(self, sandbox_id: str, lists: EgressLists) -> str:
        """Replace the lists, and return in words what holds now.

        Raises:
            SandboxClientError: the platform refused.
        """
        words = describe_egress(await replace_egress(self._client, sandbox_id, lists))
        self._history.note(sandbox_id, f"egress: {words}")
        # Otherwise the next refresh shows it.
        with suppress(SandboxClientError):
            self._store.apply([await self._client.get(sandbox_id)])
        return words


async def replace_egress(client: AsyncSandboxClient, sandbox_id: str, lists: EgressLists) -> EgressPolicyReply:
    """Replace the lists of a sandbox.

    Raises:
        SandboxClientError: the platform refused.
    """
    if lists.allow is not None:
        return await client.set_network(sandbox_id, allow=lists.allow)
    return await client.set_network(sandbox_id, deny=lists.deny or ())


def describe_egress(reply: EgressPolicyReply) -> str:
    """Return the policy in words, and whether it is in force."""
    return f"{EgressLists.of(reply.policy)}{'' if reply.applied else ' (saved, not in force yet)'}"
