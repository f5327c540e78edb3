"""A fleet that the commands are run against."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandtui.cli.program import main
from tests.cli.fleet_server import FleetServer, serve_fleet


@pytest.fixture
def fleet(clean_home, monkeypatch) -> Iterator[FleetServer]:
    """A platform without sandboxes, which the environment points to."""
    with serve_fleet() as server:
        monkeypatch.setenv("PRIME_API_KEY", "key-of-this-test")
        monkeypatch.setenv("PRIME_API_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        yield server


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def sandtui(capsys):
    """Run a command line in this process; return its exit code and what it printed."""

    def run(*words: str) -> Done:
        try:
            code = main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def on_a_terminal(monkeypatch):
    """Let standard output and error look like a terminal of a size."""

    def pretend(columns=120, *streams):
        monkeypatch.setattr("sandtui.cli.output.on_terminal", lambda *names: True)
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 40)))

    return pretend
