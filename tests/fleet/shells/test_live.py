import asyncio

import pytest

from sandtui.client import ConnectionFailedError
from sandtui.fleet.shells import LiveShell, ShellBoard, ShellState
from tests.fleet.shells.channels import ScriptedOpener, turns


@pytest.fixture
def opener():
    return ScriptedOpener()


@pytest.fixture
def shell(opener):
    return LiveShell(None, "sbx_1", "alpha", vm=False, opener=opener)


def first_line(shell):
    return shell.text.plain(shell.text.top)


async def started(shell):
    task = asyncio.ensure_future(shell.run())
    await turns()
    return task


async def test_output_is_shown_and_keys_are_sent_in_order(shell, opener):
    states = []
    shell.on_state.subscribe(lambda: states.append(shell.state))
    task = await started(shell)
    assert (shell.state, first_line(shell)) == (ShellState.RUNNING, "$")
    for key in (b"l", b"s", b"\r"):
        shell.send(key)
    await turns()
    assert opener.last.typed == b"ls\r"
    opener.last.say(b"\x1b[6n")
    await turns()
    assert opener.last.typed == b"ls\r\x1b[1;3R"
    opener.last.say(5)
    await task
    assert (shell.state, shell.exit_code) == (ShellState.ENDED, 5)
    assert opener.last.closed
    assert states == [ShellState.CONNECTING, ShellState.RUNNING, ShellState.ENDED]


async def test_a_size_that_changes_while_it_connects_is_not_lost(shell, opener):
    task = asyncio.ensure_future(shell.run())
    shell.resize((100, 30))
    await turns()
    shell.resize((90, 20))
    await turns()
    assert opener.last.sizes[-1] == (90, 20)
    assert shell.terminal.size == (90, 20)
    task.cancel()


async def test_a_broken_connection_is_reported_and_can_be_opened_again(shell, opener):
    task = await started(shell)
    opener.last.say(b"\x1b[?1049h\x1b[?1000h\x1b[?25lvim", ConnectionFailedError("the link broke", sandbox_id="sbx_1"))
    await task
    assert shell.state is ShellState.LOST
    assert "the link broke" in shell.problem
    modes = shell.terminal.modes
    assert (modes.mouse, modes.cursor_visible, shell.terminal.is_alternate) == (0, True, False)
    shell.send(b"lost keys")
    task = await started(shell)
    assert shell.state is ShellState.RUNNING
    assert opener.last.typed == b"", "what was typed meanwhile is not sent to the new shell"
    await shell.close()


async def test_a_shell_that_cannot_be_opened(shell, opener):
    opener.refuse = "no way in"
    await shell.run()
    assert (shell.state, "no way in" in shell.problem) == (ShellState.LOST, True)


async def test_closing_cleans_up_whatever_it_does(opener):
    board = ShellBoard(None, opener)
    for name in ("one", "two"):
        shell = board.add(f"sbx_{name}", name, vm=True)
        await started(shell)
    assert board.running == 2
    assert board.of("sbx_two") is board.shells[1]
    await board.close()
    assert [channel.closed for channel in opener.channels] == [True, True]
    assert board.shells == []


async def test_a_flood_leaves_the_loop_to_others_and_is_not_read_ahead(shell, opener):
    task = await started(shell)
    channel = opener.last
    for _ in range(40):
        channel.say(b"\x1b[31mx\x1b[0m" * 8192)
    longest = turns_taken = 0
    while not channel.events.empty():
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(0)
        longest = max(longest, asyncio.get_running_loop().time() - before)
        turns_taken += 1
    assert turns_taken > 40, "others had a turn for every piece that was read"
    task.cancel()


async def test_what_is_to_be_copied_waits_for_the_user(shell, opener):
    task = await started(shell)
    opener.last.say(b"\x1b]52;c;aGVsbG8=\x07")
    await turns()
    assert shell.copy_wanted == "hello"
    task.cancel()


async def test_a_shell_that_reads_nothing_does_not_fill_the_memory(shell, opener):
    task = await started(shell)
    for _ in range(200):
        shell.send(b"x" * 100_000)
    await turns()
    assert 0 < len(opener.last.typed) < 5_000_000
    task.cancel()
