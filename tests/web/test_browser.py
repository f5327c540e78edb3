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

from sandtui.web.server import WebServer
from sandtui.web.settings import WebSettings
from tests.conftest import PlatformProcess
from tests.web.chromium import ALT, CTRL, MISSING, SECONDS, SHIFT, SHOWN, Chromium, Tab, chromium, program

pytestmark = [
    pytest.mark.skipif(program() is None, reason=MISSING),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
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
        async with asyncio.timeout(SECONDS):
            await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo() -> AsyncIterator[Served]:
    with tempfile.TemporaryDirectory() as home:
        async with serving(Path(home), "--demo", "--fleet", "20") as found:
            yield found


async def logged_in(browser: Chromium, served: Served) -> Tab:
    tab = await browser.open(served.address)
    await tab.shows("rollout-0001")
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


PROGRAM = r"""
import json, os, sys, tty
tty.setraw(0)
os.write(1, b"\x1b[?2004h\x1b]8;;%s\x1b\\a link\x1b]8;;\x1b\\ ready\r\n" % sys.argv[1].encode())
channel = int(os.environ["SANDTUI_WEB_CHANNEL"])
print_ = {b"c": b"\x1b]52;c;Y29waWVkIMOp\x1b\\", b"r": b"\x1b]52;c;?\x1b\\"}
tell = {
    b"o": {"type": "open", "text": sys.argv[1]},
    b"s": {"type": "saved", "text": sys.argv[2]},
    b"u": {"type": "say", "text": "urgent news", "urgent": True},
    b"p": {"type": "say", "text": "the status"},
}
while data := os.read(0, 65536):
    if data == b"q":
        break
    if data in tell:
        os.write(channel, json.dumps(tell[data]).encode() + b"\n")
    os.write(1, print_.get(data) or b" " + data.hex().encode())
"""
"""A program that shows in hexadecimal what it is sent, and does what a dashboard may do."""


@asynccontextmanager
async def page_of_program(
    browser: Chromium, folder: Path, password: str = ""
) -> AsyncIterator[tuple[Tab, WebServer, str, Path]]:
    """Show the program in a tab; yield the tab, its server, the address of its links and the folder of downloads."""
    addresses: list[str] = []
    saved, downloads = folder / "résumé <b>.txt", folder / "downloads"
    saved.write_text("saved")
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    link = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/linked?a=1&b=%3Ci%3E"
    command = [sys.executable, "-c", PROGRAM, link, str(saved)]
    settings = WebSettings(command, dict(os.environ), folder / "drops", password=password)
    server = WebServer(settings, lambda address, _: addresses.append(address))
    serving = asyncio.create_task(server.serve())
    profile = await browser.profile()
    await browser.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads), browserContextId=profile
    )
    await browser.call(
        "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        browserContextId=profile,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            while not addresses:
                await asyncio.sleep(0.01)
        tab = await browser.open(addresses[0], profile)
        await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        if password:
            await tab.card("Log in")
            for secret in (password + "x", password):
                await tab.until("document.activeElement.id === 'password' && !document.activeElement.value")
                await tab.type(secret)
                await tab.key("Enter")
                await tab.until(f"document.body.innerText.includes('Wrong password') || {SHOWN}.includes('ready')")
        await tab.shows("ready")
        yield tab, server, link, downloads
        await tab.close()
    finally:
        await server.stop()
        await serving
        listener.close()


async def test_password_keys_and_clipboard(browser: Chromium, tmp_path: Path) -> None:
    async with page_of_program(browser, tmp_path, "a password by keys") as (tab, server, _, _):
        for key, code, sent in (
            ("w", "KeyW", "17"), ("t", "KeyT", "14"), ("n", "KeyN", "0e"), ("v", "KeyV", "16"),
            ("1", "Digit1", "1b4f50"), ("5", "Digit5", "1b5b31357e"), ("0", "Digit0", "1b5b32317e"),
            ("-", "Minus", "1b5b32337e"), ("=", "Equal", "1b5b32347e"),
        ):  # fmt: skip
            await tab.key(key, ALT | SHIFT, code)
            await tab.shows(f" {sent}")
        # The panel has the same as buttons, and gives the keys back to the terminal.
        await tab.key("k", ALT | SHIFT, "KeyK")
        await tab.until("!document.getElementById('keys').hidden")
        await tab.click("F7")
        await tab.shows(" 1b5b31387e")
        await tab.key("k", ALT | SHIFT, "KeyK")
        await tab.until("document.getElementById('keys').hidden")

        await tab.key("c")
        await tab.until("navigator.clipboard.readText().then((text) => text === 'copied é')")
        await tab.key("r")
        # It ends a paste early and types a command, were it sent as it is.
        pasted = "one\x1b[201~\x9b201~\x03rm é\ntwo"
        await tab.evaluate(f"navigator.clipboard.writeText({json.dumps(pasted)})")
        await tab.key("v", CTRL, "KeyV", commands=("paste",))
        shown = ("\x1b[200~" + "one[201~201~rm é\rtwo" + "\x1b[201~").encode().hex()
        await tab.until(f"{SHOWN}.replaceAll('\\n', '').includes(' {shown}')")
        told = "copied é".encode().hex()
        assert told not in await tab.text() and "1b5d3532" not in await tab.text(), "the clipboard was told"

        await tab.key("q")
        await tab.card("Goodbye")
        assert len(server.sessions) == 0


async def test_links_downloads_and_speech(browser: Chromium, tmp_path: Path) -> None:
    async with page_of_program(browser, tmp_path) as (tab, server, link, downloads):
        held = server.sessions.get(server.sessions.browsers[0])
        assert held is not None
        # Nothing was pressed yet, so browsers would not let the page open another tab.
        held.session.tell({"type": "open", "url": link})
        await tab.until(f"[...document.querySelectorAll('#notes a')].some((each) => each.href === {json.dumps(link)})")
        for address in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"):
            held.session.tell({"type": "open", "url": address})
        await tab.key("u")
        await tab.until("document.getElementById('urgent').textContent === 'urgent news'")
        await tab.key("p")
        await tab.until("document.getElementById('polite').textContent === 'the status'")
        assert await tab.evaluate("document.querySelectorAll('#notes a').length") == 1

        await tab.key("o")
        await browser.opened(link)
        await tab.call("Page.bringToFront")
        place = await tab.evaluate(
            "(({ left, top }) => [left, top])(document.querySelector('.xterm-screen').getBoundingClientRect())"
        )
        await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0] + 20, y=place[1] + 8)
        await tab.until("!!document.querySelector('.xterm-cursor-pointer')")
        await tab.click_at(place[0] + 20, place[1] + 8)
        await browser.opened(link)

        await tab.key("s")
        await tab.until("document.getElementById('notes').textContent.includes('résumé <b>.txt')")
        await tab.call(
            "Runtime.evaluate", expression="document.querySelector('#notes a[download]').click()", userGesture=True
        )
        async with asyncio.timeout(SECONDS):
            while not (found := [each for each in downloads.glob("*.txt") if each.read_text() == "saved"]):
                await asyncio.sleep(0.05)
        assert "résumé" in found[0].name
        await server.stop()
        await tab.card("Goodbye")
        assert "was stopped" in await tab.text()
        assert [text for text in tab.complaints if "Content Security Policy" in text or "Exception" in text] == []


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
        await tab.shows("n new")
        await tab.key("n")
        await tab.shows("New sandbox")
        await tab.type("from-a-browser")
        await tab.key("s", CTRL)
        await tab.shows("RUNNING")
        await tab.key("s")
        await tab.shows(":/workspace")
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
        await tab.shows("from-a-browser:/workspace")
        await drop(tab, "dropped by a browser.txt", "the content")
        await tab.shows("dropped by a br")
        await tab.close()


async def test_shared_part_is_read_only_and_stays_off_the_machine(browser: Chromium, tmp_path_factory) -> None:
    home = tmp_path_factory.mktemp("web-share")
    async with serving(home, "--demo", "--fleet", "60", "--read-only", "--label", "run=45") as served:
        tab = await browser.open(served.address)
        await tab.shows("run=45")
        assert "run=38" not in await tab.text()
        # Screen readers are told the status line, and notices.
        await tab.until("document.getElementById('polite').textContent.includes('Demo data')")
        for key, said in (("3", "stays off the machine"), ("n", "Read-only"), ("s", "Read-only")):
            await tab.key(key)
            await tab.shows(said)
            await tab.until(f"document.getElementById('polite').textContent.includes({json.dumps(said)})")
            await tab.key("Escape")
        await drop(tab, "x.txt", "x")
        await tab.until("document.getElementById('notes').textContent.includes('read-only')")
        await tab.close()
