"""The window changes its size: what is drawn fits, however the program hears of it."""

import asyncio

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_dashboard import SANDTUI, environment, leave

IN_BAND = "\x1b[?2048;2$y"
"""What a terminal answers that can report its size among the keys."""

IN_BAND_ON = b"\x1b[?2048h"


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


async def in_band(terminal):
    terminal.write(IN_BAND)
    async with asyncio.timeout(20):
        while IN_BAND_ON not in terminal.raw:
            await asyncio.sleep(0.01)


def fits(columns, lines):
    def test(text):
        rows = text.split("\n")
        return len(rows) == lines and "? help" in rows[-1] and all(len(row) <= columns for row in rows)

    return test


@pytest.mark.parametrize("reports", [False, True], ids=["signal", "in band, but its report is lost"])
async def test_what_is_drawn_fits_the_window(remote, reports):
    async with Terminal(SANDTUI, remote, controls=True) as terminal:
        await terminal.until("live")
        if reports:
            await in_band(terminal)
        for columns, lines in ((100, 30), (80, 24), (160, 50), (120, 36)):
            terminal.resize(columns, lines)
            await terminal.until(fits(columns, lines))
        await leave(terminal)


@pytest.mark.parametrize("reports", [False, True], ids=["signal", "in band"])
async def test_a_window_that_was_smaller_for_a_moment_is_drawn_again(remote, reports):
    async with Terminal(SANDTUI, remote, controls=True) as terminal:
        await terminal.until("live")
        if reports:
            await in_band(terminal)
        before = await terminal.until(fits(120, 36))
        terminal.resize(60, 10)
        terminal.resize(120, 36)
        assert not fits(120, 36)(terminal.text)
        if reports:
            terminal.write("\x1b[48;36;120;576;960t")
        await terminal.until(lambda text: fits(120, 36)(text) and text.count("│") == before.count("│"))
        await leave(terminal)
