"""The exposed ports of the fleet and their health.

Three facts are separate: a port is exposed, something listens in the sandbox, and the public address responds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httpx

from sandtui.client import APIError, AsyncSandboxClient, ExposedPort, InvalidRequestError, SandboxClientError
from sandtui.client.shell_words import word
from sandtui.client.toolkit import check_port
from sandtui.clock import Clock
from sandtui.fleet.inventory.changes import ChangeSet
from sandtui.fleet.inventory.store import FleetStore
from sandtui.fleet.load_state import LOADED, LOADING, LoadState, failed
from sandtui.fleet.signals import Signal

PROBE_SECONDS = 5.0
PROBES_AT_ONCE = 16
WITHOUT_LIST = frozenset({404, 405, 501})
"""Responses of a platform without exposures."""

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) sandtui"
"""The public gateway rejects clients that do not look like a browser or curl."""

_LISTENING = re.compile(r"^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a probe. ``milliseconds`` is the time to the first response."""

    up: bool
    detail: str
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class PortRow:
    """One exposure. When its sandbox is gone, ``sandbox_name`` is empty and ``running`` false."""

    exposure: ExposedPort
    sandbox_name: str
    running: bool
    health: Health | None = None
    probing: bool = False

    @property
    def address(self) -> str:
        """The public address."""
        return self.exposure.url or self.exposure.external_endpoint or ""


def copy_forms(exposure: ExposedPort) -> dict[str, str]:
    """Return the forms in which the address can be copied, by name."""
    forms = {"url": exposure.url, "curl line": f"curl -sS {word(exposure.url)}"} if exposure.url else {}
    if exposure.external_endpoint:
        host, _, port = exposure.external_endpoint.rpartition(":")
        forms["host and port"] = exposure.external_endpoint
        forms["netcat line"] = f"nc {word(host)} {word(port)}"
    return forms | {"id": exposure.exposure_id}


def page_of(exposure: ExposedPort) -> str:
    """Return the URL to open in a browser for an exposed port, or an empty text."""
    return own_page(exposure.url or "", exposure.sandbox_id)


def own_page(url: str, sandbox_id: str) -> str:
    """Return a URL with a host name of the sandbox's own, or an empty text when a browser can't open it.

    Browsers share the cookies of 127.0.0.1 between all ports, so a page from a sandbox would get those of every local
    service. A name below localhost also resolves to this machine, but has its own cookies.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"}:
        return ""
    if host not in {"127.0.0.1", "localhost"}:
        return url
    label = re.sub("[^a-z0-9]+", "-", sandbox_id.lower()).strip("-")[:63].strip("-") or "sandbox"
    return parts._replace(netloc=f"{label}.localhost" + (f":{port}" if port else "")).geturl()


def parse_exposure(text: str) -> tuple[int, str, str | None]:
    """Parse ``8000``, ``8000 http web`` or ``5432 tcp``: port, protocol and name.

    Raises:
        ValueError: a part is invalid; the message says which.
    """
    port, *rest = text.split() or [""]
    if not (port.isascii() and port.isdigit()):
        raise ValueError("enter a port: 8000, 8000 http web, 5432 tcp")
    try:
        check_port(int(port))
    except InvalidRequestError as error:
        raise ValueError(error.message) from None
    protocol = "HTTP"
    if rest and rest[0].upper() in {"HTTP", "TCP"}:
        protocol = rest.pop(0).upper()
    if len(rest) > 1:
        raise ValueError(f"unexpected {rest[1]!r}: expected PORT PROTOCOL NAME")
    name = rest[0] if rest else None
    if name is not None and len(name) > 50:
        raise ValueError("a name can have at most 50 characters")
    return int(port), protocol, name


def plain_fault(error: SandboxClientError, port: int | None = None) -> str:
    """Return what a rejected exposure means and what to do."""
    status = error.status_code if isinstance(error, APIError) else None
    what = f"port {port}" if port is not None else "that port"
    if status == 409:
        return f"{what} is already exposed, or the sandbox is not running: refresh the list"
    if status == 429:
        return "rate limit reached (20 exposures per minute): wait, then try again"
    if status in {404, 405, 501}:
        return "this sandbox does not support exposures: forward the port instead"
    if status == 422:
        return f"the platform rejected {what}: {error}"
    return str(error)


class PortBoard:
    """The last known exposures. ``on_change`` is called when a row changes."""

    def __init__(self, client: AsyncSandboxClient, store: FleetStore, clock: Clock) -> None:
        self._client, self._store, self._clock = client, store, clock
        self.rows: list[PortRow] = []
        self.loaded = False
        self.problem = ""
        self.unsupported = False
        """Whether the platform does not list exposures."""
        self.on_change: Signal[[]] = Signal()
        self._asking = False
        store.watch(self._sandboxes_changed)

    @property
    def load_state(self) -> LoadState:
        """Whether the exposures are known; those of a platform without any are."""
        if self.loaded or self.unsupported:
            return LOADED
        return failed(self.problem) if self.problem and not self._asking else LOADING

    async def refresh(self) -> None:
        """List all exposures; known health is preserved. A failure is stored in ``problem``."""
        self._asking = True
        if not self.loaded:
            self.on_change()
        try:
            response = await self._client.list_all_exposed_ports()
        except SandboxClientError as error:
            self.problem = str(error)
            self.unsupported = isinstance(error, APIError) and error.status_code in WITHOUT_LIST
        else:
            known = {row.exposure.exposure_id: row for row in self.rows}
            rows = [self._row(exposure, known.get(exposure.exposure_id)) for exposure in response.exposures]
            self.rows = sorted(rows, key=lambda row: (row.sandbox_name, row.exposure.port))
            self.problem, self.loaded, self.unsupported = "", True, False
        finally:
            self._asking = False
        self.on_change()

    async def probe(self, exposure_ids: Sequence[str]) -> None:
        """Probe every address, some at a time; rows change as results arrive."""
        gate = asyncio.Semaphore(PROBES_AT_ONCE)

        async def one(exposure_id: str) -> None:
            async with gate:
                row = self._find(exposure_id)
                if row is not None:
                    self._put(replace(row, probing=True))
                    health = await self._probe(row)
                    self._put(replace(row, health=health, probing=False))

        await asyncio.gather(*(one(exposure_id) for exposure_id in exposure_ids))

    async def expose(self, sandbox_id: str, port: int, protocol: str, name: str | None) -> ExposedPort:
        """Expose a port.

        Raises:
            SandboxClientError: the platform rejected it, or does not support exposures.
        """
        exposed = await self._client.expose(sandbox_id, port, name, protocol)
        await self.refresh()
        return exposed

    async def unexpose(self, row: PortRow) -> None:
        """Unexpose a port.

        Raises:
            SandboxClientError: the platform rejected it.
        """
        await self._client.unexpose(row.exposure.sandbox_id, row.exposure.exposure_id)
        await self.refresh()

    async def listening(self, sandbox_id: str) -> list[int]:
        """Return the listening ports of a sandbox, with one short command.

        Raises:
            SandboxClientError: the command could not be run.
        """
        result = await self._client.execute_command(
            sandbox_id, "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null", timeout=10
        )
        return sorted({int(port, 16) for port in _LISTENING.findall(result.stdout)})

    async def _probe(self, row: PortRow) -> Health:
        if not row.running:
            return Health(False, "sandbox not running")
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                text, up = await (_ask_http(row.address) if row.exposure.url else _ask_tcp(row.address))
        except TimeoutError:
            return Health(False, f"no response in {PROBE_SECONDS:.0f} s")
        except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL):
            return Health(False, await self._why(row))
        return Health(up, text if up else await self._why(row), (self._clock.monotonic() - started) * 1000)

    async def _why(self, row: PortRow) -> str:
        port = row.exposure.port
        try:
            inside = await self.listening(row.exposure.sandbox_id)
        except SandboxClientError:
            return "no response"
        if port in inside:
            return f"no response (something listens on :{port})"
        others = f"; listening: {', '.join(map(str, inside))}" if inside else ""
        return f"connection refused (nothing on :{port}{others})"

    def _sandboxes_changed(self, change: ChangeSet) -> None:
        """Update name and state of the sandboxes: the exposures may be known before them."""
        changed = change.added | change.changed | change.removed
        rows = [self._row(row.exposure, row) if row.exposure.sandbox_id in changed else row for row in self.rows]
        if rows != self.rows:
            self.rows = rows
            self.on_change()

    def _row(self, exposure: ExposedPort, old: PortRow | None) -> PortRow:
        found = self._store.get(exposure.sandbox_id)
        name = found.sandbox.name if found is not None else ""
        running = found is not None and found.status == "RUNNING"
        if old is None or old.running != running:
            return PortRow(exposure, name, running)
        return PortRow(exposure, name, running, old.health, old.probing)

    def _find(self, exposure_id: str) -> PortRow | None:
        return next((row for row in self.rows if row.exposure.exposure_id == exposure_id), None)

    def _put(self, changed: PortRow) -> None:
        wanted = changed.exposure.exposure_id
        self.rows = [changed if row.exposure.exposure_id == wanted else row for row in self.rows]
        self.on_change()


async def _ask_http(url: str) -> tuple[str, bool]:
    async with (
        httpx.AsyncClient(trust_env=False, headers={"User-Agent": USER_AGENT}) as client,
        client.stream("GET", url, timeout=PROBE_SECONDS) as response,
    ):
        # A gateway error means that the service behind it did not respond.
        return str(response.status_code), response.status_code not in {502, 503, 504}


async def _ask_tcp(endpoint: str) -> tuple[str, bool]:
    host, _, port = endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        # A forwarder accepts every connection and closes it at once when nothing listens behind it.
        try:
            async with asyncio.timeout(0.3):
                closed = await reader.read(1) == b""
        except TimeoutError:
            closed = False
        return "connects", not closed
    finally:
        writer.close()
