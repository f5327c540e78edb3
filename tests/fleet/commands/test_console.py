import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import AsyncSandboxClient, Config
from sandtui.clock import ManualClock
from sandtui.fleet.commands.console import Console, RunState
from sandtui.fleet.commands.line.users import user_problem
from sandtui.fleet.text.growing_line import MAX_LINE
from sandtui.fleet.text.output_lines import MAX_LINES, Output, OutputStream
from sandtui.fleet.text.slices import SLICE, slices
from tests.client.fakes import SANDBOX, FakePlatform, body_of, token_reply
from tests.fleet.factory import NOW
from tests.probes import session_of

EXEC = "POST /ns/sbx_1/exec"


def console_of(platform):
    config = Config(api_key="k", base_url="http://platform.test")
    client = AsyncSandboxClient(config=config, transport=httpx.MockTransport(platform), keep_tokens=False)
    session_of(client).retry.attempts = 1
    return Console(client, "sbx_1", ManualClock(NOW))


def platform(*answers):
    return FakePlatform().on("POST /api/v1/sandbox/sbx_1/auth", token_reply()).on(EXEC, *answers)


def texts(console):
    return [(line.stream.value, line.text) for line in console.lines]


async def test_what_a_command_prints_and_how_it_ends():
    console = console_of(platform({"stdout": "a\nb\n", "stderr": "e\n", "exit_code": 3}))
    changes = []
    console.on_change.subscribe(lambda: changes.append(len(console.lines)))
    run = await console.run("echo a", 10)
    assert (run.state, run.exit_code) == (RunState.DONE, 3)
    assert texts(console) == [
        ("command", "echo a"),
        ("stdout", "a"),
        ("stdout", "b"),
        ("stderr", "e"),
        ("result", ""),
    ]
    assert changes


async def test_a_refusal_is_reported_in_the_output():
    console = console_of(platform(httpx.Response(500, json={"detail": "broken"})))
    run = await console.run("x", 10)
    assert run.state is RunState.FAILED
    assert "broken" in texts(console)[-1][1]
    assert console.running is None


async def test_a_command_at_a_time_and_one_that_is_stopped():
    started = asyncio.Event()

    async def forever(request):
        if request.url.path.endswith("/exec"):
            started.set()
            await asyncio.Event().wait()
        return httpx.Response(200, json=token_reply() if request.url.path.endswith("/auth") else SANDBOX)

    console = console_of(forever)
    task = asyncio.ensure_future(console.run("sleep", 10))
    await started.wait()
    with pytest.raises(RuntimeError):
        await console.run("another", 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert console.runs[0].state is RunState.CANCELLED
    assert texts(console)[-1] == ("problem", "stopped")
    console.clear()
    assert (texts(console), console.history) == ([], ["sleep"])


async def test_a_platform_without_ssh_is_not_an_error():
    console = console_of(platform().on("POST /api/v1/sandbox/sbx_1/ssh-session", httpx.Response(501, json={})))
    await console.keep_open()
    assert not console.live


PIECES = st.lists(st.binary(max_size=12), max_size=20)


@given(PIECES)
def test_pieces_make_the_lines_that_the_whole_makes(pieces):
    output = Output()
    for piece in pieces:
        output.feed(OutputStream.STDOUT, piece, 1)
    whole = Output()
    whole.feed(OutputStream.STDOUT, b"".join(pieces), 1)
    assert [line.text for line in output.lines] == [line.text for line in whole.lines]


@given(PIECES, PIECES)
def test_two_streams_do_not_mix(out, err):
    both, alone = Output(), Output()
    for place in range(max(len(out), len(err))):
        for stream, pieces in ((OutputStream.STDOUT, out), (OutputStream.STDERR, err)):
            if place < len(pieces):
                both.feed(stream, pieces[place], 1)
    for piece in out:
        alone.feed(OutputStream.STDOUT, piece, 1)
    assert [line.text for line in both.lines if line.stream is OutputStream.STDOUT] == [
        line.text for line in alone.lines
    ]


def test_a_line_grows_until_it_ends():
    output = Output()
    for piece, shown in ((b"10", "10"), (b"%\xe2\x82", "10%"), (b"\xac", "10%€"), (b"\nnext", "10%€")):
        output.feed(OutputStream.STDOUT, piece, 1)
        assert output.lines[0].text == shown
    assert [line.text for line in output.lines] == ["10%€", "next"]


def test_what_is_kept_is_bounded():
    output = Output()
    output.feed(OutputStream.STDOUT, b"open", 1)
    output.add(OutputStream.STDERR, [str(number) for number in range(MAX_LINES + 10)], 1)
    assert len(output.lines) == MAX_LINES
    output.feed(OutputStream.STDOUT, b"x" * (MAX_LINE + 50), 1)
    assert len(output.lines[-1].text) == MAX_LINE
    assert len(output.lines) == MAX_LINES
    assert output.dropped == 2


def test_the_characters_of_all_lines_are_bounded_too(monkeypatch):
    monkeypatch.setattr("sandtui.fleet.text.output_lines.MAX_CHARACTERS", 1000)
    output = Output()
    for number in range(50):
        output.feed(OutputStream.STDOUT, f"{number:03}{'x' * 300}\n".encode(), 1)
        output.feed(OutputStream.STDERR, b"y" * 40, 1)
        assert sum(len(line.text) for line in output.lines) <= 1000
    assert output.lines[-1].text.startswith("049") or output.lines[-1].text.startswith("y")
    assert output.dropped + len(output.lines) == sum(output.sizes.values())
    output.clear()
    output.feed(OutputStream.STDOUT, b"x" * 900, 2)
    assert len(output.lines) == 1


async def test_commands_run_as_the_chosen_user_and_so_does_all_around_them():
    fake = platform({"stdout": "", "stderr": "", "exit_code": 0})
    console = console_of(fake)
    await console.run("true", 10)
    console.user = "nobody"
    # It changes the directory, which takes another command to read back.
    await console.run("cd /tmp", 10)
    await console.complete("ls /")
    users = [body_of(each).get("user") for each in fake.requests if each.url.path.endswith("/exec")]
    assert users[0] is None and len(users) >= 4
    assert set(users[1:]) == {"nobody"}


async def test_ssh_is_not_used_for_another_user():
    console = console_of(platform({"stdout": "", "stderr": "", "exit_code": 0}))
    assert not console.live
    vm = Console(console.client, "sbx_1", ManualClock(NOW), vm=True)
    vm.user = "nobody"
    assert vm.live


@pytest.mark.parametrize("text", ["nobody", "0", "1000", "svc_1", "a.b-c", "WIN$", " root ", ""])
def test_users_that_can_be(text):
    assert not user_problem(text)


@pytest.mark.parametrize("text", ["a b", "-u", "a;b", "a/b", "a\nb", "x" * 300, "$(id)"])
def test_users_that_cannot_be(text):
    assert user_problem(text)


async def test_output_that_floods_lets_others_work_between_its_slices():
    turns = []

    async def other():
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    output, before = Output(), 0
    for _ in range(5):
        # As a stream that has data ready all the time: it gives way nowhere by itself.
        async for piece in slices(b"y\n" * SLICE):
            assert len(piece) <= SLICE
            output.feed(OutputStream.STDOUT, piece, 1)
        assert len(turns) > before + 1
        before = len(turns)
    task.cancel()
    assert len(output.lines) + output.dropped == 5 * SLICE


@given(st.lists(st.sampled_from(["a", "", "b\rc", "\x1b[31mred", "x" * (MAX_LINE + 1)]), max_size=6))
def test_lines_that_are_added_together_are_those_that_are_added_one_by_one(lines):
    together, single = Output(), Output()
    together.add(OutputStream.STDOUT, lines, 1)
    for line in lines:
        single.add(OutputStream.STDOUT, [line], 1)
    assert together.lines == single.lines
    assert together.sizes == single.sizes
