"""Two apps that show a flood from a pipe: our shell, and Textual's Log. A key is answered by a counter."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from textual import events
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import Log, Static

from sandtui.fleet.shells import LiveShell
from sandtui.ui.widgets.terminal_view import TerminalView

KEYS, WARM_UP, PAUSE_SECONDS = 60, 8, 0.03
LONGEST_SECONDS = 5.0
"""A key that is not answered by then counts as so late, and the next one is pressed."""

MEASURED_SECONDS = 20.0

PIECE = 64 * 1024


@dataclass
class Latency:
    """Milliseconds of each key, and how much of the flood was shown meanwhile."""

    keys: list[float]
    mb_per_second: float


class FloodApp(App[None]):
    """Counts keys and notes when the count is painted."""

    CSS = "Static { height: 1; }"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.taken = 0
        self.count = self.painted = 0
        self.answered = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Counter and pane."""
        yield Static("0", id="count", markup=False)
        yield from self.pane()

    def pane(self) -> ComposeResult:
        """Return the pane."""
        raise NotImplementedError

    async def show(self) -> None:
        """Show the flood until cancelled."""
        raise NotImplementedError

    def on_key(self, event: events.Key) -> None:
        """Count."""
        if event.key == "f5":
            self.count += 1
            self.query_one("#count", Static).update(str(self.count))

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        # The compositor's own lines: what would be on the terminal now.
        if self.painted != self.count and str(self.query_one("#count", Static).render()) == str(self.count):
            self.painted = self.count
            self.answered.set()

    async def flood(self) -> asyncio.StreamReader:
        """Start the program whose output never ends."""
        command = ["cat", *[str(self.path)] * 2000]
        self.program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=PIECE)
        assert self.program.stdout is not None
        return self.program.stdout


class LogApp(FloodApp):
    """Textual's Log, as many lines kept as in our scrollback."""

    def pane(self) -> ComposeResult:
        """Return the pane."""
        yield Log(max_lines=10_000)

    async def show(self) -> None:
        """Write each piece."""
        reader = await self.flood()
        log = self.query_one(Log)
        while data := await reader.read(PIECE):
            log.write(data.decode("utf-8", "replace"))
            self.taken += len(data)
            await asyncio.sleep(0)


class ShellApp(FloodApp):
    """Our shell and its view, over a channel that reads the pipe."""

    def pane(self) -> ComposeResult:
        """Return the pane."""
        yield TerminalView(frozenset({"f5"}))

    async def show(self) -> None:
        """Run the shell."""
        shell = LiveShell(None, "flood", "flood", vm=False, opener=self._open)  # type: ignore[arg-type]
        view = self.query_one(TerminalView)
        view.show(shell.text, shell.send)
        shell.on_output.subscribe(view.changed)
        shell.resize((view.size.width, view.size.height))
        await shell.run()

    @contextlib.asynccontextmanager
    async def _open(self, *_, **__):
        app, reader = self, await self.flood()

        class Channel:
            warning = ""

            async def read(self):
                data = await reader.read(PIECE)
                app.taken += len(data)
                return data

            async def write(self, data): ...

            async def resize(self, size): ...

        yield Channel()


async def key_latency(app: FloodApp) -> Latency:
    """Press keys while the flood comes."""
    times: list[float] = []
    async with app.run_test(size=(120, 36)):
        app.query_one("Log, TerminalView").focus()
        task = asyncio.ensure_future(app.show())
        await asyncio.sleep(0.5)
        began, before = time.perf_counter(), app.taken
        for turn in range(WARM_UP + KEYS):
            if times and time.perf_counter() - began > MEASURED_SECONDS:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            app.answered.clear()
            start = time.perf_counter()
            app.post_message(events.Key("f5", None))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(app.answered.wait(), LONGEST_SECONDS)
            if turn >= WARM_UP:
                times.append((time.perf_counter() - start) * 1000)
        rate = (app.taken - before) / 1e6 / (time.perf_counter() - began)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        app.program.kill()
        await app.program.communicate()
    return Latency(times, rate)
