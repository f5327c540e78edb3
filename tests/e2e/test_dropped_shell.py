"""A shell over a real SSH connection that is cut on its way: the tab says so and reconnects on the offered key."""

import asyncio
from contextlib import asynccontextmanager

from sandtui.client import AsyncSandboxClient, Config
from sandtui.fleet.inventory.connection import Connection
from sandtui.fleet.shells import ShellState
from sandtui.ui.chrome.line import ChromeLine
from sandtui.ui.shells.screen import ShellScreen
from sandtui.ui.widgets.terminal_view import TerminalView
from tests.e2e.test_shell import make
from tests.ui.world import World, settled, wait_a_turn

GIVE_UP_SECONDS = 30


class Way:
    """A port that leads to another one, until it is cut."""

    def __init__(self):
        self.target = ("", 0)
        self.port = 0
        self.opened = 0
        self._writers = []

    async def carry(self, reader, writer):
        self.opened += 1
        other_reader, other_writer = await asyncio.open_connection(*self.target)
        self._writers += [writer, other_writer]

        async def pass_on(source, sink):
            try:
                while data := await source.read(65536):
                    sink.write(data)
            except OSError:
                pass
            finally:
                sink.close()

        await asyncio.gather(pass_on(reader, other_writer), pass_on(other_reader, writer))

    def cut(self):
        """Reset every connection, as a network does that goes away."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def way():
    made = Way()
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.cut()
        server.close()


class Real(World):
    """The app, connected to a real platform; its SSH connections go by a way that can be cut."""

    def __init__(self, platform, made):
        super().__init__(fleet=0)
        self._real, self._way = platform, made
        self.opened = []
        self.closed = []

    async def _start(self):
        await super()._start()
        return Connection(Config(api_key=self._real.api_key, base_url=self._real.base_url), "local")

    def _client(self, connection):
        client = AsyncSandboxClient(config=connection.config, keep_tokens=False)
        create, close = client.create_ssh_session, client.close_ssh_session

        async def create_ssh_session(*args, **kwargs):
            session = await create(*args, **kwargs)
            self.opened.append(session.session_id)
            self._way.target = session.host, session.port
            return session.model_copy(update={"host": "127.0.0.1", "port": self._way.port})

        async def close_ssh_session(sandbox_id, session_id):
            self.closed.append(session_id)
            return await close(sandbox_id, session_id)

        client.create_ssh_session, client.close_ssh_session = create_ssh_session, close_ssh_session
        return client


async def patiently(pilot, condition):
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not condition():
            await pilot.pause()
            await wait_a_turn()
    await pilot.pause()


async def test_a_connection_that_is_cut_is_reported_and_opened_again(platform_process):
    name = "cut-off"
    await make(platform_process, name, vm=False)
    async with way() as made, Real(platform_process, made).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)

        def activity():
            return app.screen.query_one("#activity", ChromeLine).render().plain

        def shown():
            view = app.screen.query_one(TerminalView)
            return "\n".join(view.render_line(y).text for y in range(view.size.height))

        await pilot.press("slash", *name, "enter", "s")
        await patiently(pilot, lambda: isinstance(app.screen, ShellScreen))
        (shell,) = app.screen.board.shells
        await patiently(pilot, lambda: shell.state is ShellState.RUNNING)
        await pilot.press(*"echo", "space", *"first-$((40", "plus", *"2))", "enter")
        await patiently(pilot, lambda: "first-42" in shown())
        made.cut()
        await patiently(pilot, lambda: shell.state is ShellState.LOST)
        await patiently(pilot, lambda: "enter reconnect" in activity())
        assert "connection to the shell lost" in activity()
        assert "first-42" in shown(), "what it showed stays"
        await patiently(pilot, lambda: app.closed == app.opened)
        await pilot.press(*"lost", "enter")
        await patiently(pilot, lambda: shell.state is ShellState.RUNNING)
        await pilot.press(*"echo", "space", *"again-$((40", "plus", *"3))", "enter")
        await patiently(pilot, lambda: "again-43" in shown())
        assert "lost" not in shown(), "keys that were typed meanwhile were not kept for later"
        assert (made.opened, len(set(app.opened))) == (2, 2)
        await pilot.press(*"exit", "enter")
        await patiently(pilot, lambda: shell.state is ShellState.ENDED)
        await patiently(pilot, lambda: app.closed == app.opened)
