"""Files in the real program: copied both ways, edited, and a queue that outlives a kill."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.terminal import RUNNING, Terminal, lists
from tests.e2e.test_dashboard import SANDTUI, environment, leave


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


async def open_files(terminal, name: str) -> None:
    # The footer of the screen before may stand there still: its help is on another key.
    await terminal.until(lambda text: "live" in text and "? help" in text)
    await terminal.press("/")
    await terminal.until("f1 help")
    await terminal.press(*name, "enter")
    await terminal.until(lambda text: lists(RUNNING, name)(text) and "? help" in text)
    await terminal.press("f")
    await terminal.until(lambda text: "ransfers" in text and "/workspace" in text and "ago" in text)


async def test_files_go_there_are_edited_and_a_killed_queue_continues(remote, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    (folder / "tree").mkdir(parents=True)
    for number in range(30):
        (folder / "tree" / f"file {number}").write_text(f"{number}\n")
    with (folder / "zbig").open("wb") as file:
        file.truncate(300_000_000)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho edited >> "$1"\n')
    editor.chmod(0o755)
    env = {**remote, "EDITOR": str(editor)}
    monkeypatch.chdir(folder)
    async with Terminal(SANDTUI, env) as terminal:
        await terminal.until("live")
        await terminal.press("n")
        await terminal.until("New sandbox")
        await terminal.press(*"filebox", "ctrl+s")
        await terminal.until("Created")
        await open_files(terminal, "filebox")
        # The other pane is this machine's: back over the queue.
        await terminal.press("tab", "C")
        await terminal.until("30 files · sha256 verified")
        await terminal.press("tab", "tab", "g", "down", "enter")
        await terminal.until("filebox  /workspace/tree")
        await terminal.until("file 23")
        await terminal.press("e")
        await terminal.until("file 0 saved to the sandbox")
        await terminal.press("enter")
        await terminal.until("edited")
        await terminal.press("escape", "tab")
        await terminal.press("G", "C")
        await terminal.until(lambda text: "◐ zbig" in text and "%" in text)
        terminal.process.kill()
        await terminal.ended()
    async with Terminal(SANDTUI, env) as terminal:
        await terminal.until("1 unfinished transfer")
        # An answer counts only once the question could be read.
        await asyncio.sleep(0.3)
        await terminal.press("g")
        await open_files(terminal, "filebox")
        await terminal.until(lambda text: "zbig" in text and "300.0 MB" in text and "1 done" in text)
        await terminal.press("tab")
        Path(folder, "zbig").unlink()
        assert [path.name for path in folder.iterdir()] == ["tree"]
        await leave(terminal)
