"""Drives a real headless Chromium over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "Chromium is not installed"
SECONDS = 180.0
OPTIONS = (
    "--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-extensions", "--disable-sync", "--remote-debugging-port=0",
    "--enable-unsafe-swiftshader", "--force-color-profile=srgb", "--hide-scrollbars",
)  # fmt: skip
CODES = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, "\t")}
ALT, CTRL, SHIFT = 1, 2, 8

START = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts a program that ends with this process, even if that is killed."""


def program() -> str | None:
    """Return the browser of this machine."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Chromium:
    """A browser with one profile; ``context`` of a tab is a profile of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(100):
            answer = await self._answers[number]
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    async def profile(self) -> str:
        """Return a profile of its own: cookies, storage."""
        return str((await self.call("Target.createBrowserContext"))["browserContextId"])

    async def open(self, address: str, profile: str = "", width: int = 1000, height: int = 640) -> Tab:
        where = {"browserContextId": profile} if profile else {}
        target = (await self.call("Target.createTarget", url="about:blank", **where))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await tab.call(f"{domain}.enable")
        await tab.resize(width, height)
        await tab.go(address)
        return tab

    async def opened(self, address: str) -> None:
        """Wait for a tab with an address, and close it."""
        async with asyncio.timeout(SECONDS):
            while True:
                targets = (await self.call("Target.getTargets"))["targetInfos"]
                if found := [each["targetId"] for each in targets if each["url"] == address]:
                    break
                await asyncio.sleep(0.05)
        await self.call("Target.closeTarget", targetId=found[0])

    async def _read(self) -> None:
        async for line in self._socket:
            message = json.loads(line)
            if "id" in message:
                answer = self._answers.pop(message["id"], None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            else:
                self.events[message.get("sessionId", "")].append(message)

    async def close(self) -> None:
        with suppress(Exception):
            await self.call("Browser.close")
        self._reading.cancel()


class Tab:
    """One tab."""

    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        self._browser, self.target, self._session = browser, target, session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._browser.call(method, self._session, **parameters)

    async def go(self, address: str) -> None:
        await self.call("Page.navigate", url=address)

    async def reload(self) -> None:
        await self.call("Page.reload")

    async def resize(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def evaluate(self, script: str) -> Any:
        """Return the value of an expression, or of a promise."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script: str, seconds: float = SECONDS) -> Any:
        """Wait until an expression is true; return its value."""
        # In the page: it looks again with each frame.
        looking = f"""new Promise((done, fail) => {{
            const end = performance.now() + {seconds * 1000};
            const look = async () => {{
              let found;
              try {{ found = await ({script}); }} catch {{ found = undefined; }}
              if (found) done(found);
              else if (performance.now() > end) done(null);
              else setTimeout(look, 5);
            }};
            look();
          }})"""
        found = await self.evaluate(looking)
        assert found, f"never came: {script}\n{await self.text()}"
        return found

    async def text(self) -> str:
        """Return the text of the page's card and notes, and what the terminal shows."""
        return str(await self.evaluate(f"{SHOWN} + '\\n' + document.body.innerText"))

    async def shows(self, text: str, seconds: float = SECONDS) -> None:
        """Wait until the terminal shows a text."""
        await self.until(f"{SHOWN}.includes({json.dumps(text)})", seconds)

    async def card(self, title: str) -> None:
        await self.until(
            f"!document.getElementById('card').hidden && "
            f"document.getElementById('title').textContent.includes({json.dumps(title)})"
        )

    async def click(self, label: str) -> None:
        """Press a button by its label."""
        found = f"(one) => one.offsetParent && one.textContent === {json.dumps(label)}"
        script = f"[...document.querySelectorAll('button')].find({found})"
        await self.until(f"!!({script})")
        await self.call("Runtime.evaluate", expression=f"({script}).click()", userGesture=True)

    async def type(self, text: str) -> None:
        """Type a text, key by key."""
        for letter in text:
            await self.key(letter)

    async def key(self, key: str, modifiers: int = 0, code: str = "", commands: tuple[str, ...] = ()) -> None:
        number = ord(key.upper()) if key.isalnum() and len(key) == 1 else 0
        name, number, text = CODES.get(key, (key, number, key))
        number = {"]": 221}.get(key, number)
        if modifiers & (CTRL | ALT) or len(text) > 1:
            text = ""
        code = code or (f"Key{key.upper()}" if len(key) == 1 and key.isalpha() else name)
        common = {"key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        kind = "keyDown" if text else "rawKeyDown"
        await self.call("Input.dispatchKeyEvent", type=kind, text=text, commands=commands, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def click_at(self, x: float, y: float) -> None:
        """Press the left button of the mouse."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def picture(self, path: Path) -> None:
        found = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(found["data"]))

    async def close(self) -> None:
        await self._browser.call("Target.closeTarget", targetId=self.target)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self._browser.events[self._session]

    @property
    def complaints(self) -> list[str]:
        """What the console of the page says: errors, and what its policy refused."""
        texts = [event["params"]["entry"]["text"] for event in self.events if event["method"] == "Log.entryAdded"]
        return texts + [
            str(event["params"]["exceptionDetails"]) for event in self.events
            if event["method"] == "Runtime.exceptionThrown"
        ]  # fmt: skip

    @property
    def addresses(self) -> list[str]:
        """Every address that the page has asked for."""
        return [
            event["params"]["request"]["url"] for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]  # fmt: skip


SHOWN = "(window.sandtuiShown ? window.sandtuiShown() : '')"
"""What the terminal shows."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """Run a browser."""
    found = program()
    assert found is not None, MISSING
    with tempfile.TemporaryDirectory(prefix="sandtui-chromium-", ignore_cleanup_errors=True) as profile:
        options = [*OPTIONS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", START, found, *options, "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            start_new_session=True, env={**os.environ, "HOME": profile},
        )  # fmt: skip
        assert process.stderr is not None
        try:
            async with asyncio.timeout(100):
                while b"DevTools listening on" not in (line := await process.stderr.readline()):
                    assert line, "Chromium has ended"
            rest = asyncio.create_task(_drain(process.stderr))
            async with connect(line.split()[-1].decode(), max_size=None, proxy=None) as socket:
                browser = Chromium(socket)
                try:
                    yield browser
                finally:
                    await browser.close()
            rest.cancel()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
