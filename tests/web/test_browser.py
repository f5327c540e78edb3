"""The dashboard in a real Chromium: one browser, one real platform, one session after the other."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import PlatformProcess
from tests.web.chromium import ALT, CTRL, MISSING, SHIFT, Chromium, Tab, chromium, program

pytestmark = [
    pytest.mark.skipif(program() is None, reason=MISSING),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Chromium]:
    async with chromium() as found:
        yield found


class Served:
    """A running ``sandtui web``."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process, self.address = process, address
        self.plain = address.partition("#")[0]


@asynccontextmanager
async def serving(home: Path, *options: str) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandtui", "web", "--no-open", *options, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(home)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Served(process, (await process.stdout.readline()).decode().strip())
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(30):
            await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo() -> AsyncIterator[Served]:
    with tempfile.TemporaryDirectory() as home:
        async with serving(Path(home), "--demo", "--fleet", "20") as found:
            yield found


async def logged_in(browser: Chromium, served: Served) -> Tab:
    tab = await browser.open(served.address)
    await tab.shows("rollout-0001", 60)
    return tab


async def test_log_in_filter_reload_take_over_and_goodbye(browser: Chromium, demo: Served) -> None:
    tab = await logged_in(browser, demo)
    assert await tab.evaluate("location.href") == demo.plain, "the token is not in the address any more"
    await tab.type("/rollout-0018")
    await tab.key("Enter")
    await tab.shows("Sandboxes 1 of")
    await tab.reload()
    await tab.shows("Sandboxes 1 of")

    second = await browser.open(demo.plain)
    await second.card("Another tab has this session")
    await second.click("Watch")
    await second.shows("Sandboxes 1 of")
    await second.click("Take over")
    await tab.card("Another tab has taken over")
    await second.until("!document.getElementById('terminal').classList.contains('watching')")
    await second.key("Escape")
    await second.shows("rollout-0001")

    # A browser that did not log in, and one that replays the address.
    stranger = await browser.open(demo.plain, await browser.profile())
    await stranger.card("Not logged in")
    replay = await browser.open(demo.address, await browser.profile())
    await replay.card("Not logged in")
    assert "has been used" in await replay.text()

    await second.key("q")
    await second.card("Goodbye")
    for each in (tab, second, stranger, replay):
        assert all(address.startswith((demo.plain, "data:,")) for address in each.addresses)
        assert [text for text in each.complaints if "Content Security Policy" in text or "Exception" in text] == []
        await each.close()


async def drop(tab: Tab, name: str, content: str) -> None:
    """Drop a file onto the page."""
    await tab.evaluate(
        f"""(() => {{
          const data = new DataTransfer();
          data.items.add(new File([{json.dumps(content)}], {json.dumps(name)}));
          window.dispatchEvent(new DragEvent("drop", {{ dataTransfer: data, bubbles: true, cancelable: true }}));
        }})()"""
    )


async def test_create_shell_and_drop_on_a_real_platform(
    browser: Chromium, platform_process: PlatformProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("web-home")
    settings = home / ".config" / "sandtui" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f"[profiles.test]\nkey = '{platform_process.api_key}'\nbase_url = '{platform_process.base_url}'\n"
    )
    async with serving(home, "--context", "test") as served:
        tab = await browser.open(served.address)
        await tab.shows("n new", 60)
        await tab.key("n")
        await tab.shows("New sandbox")
        await tab.type("from-a-browser")
        await tab.key("s", CTRL)
        await tab.shows("RUNNING", 60)
        await tab.key("s")
        await tab.shows(":/workspace", 60)
        await tab.type("echo $((40+2))-é > /tmp/typed; cat /tmp/typed\r".replace("\r", ""))
        await tab.key("Enter")
        await tab.shows("42-é")
        # A word is deleted with the key that stands for ctrl+w, which the browser keeps.
        await tab.type("echo one two")
        await tab.key("w", ALT | SHIFT)
        await tab.type("three")
        await tab.key("Enter")
        await tab.shows("one three")
        await tab.key("]", CTRL, "BracketRight")
        await tab.key("q")
        await tab.shows("from-a-browser")
        await tab.key("f")
        await tab.shows("from-a-browser:/workspace", 60)
        await drop(tab, "dropped by a browser.txt", "the content")
        await tab.shows("dropped by a br", 60)
        await tab.close()


async def test_shared_part_is_read_only_and_stays_off_the_machine(browser: Chromium, tmp_path_factory) -> None:
    home = tmp_path_factory.mktemp("web-share")
    async with serving(home, "--demo", "--fleet", "60", "--read-only", "--label", "run=45") as served:
        tab = await browser.open(served.address)
        await tab.shows("run=45", 60)
        assert "run=38" not in await tab.text()
        for key, said in (("3", "stays off the machine"), ("n", "Read-only"), ("s", "Read-only")):
            await tab.key(key)
            await tab.shows(said)
            await tab.key("Escape")
        await drop(tab, "x.txt", "x")
        await tab.until("document.getElementById('notes').textContent.includes('read-only')")
        await tab.close()
