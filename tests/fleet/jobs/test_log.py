"""Logs read by windows, commands read back, progress read from lines."""

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandtui.client import NotFoundError
from sandtui.client.flows.jobs import launch_script
from sandtui.client.models import ReadFileResponse
from sandtui.client.models.jobs import BackgroundJob
from sandtui.fleet.jobs.command_text import command_of, is_complete, redacted_command
from sandtui.fleet.jobs.log_window import LogWindow
from sandtui.fleet.jobs.progress import progress_of


class Log:
    """A growing file, read by windows; it counts the bytes that were asked of it."""

    def __init__(self, data: bytes = b"", size: int | None = None) -> None:
        self.data = data
        self.size = size
        self.sent = 0

    async def read(self, offset: int, length: int) -> ReadFileResponse:
        total = len(self.data) if self.size is None else self.size
        start = max(0, total + offset) if offset < 0 else offset
        shift = total - len(self.data)
        part = self.data[max(0, start - shift) : max(0, start - shift) + length]
        self.sent += len(part)
        text = part.decode("utf-8", "replace")
        return ReadFileResponse(content=text, size=len(part), total_size=total, offset=start, truncated=True)


async def test_the_end_is_read_then_what_is_added_then_what_stands_before():
    log = Log(b"".join(b"line %d\n" % number for number in range(100)))
    window = LogWindow(log.read, window=80)
    await window.read_end()
    assert window.lines[-1] == "line 99"
    first = int(window.lines[0].split()[1])
    log.data += b"more\nhal"
    growth = await window.read_more()
    assert (growth.after, window.lines[-2:]) == (2, ["more", "hal"])
    log.data += b"f\n"
    assert (await window.read_more()).after == 0
    assert window.lines[-1] == "half"
    before = await window.read_before()
    assert window.lines[before.before] == f"line {first}"
    while not window.at_start:
        assert (await window.read_before()).before > 0
    assert window.lines == [*(f"line {number}" for number in range(100)), "more", "half"]


async def test_a_log_of_gigabytes_costs_what_is_shown():
    log = Log(b"x" * 70 + b"\n" + b"end\n" * 20_000, size=5_000_000_000)
    window = LogWindow(log.read)
    await window.read_end()
    assert log.sent <= 64 * 1024
    log.data += b"new\n"
    log.size += 4
    await window.read_more()
    assert log.sent <= 64 * 1024 + 4
    assert (window.lines[-1], window.total) == ("new", 5_000_000_004)


async def test_a_log_that_grows_faster_than_it_is_read_is_joined_at_its_end():
    log = Log(b"old\n" * 10)
    window = LogWindow(log.read, window=100)
    await window.read_end()
    log.data += b"y\n" * 5000
    growth = await window.read_more()
    assert growth.replaced
    assert window.skipped > 0
    assert set(window.lines) == {"y"}
    assert log.sent < 400


async def test_a_log_that_was_written_again_is_read_again():
    log = Log(b"first\nsecond\n")
    window = LogWindow(log.read)
    await window.read_end()
    log.data = b"other\n"
    assert (await window.read_more()).replaced
    assert window.lines == ["other"]


async def test_a_log_that_is_not_there_yet_comes_later():
    log = Log(b"here\n")

    is_there = False

    async def read(offset, length):
        if not is_there:
            raise NotFoundError("no such file", status_code=404)
        return await log.read(offset, length)

    window = LogWindow(read)
    await window.read_end()
    assert window.missing and window.lines == []
    is_there = True
    await window.read_more()
    assert (window.missing, window.lines) == (False, ["here"])


async def test_a_bar_that_rewrites_its_line_for_hours_is_one_short_line():
    log = Log(b"")
    window = LogWindow(log.read)
    await window.read_end()
    for number in range(200):
        log.data += b"\r %d%%|###" % (number // 2) + b" " * 50
        await window.read_more()
    assert window.lines == [" 99%|###" + " " * 50]


async def test_escape_bytes_are_never_shown():
    log = Log(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \xe2\x80\xaeevil [/red]\n")
    window = LogWindow(log.read)
    await window.read_end()
    assert "\x1b" not in window.text and "\u202e" not in window.text
    assert window.lines[0].startswith("red ")


@given(st.text(alphabet="aé€😀\n", max_size=60), st.integers(8, 20), st.lists(st.integers(1, 9), max_size=30))
@example("€€€", 8, [4, 1, 1, 3])
@example("😀a😀", 9, [1, 2, 1, 4])
async def test_text_that_comes_in_any_pieces_is_whole(text, width, pieces):
    data = text.encode()
    log = Log()
    window = LogWindow(log.read, window=width)
    await window.read_end()
    place = 0
    for piece in [*pieces, len(data)]:
        place = min(len(data), place + min(piece, width))
        log.data = data[:place]
        await window.read_more()
    while place < len(data):
        place = min(len(data), place + width)
        log.data = data[:place]
        await window.read_more()
    while window.end < len(data):
        await window.read_more()
    assert "".join(window.text).removesuffix("\n") == text.removesuffix("\n")


@given(st.binary(max_size=200), st.integers(4, 40))
async def test_any_bytes_are_read_to_their_end(data, width):
    log = Log(data)
    window = LogWindow(log.read, window=width)
    await window.read_end()
    for _ in range(len(data) + 2):
        await window.read_more()
        await window.read_before()
    assert (window.start, window.end) == (0, len(data))


# Commands


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=80))
def test_a_command_started_from_here_is_read_back(command):
    script = launch_script(BackgroundJob.of("s", "0a1b2c3d"), command, "/work dir", {"KEY": "it's (a) secret; "})
    inner = next(word for word in shlex.split(script) if word.startswith("J="))[2:]
    assert command_of(f"sh\0-c\0{inner}\0", "0a1b2c3d") == command.strip()


@pytest.mark.parametrize(
    "cmdline",
    ["", "sh", "sh -c", "sh\0-c\0(", "(((", "export A='x", "sh\0-c\0( export KEY='abc" + "x" * 5000, "(export A=1"],
)
def test_what_is_not_a_launch_gives_no_secret(cmdline):
    assert "abc" not in command_of(cmdline, "0a1b2c3d")


@given(st.text(max_size=300))
def test_any_command_line_is_read_in_time(text):
    command_of("( " + text * 5, "0a1b2c3d")
    redacted_command(text)


@pytest.mark.parametrize(
    "command",
    [
        "API_KEY=abcdef python x.py",
        "curl -H 'Authorization: Bearer abcdefghij' x",
        "git clone https://me:hunter22@host/x",
        "run --token abcdef",
        "run --db-password=abcdef",
        "export HF_TOKEN='hf_abcdefghijklmnop'",
    ],
)
def test_commands_with_secrets_are_not_kept(command):
    assert not any(secret in redacted_command(command) for secret in ("abcdef", "hunter"))
    assert not is_complete(redacted_command(command))


@pytest.mark.parametrize("command", ["python tokenizer.py train", "python train.py --seed 7", "echo $API_KEY", "ls -l"])
def test_a_command_without_secrets_is_stored(command):
    assert redacted_command(command) == command


# Progress


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("step 30/100", 0.3),
        ("epoch 3/10 step 5/50", 0.3),
        (" 45%|####      | 450/1000 [00:12<00:15, 36it/s]", 0.45),
        ("  7%|7  | 70/1000", 0.07),
        ("[30/100] building", 0.3),
        ("Downloading 12.5%", 0.125),
        ("Progress: 40%", 0.4),
        ("old 10%\r new 20%", 0.2),
        ("Step 12k/100k", 0.12),
        ("step 3 of 4", 0.75),
        ("2026/11/24 ok", None),
        ("replay buffer 91% full", None),
        ("see 9/11 there", None),
        ("step 5/0", None),
        ("step 7/3", None),
        ("300%", None),
        ("", None),
    ],
)
def test_how_far_a_line_says_it_is(line, part):
    assert progress_of(line) == part


@given(st.text(max_size=500))
def test_any_line_has_a_progress_or_none(line):
    found = progress_of(line)
    assert found is None or 0 <= found <= 1
