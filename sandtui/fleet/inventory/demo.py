"""The life of a made-up fleet: sandboxes are born like those that are there, and some are ended."""

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
"""The share of the children that fail, each in one of the ways that the simulation knows."""

MOST_BORN = 50
"""How many of its own children a life remembers, to end them: what the user works with it leaves alone."""


class Life:
    """Makes events until it is cancelled. The same seed makes the same choices for the same fleet."""

    def __init__(
        self, client: AsyncSandboxClient, seed: int, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._client = client
        self._random = Random(f"life {seed}")  # noqa: S311 - a play
        self._sleep = sleep
        self._born: deque[str] = deque()
        self._number = 0

    async def run(self) -> None:
        """Live; a platform that does not answer is waited for."""
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
        if len(self._born) >= MOST_BORN or (self._born and self._random.random() < 0.4):
            place = self._random.randrange(len(self._born))
            sandbox_id = self._born[place]
            del self._born[place]
            await self._client.delete(sandbox_id)
        elif samples:
            made = await self._client.create(self._child(self._random.choice(samples)))
            self._born.append(made.id)

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
