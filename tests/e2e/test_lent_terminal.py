"""The terminal in other hands: an editor, a shell, the user's own shell. It always comes back whole."""

import os
import re
import signal

import pytest

from tests.conftest import start_platform
from tests.e2e.terminal import ENDED, Terminal, at_fleet, lists
from tests.e2e.test_closed_terminal import choose
from tests.e2e.test_dashboard import SANDTUI, environment, leave
from tests.e2e.test_shell import make


@pytest.fixture
def platform(tmp_path):
    """A platform that a test may stop."""
    process, platform = start_platform(tmp_path / "state")
    try:
        yield platform, process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


def editor(tmp_path, kind):
    """Return what EDITOR is set to."""
    path = tmp_path / "my editor"
    path.write_text({"no interpreter line": "echo hello\n", "no interpreter": "#!/no/such/program\n"}.get(kind, ""))
    path.chmod(0o644 if kind == "not executable" else 0o755)
    return {"missing": "nosuch", "unquoted": '"x', "a directory": str(tmp_path)}.get(kind, f"'{path}'")


EDITORS = {
    "missing": "nosuch: not found",
    "not executable": "not executable",
    "no interpreter line": "no `#!` line",
    "no interpreter": "its interpreter was not found",
    "unquoted": "EDITOR is not a command",
    "a directory": "not found",
}


def says(text, words):
    """Whether a notice has all the words: where its lines end depends on the length of a path in it."""
    return all(word in text for word in words.split())


@pytest.mark.parametrize("kind", EDITORS)
async def test_an_editor_that_cannot_start_is_reported_and_the_screen_is_whole(remote, tmp_path, kind):
    async with Terminal(SANDTUI, {**remote, "EDITOR": editor(tmp_path, kind)}) as terminal:
        await terminal.until("live")
        await terminal.press("n")
        await terminal.until("New sandbox")
        await terminal.press("ctrl+t")
        await terminal.until(lambda text: "Not edited" in text and says(text, EDITORS[kind]))
        assert "New sandbox" in terminal.text
        await terminal.press(*"typed")
        await terminal.until("typed")
        await terminal.press("escape")
        await terminal.until(at_fleet)
        await leave(terminal)
    assert not list(tmp_path.glob("**/sandtui-edit-*"))


@pytest.mark.parametrize("kind", ["missing", "unquoted", "no interpreter line"])
async def test_the_same_in_the_files(platform_process, remote, tmp_path, kind):
    name = f"files-{kind[:7].strip()}".replace(" ", "-")
    await make(platform_process, name, vm=False)
    work = tmp_path / "work"
    work.mkdir()
    (work / "here.txt").write_text("hello\n")
    async with Terminal(SANDTUI, {**remote, "EDITOR": editor(tmp_path, kind)}, folder=work) as terminal:
        await choose(terminal, name)
        await terminal.press("f")
        await terminal.until("here.txt")
        await terminal.press("tab")
        await terminal.press("G", "e")
        await terminal.until(lambda text: says(text, EDITORS[kind]))
        assert "here.txt" in terminal.text
        await leave(terminal)


@pytest.mark.parametrize("again", [False, True], ids=["cancelled", "goes on"])
async def test_a_shell_that_a_stopped_platform_keeps_waiting(platform, tmp_path, again):
    made, process = platform
    await make(made, "waits", vm=False)
    env = environment(tmp_path, PRIME_API_KEY=made.api_key, PRIME_API_BASE_URL=made.base_url)
    async with Terminal(SANDTUI, env) as terminal:
        await choose(terminal, "waits")
        process.send_signal(signal.SIGSTOP)
        await terminal.press("S")
        await terminal.until("Connecting to waits")
        assert b"\x1b[?1049l" not in terminal.raw, "the dashboard keeps the terminal"
        if again:
            process.send_signal(signal.SIGCONT)
            await terminal.until("ctrl+d to leave")
            await terminal.press(*"exit 3", "enter")
            await terminal.until("exited with code 3")
        else:
            await terminal.press("escape")
            await terminal.until(lambda text: "Connecting to" not in text and at_fleet(text))
            assert b"\x1b[?1049l" not in terminal.raw
        await leave(terminal)


async def test_a_shell_on_a_platform_that_is_gone_is_reported(platform, tmp_path):
    made, process = platform
    await make(made, "gone", vm=False)
    env = environment(tmp_path, PRIME_API_KEY=made.api_key, PRIME_API_BASE_URL=made.base_url)
    async with Terminal(SANDTUI, env) as terminal:
        await choose(terminal, "gone")
        process.terminate()
        process.wait(timeout=30)
        await terminal.press("S")
        await terminal.until(lambda text: "Can't open a shell in gone" in text or "Connecting to gone" in text)
        await terminal.press("escape")
        await terminal.until(lambda text: "Connecting to" not in text)
        assert b"\x1b[?1049l" not in terminal.raw
        await leave(terminal)


async def test_a_shell_in_a_sandbox_that_ended_is_reported(platform_process, remote):
    from sandtui.client import AsyncSandboxClient, Config

    sandbox_id = await make(platform_process, "over", vm=False)
    async with Terminal(SANDTUI, remote) as terminal:
        await choose(terminal, "over")
        config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
        async with AsyncSandboxClient(config=config) as client:
            await client.delete(sandbox_id)
        await terminal.press("S")
        await terminal.until("Can't open a shell in over")
        await terminal.until(lambda text: "Connecting to" not in text and lists(ENDED, "over")(text))
        await terminal.press("S")
        await terminal.until("status is")
        assert b"\x1b[?1049l" not in terminal.raw
        await leave(terminal)


async def test_a_shell_whose_platform_dies_gives_the_terminal_back(platform, tmp_path):
    made, process = platform
    await make(made, "dies", vm=False)
    env = environment(tmp_path, PRIME_API_KEY=made.api_key, PRIME_API_BASE_URL=made.base_url)
    async with Terminal(SANDTUI, env) as terminal:
        await choose(terminal, "dies")
        await terminal.press("S")
        await terminal.until("ctrl+d to leave")
        # Not of ours, whoever has the terminal: it may come before the shell has it, or when it has just ended.
        terminal.process.send_signal(signal.SIGINT)
        process.kill()
        await terminal.until(lambda text: "dies" in text and at_fleet(text))
        await leave(terminal)


async def test_ctrl_z_stops_it_and_fg_brings_it_back(remote):
    env = {**remote, "PS1": "shell> "}
    async with Terminal(["sh", "-i"], env, controls=True) as terminal:
        await terminal.until("shell>")
        await terminal.press(*"stty -g", "enter")
        await terminal.until(":")
        for command in (" ".join(SANDTUI), "fg"):
            terminal.write(command + "\r")
            await terminal.until(at_fleet)
            await terminal.press("ctrl+z")
            await terminal.until(lambda text: "topped" in text and text.rstrip().endswith("shell>"))
            await terminal.press(*"stty -g", "enter")
            await terminal.until(lambda text: text.rstrip().endswith("shell>"))
        lines = [line for line in terminal.text.splitlines() if line.count(":") > 20]
        assert len(set(lines)) == 1, "the terminal's modes are the shell's while it is stopped"
        terminal.raw.clear()
        terminal.write("fg\r")
        await terminal.until(at_fleet)
        await terminal.press("n")
        await terminal.until("New sandbox")
        assert terminal.raw.count(b"\x1b[?1049h") == 1, "it is taken back once: what is typed then is kept"
        assert b"\x1b[<u\x1b[>25u" in terminal.raw, "the kernel may have discarded the first of these when it stopped"
        await terminal.press("escape")
        await terminal.until(at_fleet)
        await terminal.press("ctrl+q")
        await terminal.until(lambda text: text.rstrip().endswith("shell>"))
        await terminal.press(*"echo code $?; exit", "enter")
        await terminal.until("code 0")
        assert await terminal.ended() == 0


async def test_keys_typed_after_ctrl_z_are_not_for_the_dashboard(remote):
    async with Terminal(["sh", "-i"], {**remote, "PS1": "shell> "}, controls=True) as terminal:
        await terminal.until("shell>")
        terminal.write(" ".join(SANDTUI) + "\r")
        await terminal.until(at_fleet)
        terminal.write("\x1a\x1a\x1an")
        await terminal.until(lambda text: "topped" in text and text.rstrip().endswith("shell>"))
        terminal.write("fg\r")
        await terminal.until(at_fleet)
        await terminal.press("?")
        await terminal.until("Keyboard shortcuts")
        await terminal.press("escape")
        await terminal.until(at_fleet)
        assert "New sandbox" not in terminal.text
        await terminal.press("ctrl+q")
        await terminal.until(lambda text: text.rstrip().endswith("shell>"))


@pytest.mark.parametrize("controls", [False, True], ids=["no terminal of its own", "no shell above"])
async def test_ctrl_z_without_job_control_says_why_not(remote, controls):
    async with Terminal(SANDTUI, remote, controls=controls) as terminal:
        await terminal.until("live")
        await terminal.press("ctrl+z")
        await terminal.until("Not suspended")
        await terminal.press("n")
        await terminal.until("New sandbox")
        await terminal.press("escape")
        await terminal.until(at_fleet)
        await leave(terminal)


async def test_stopped_from_elsewhere_and_continued(remote):
    """SIGTSTP, SIGSTOP and SIGCONT can come from anybody, without a key."""
    env = {**remote, "PS1": "shell> "}
    async with Terminal(["sh", "-i"], env, controls=True) as terminal:
        await terminal.until("shell>")
        terminal.write(" ".join(SANDTUI) + " & echo pid $!; fg\r")
        await terminal.until(at_fleet)
        found = re.search(rb"\npid (\d+)", terminal.raw)
        assert found is not None
        pid = int(found[1])
        for number in (signal.SIGTSTP, signal.SIGSTOP):
            terminal.raw.clear()
            os.kill(pid, number)
            # After SIGSTOP the modes are the dashboard's, and the shell writes into it, wherever the cursor is.
            await terminal.until(lambda _: b"topped" in terminal.raw)
            terminal.write("fg\n")
            await terminal.until(lambda text: b"\x1b[?1049h" in terminal.raw and at_fleet(text))
            await terminal.press("n")
            await terminal.until("New sandbox")
            await terminal.press("escape")
            await terminal.until(at_fleet)
        await terminal.press("ctrl+q")
        await terminal.until(lambda text: text.rstrip().endswith("shell>"))
