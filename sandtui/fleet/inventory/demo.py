"""The life of the demo fleet: sandboxes are created like existing ones, and some are deleted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random

from sandtui.client import AsyncSandboxClient, CreateSandboxRequest, Sandbox, SandboxClientError

PAUSE = 0.8
"""Seconds between two events, on average."""

SAMPLES = 200
UNLUCKY = 0.15
"""The share of new sandboxes that fail, each in one of the ways of the simulation."""

MAX_OWN = 50
"""How many of its own sandboxes it remembers, to delete them: it leaves alone what others created."""


class Life:
    """Creates and deletes sandboxes until cancelled. The same seed makes the same choices for the same fleet."""

    def __init__(
        self, client: AsyncSandboxClient, seed: int, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._random = Random(f"life {seed}")  # noqa: S311 - a play
        self._sleep = sleep
        self._own: deque[str] = deque()
        self._number = 0

    async def run(self) -> None:
        """Run until cancelled; errors of the platform are ignored."""
        samples: list[Sandbox] = []
        while True:
            await self._sleep(self._random.expovariate(1 / PAUSE))
            try:
                if not samples:
                    samples = list((await self._client.list(per_page=SAMPLES, exclude_terminated=True)).sandboxes)
                await self._event(samples)
            except SandboxClientError:
                continue

    async def _event(self, samples: list[Sandbox]) -> None:
        if len(self._own) >= MAX_OWN or (self._own and self._random.random() < 0.4):
            index = self._random.randrange(len(self._own))
            sandbox_id = self._own[index]
            del self._own[index]
            await self._client.delete(sandbox_id)
        elif samples:
            made = await self._client.create(self._child(self._random.choice(samples)))
            self._own.append(made.id)

    def _child(self, parent: Sandbox) -> CreateSandboxRequest:
        self._number += 1
        family = parent.name.rstrip("0123456789") or "child-"
        return CreateSandboxRequest(
            name=f"{family}{9000 + self._number}",
            docker_image=parent.docker_image,
            cpu_cores=parent.cpu_cores,
            memory_gb=parent.memory_gb,
            labels=list(parent.labels),
            # Some end by themselves while one looks on.
            timeout_minutes=self._random.choice((1, 2, 5, 60, 240)),
            advanced_configs={"simulate": "failure"} if self._random.random() < UNLUCKY else None,
        )
