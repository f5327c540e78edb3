"""Takes the pictures of the browser in ``screenshots/``, for which Chromium is needed: ``make screenshots``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.web.chromium import ALT, MISSING, SHIFT, chromium, program
from tests.web.test_browser import logged_in, serving

FOLDER = Path(__file__).parents[2] / "screenshots"


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        async with chromium() as browser, serving(Path(home), "--demo", "--fleet", "20") as served:
            tab = await logged_in(browser, served)
            await tab.picture(FOLDER / "web-fleet.png")
            await tab.key("k", ALT | SHIFT, "KeyK")
            await tab.until("!document.getElementById('keys').hidden")
            await tab.picture(FOLDER / "web-keys.png")


if __name__ == "__main__":
    if program() is None:
        sys.exit(f"{MISSING}: the pictures of the browser are left as they are.")
    asyncio.run(main())
