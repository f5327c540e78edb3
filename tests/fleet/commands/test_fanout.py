import asyncio
import itertools
import json
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandtui.client import CommandResponse, CommandTimeoutError, ConnectionFailedError
from sandtui.client.models.streams import CommandEnded, CommandOutput, CommandStarted
from sandtui.clock import ManualClock
from sandtui.fleet.commands.fanout import Answer, FanOut, differences, group
from sandtui.fleet.commands.fanout.answer import MAX_KEPT
from sandtui.fleet.commands.fanout.bodies import Bodies
from sandtui.fleet.commands.fanout.differences import DiffBudget, DiffKind, body, compare
from sandtui.fleet.commands.fanout.grouping import exit_codes, reference
from sandtui.fleet.commands.fanout.live import LONGEST_LINE, TAIL_LINES, Live
from sandtui.fleet.commands.fanout.save import file_name, save
from sandtui.fleet.commands.fanout.text import ALL_WELL, COMMAND_FAILED, NOT_REACHED, exit_code, report
from sandtui.fleet.inventory.bulk import BulkState
from sandtui.fleet.inventory.row import Row
from sandtui.fleet.inventory.session import FAN_OUTS_KEPT, FleetSession
from sandtui.fleet.text.carriage_returns import last_state
from tests.fleet.factory import NOW, sandbox


class Client:
    """Answers commands by the sandbox's number; counts how many run at once."""

    def __init__(self, answer):
        self.answer = answer
        self.running = self.most = 0

    async def execute_command(self, sandbox_id, command, timeout=None):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            answer = self.answer(int(sandbox_id[-4:]))
            if isinstance(answer, asyncio.Future):
                answer = await answer
            if isinstance(answer, Exception):
                raise answer
        finally:
            self.running -= 1
        stdout, stderr, code = answer
        return CommandResponse(stdout=stdout, stderr=stderr, exit_code=code)


def rows(count, **fields):
    return [Row.of(sandbox(number, **fields), 1) for number in range(1, count + 1)]


def fan_out_of(answer, count=20, **options):
    client = Client(answer)
    return FanOut("x", rows(count), client, ManualClock(NOW), timeout=10, **options), client


def mixed(number):
    if number == 3:
        return ConnectionFailedError("can't connect to sbx_0003", sent=False)
    if number == 4:
        return ConnectionFailedError("can't connect to sbx_0004", sent=False)
    if number == 5:
        return CommandTimeoutError("the command did not end within 10 s")
    if number in {6, 7}:
        return "ok\ncommit b\n", "", 0
    return ("ok\ncommit a\n", "", 0) if number != 8 else ("", "broken\n", 1)


async def test_two_hundred_at_a_bounded_number_at_a_time():
    fan_out, client = fan_out_of(lambda number: ("", "", 0), 200, at_once=16)
    await fan_out.run()
    assert client.most == 16
    assert fan_out.count(BulkState.DONE) == 200
    assert [len(each.targets) for each in group(fan_out.targets)] == [200]
    assert exit_code(fan_out) == ALL_WELL


async def test_equal_answers_and_equal_reasons_are_folded():
    fan_out, _ = fan_out_of(mixed)
    await fan_out.run()
    groups = group(fan_out.targets)
    assert [len(each.targets) for each in groups] == [14, 2, 1, 2, 1]
    assert [each.failed for each in groups] == [False, False, True, True, True]
    assert reference(groups) is groups[0]
    assert groups[3].problem.startswith("can't connect to …."), "without the ids, the reasons are one"
    assert dict(exit_codes(fan_out)) == {
        "exit 0": 16,
        "exit 1": 1,
        "unreachable": 2,
        "timed out": 1,
    }
    assert len(group(fan_out.targets, failures_only=True)) == 3
    assert len(group(fan_out.targets, together=False)) == 20
    assert exit_code(fan_out) == NOT_REACHED
    text = "\n".join(report(fan_out))
    assert "── 14 identical, exit 0" in text
    assert "\n~  commit b\n" in text
    assert text.endswith("20 sandboxes · 16 ok · 1 failed · 1 timed out · 2 unreachable · 3 different results")


def late(stdout, stderr=""):
    error = CommandTimeoutError("the command did not end within 10 s", command="deploy --token canary")
    error.stdout, error.stderr = stdout, stderr
    return error


async def test_what_was_written_before_the_time_was_over_is_kept(tmp_path):
    fan_out, _ = fan_out_of(lambda number: late("step 1\n" if number < 3 else f"step {number}\n", "slow\n"), 4)
    await fan_out.run()
    assert [len(each.targets) for each in group(fan_out.targets)] == [2, 1, 1]
    text = "\n".join(report(fan_out))
    assert text.count("the command did not end within 10 s") == 3
    assert all(f"step {number}" in text for number in (1, 3, 4))
    assert "slow" in text
    assert "canary" not in text
    save(fan_out, tmp_path / "all.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert kept[0]["stdout"] == "step 1\n"
    assert kept[0]["stderr"] == "slow\n"
    assert "exit_code" not in kept[0]
    made = Bodies().of(fan_out.targets)
    assert len(made) == 3
    fan_out.prepare_retry()
    assert all(target.output is None for target in fan_out.targets)


async def test_again_on_the_failed_only():
    fan_out, client = fan_out_of(mixed)
    await fan_out.run()
    before = {target.id: target.answer for target in fan_out.targets if target.answer and not target.answer.exit_code}
    asked = []
    client.answer = lambda number: asked.append(number) or ("ok\ncommit a\n", "", 0)
    assert fan_out.prepare_retry() == 4
    await fan_out.run()
    assert sorted(asked) == [3, 4, 5, 8]
    assert fan_out.count(BulkState.DONE) == 20
    assert all(target.answer is before.get(target.id, target.answer) for target in fan_out.targets)


async def test_it_can_be_cancelled_at_any_time():
    never = asyncio.get_running_loop().create_future()
    fan_out, client = fan_out_of(lambda number: ("", "", 0) if number < 4 else never, at_once=5)
    work = asyncio.create_task(fan_out.run())
    while client.running < 5 or fan_out.count(BulkState.DONE) < 3:
        await asyncio.sleep(0)
    fan_out.cancel()
    await work
    assert client.running == 0
    assert fan_out.count(BulkState.CANCELLED) == 17
    assert {each.problem for each in group(fan_out.targets) if each.failed} == {"interrupted", "not started"}
    assert exit_code(fan_out) == NOT_REACHED


async def test_what_ran_is_recorded_without_its_secrets():
    session = FleetSession(Client(mixed), ManualClock(NOW))
    for _ in range(FAN_OUTS_KEPT + 2):
        fan_out = session.fan_out("TOKEN=canary deploy", rows(8), 10)
        await fan_out.run()
    assert session.history.of("sbx_0008")[0].words == "$ TOKEN=<hidden> deploy  exit 1"
    assert [session.history.of(f"sbx_{number:04}")[0].bad for number in (1, 3, 8)] == [False, True, True]
    assert len(session.history.touched) == 8
    assert (len(session.fan_outs), session.fan_outs[-1]) == (FAN_OUTS_KEPT, fan_out)


async def test_a_failing_command_alone_is_a_one():
    fan_out, _ = fan_out_of(lambda number: ("", "", 7 if number == 2 else 0))
    await fan_out.run()
    assert exit_code(fan_out) == COMMAND_FAILED


async def test_what_is_too_long_is_cut_and_still_told_apart():
    long = "x" * MAX_KEPT
    fan_out, _ = fan_out_of(lambda number: (long + ("a" if number == 1 else "b"), "", 0), 4)
    await fan_out.run()
    groups = group(fan_out.targets)
    assert [len(each.targets) for each in groups] == [3, 1]
    assert all(each.answer.cut == 1 and len(each.answer.stdout) == MAX_KEPT for each in groups)
    assert len({id(target.answer) for target in fan_out.targets}) == 2, "equal answers are kept once"


async def test_the_whole_of_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr("sandtui.fleet.commands.fanout.run.MAX_TOTAL", 1_000_000)
    fan_out, _ = fan_out_of(lambda number: ("x" * 300_000 + str(number % 9), "", 0), 18, at_once=1)
    await fan_out.run()
    assert fan_out.size <= 1_000_000 + 9 * 64 * 1024
    assert sorted(len(each.targets) for each in group(fan_out.targets)) == [2] * 9, "equal answers are equal when cut"
    assert {each.answer.cut > 0 for each in group(fan_out.targets)} == {True, False}


LINES = st.lists(st.sampled_from(["a", "b", "c", "same", "a\x1b[31m!", "\t[x]", "日本"]), max_size=30)


def body_of(lines, err=()):
    return body(Answer(0, "\n".join(lines), "\n".join(err)))


@given(LINES, LINES, LINES)
def test_a_comparison_changes_no_line_of_the_answer(one, other, err):
    mine, theirs = body_of(one, err), body_of(other)
    shown = compare(mine, theirs, DiffBudget())
    kept = [line for line in shown.lines if line.kind is not DiffKind.GONE]
    assert [(line.text, line.stderr) for line in kept] == [(line.text, line.stderr) for line in mine.lines]
    for line in shown.lines:
        assert 0 <= line.start <= line.end <= len(line.text)
    gone = [line.text for line in shown.lines if line.kind is DiffKind.GONE]
    same = [line.text for line in shown.lines if line.kind is DiffKind.SAME]
    changed = [line for line in shown.lines if line.kind is DiffKind.CHANGED]
    assert len(gone) + len(same) + len(changed) == len(theirs.lines), "each line of the other is accounted for"


def test_what_differs_within_a_line_is_narrowed():
    (line,) = compare(body_of(["version 1.2.3 ok"]), body_of(["version 1.9.3 ok"]), DiffBudget()).lines
    assert (line.kind, line.text[line.start : line.end]) == (DiffKind.CHANGED, "2")


def test_a_difference_that_is_not_shown_is_reported():
    assert "invisible" in compare(body_of(["\x1b[31ma"]), body_of(["a"]), DiffBudget()).note


def test_too_much_is_not_aligned():
    one, other = body_of([str(n) for n in range(2000)]), body_of([str(n) for n in range(1, 5000, 2)])
    shown = compare(one, other, DiffBudget())
    assert "too long" in shown.note
    assert [line.text for line in shown.lines] == [str(n) for n in range(2000)]
    assert {line.text for line in shown.lines if line.kind is DiffKind.ADDED} == {str(n) for n in range(0, 2000, 2)}
    assert "too long" in compare(body_of(["a", "x", "c"]), body_of(["b", "c", "x"]), DiffBudget(0)).note
    assert body_of([str(n) for n in range(3000)]).left_out == 1000
    assert body_of([str(n) for n in range(1500)], [str(n) for n in range(1500)]).left_out == 1000


def test_a_few_lines_far_apart_are_found_and_shown_first():
    lines = [f"line {n}" for n in range(1900)]
    other = [*lines]
    other[40], other[1800] = "line x", "line y"
    shown = compare(body_of(other), body_of(lines), DiffBudget(0))
    assert [shown.line(number).text for number in shown.changes] == ["line x", "line y"]
    assert shown.preview(10) == [39, 40, 41, 1799, 1800, 1801]
    assert shown.preview(2) == [39, 40, 41], "one change is always shown whole"
    assert body_of(lines).preview(10) == list(range(10))


@given(st.text(alphabet="a\n\t\x1b", max_size=12), st.integers(0, 4))
def test_lines_are_counted_as_they_are_shown(text, most):
    whole = text.split("\n")
    if not whole[-1]:
        whole.pop()
    first, more = differences.first_lines(text, " ", most)
    assert len(first) == min(most, len(whole))
    assert len(first) + more == len(whole)


async def test_all_is_saved_in_a_folder_that_only_the_user_reads(tmp_path):
    fan_out, _ = fan_out_of(mixed)
    await fan_out.run()
    await asyncio.to_thread(save, fan_out, tmp_path / "out")
    results = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert len(results) == 20
    assert (tmp_path / "out" / results[0]["stdout_file"]).read_text() == "ok\ncommit a\n"
    assert (tmp_path / "out" / results[7]["stderr_file"]).read_text() == "broken\n"
    assert results[2]["error"].startswith("can't connect to sbx_0003")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        save(fan_out, tmp_path / "out")


async def test_a_file_of_json_lines_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    fan_out, _ = fan_out_of(mixed)
    await fan_out.run()
    save(fan_out, tmp_path / "out.jsonl")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 20

    def full(_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    for name in ("second.jsonl", "second"):
        with pytest.raises(OSError, match="no space"):
            save(fan_out, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@given(st.text(max_size=100), st.text(max_size=40))
def test_files_are_named_for_any_file_system(name, sandbox_id):
    fan_out = FanOut("x", rows(1, name=name or "x"), Client(mixed), ManualClock(NOW), timeout=1)
    fan_out.targets[0].item.id = sandbox_id
    made = file_name(fan_out.targets[0])
    assert made.isascii() and "/" not in made and not made.startswith(".") and len(made) < 130


def test_hostile_output_is_harmless_in_the_report():
    assert "\x1b" not in "".join(line.text for line in body_of(["\x1b]52;c;eA==\x07", "\x9b2J"]).lines)


def in_pieces(draw_cuts, data):
    places = [0, *sorted(cut % (len(data) + 1) for cut in draw_cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


OUTPUT = st.lists(st.sampled_from(["a", "\n", "\r", "日本", "x" * 30, "\x1b[31m", "\ud800"]), max_size=40).map("".join)


@given(OUTPUT, OUTPUT, st.lists(st.integers(0, 500), max_size=6), st.sampled_from([5, 50, 5000]))
def test_output_that_came_in_pieces_is_the_answer_that_came_whole(out, err, cuts, limit):
    live = Live(limit)
    raw = {"stdout": out.encode("utf-8", "surrogatepass"), "stderr": err.encode("utf-8", "surrogatepass")}
    for name, data in raw.items():
        for piece in in_pieces(cuts, data):
            live.feed(name, piece)
    texts = [data.decode("utf-8", "replace") for data in raw.values()]
    answer = live.answer(3)
    assert answer == Answer.of(CommandResponse(stdout=texts[0], stderr=texts[1], exit_code=3), limit)
    whole = [line for text in texts for line in text.split("\n")[:-1]]
    ended = [line.text for line in live.tail]
    assert len(live.tail) <= TAIL_LINES
    assert all(last_state(line) in ended for line in whole[-TAIL_LINES + 2 :])


def test_the_last_line_is_what_a_terminal_would_show():
    live = Live()
    assert live.last is None
    live.feed("stdout", b"collecting\n10 %\r55 %\r")
    assert (live.last.text, live.last.stderr) == ("55 %", False)
    live.feed("stderr", b"warning: no")
    live.feed("stderr", b" GPU")
    assert (live.last.text, live.last.stderr) == ("warning: no GPU", True)
    live.feed("stdout", b"100 %\ndone\n\n")
    assert [line.text for line in live.tail] == ["collecting", "100 %", "done", "", "warning: no GPU"]


def test_a_flood_keeps_its_beginning_and_its_last_lines():
    live = Live(1000)
    for n in range(3000):
        live.feed("stdout", b"%d\n" % n * 20)
    live.feed("stdout", b"y" * 100_000)
    answer = live.answer(0)
    assert (len(answer.stdout), answer.cut > 300_000) == (1000, True)
    assert [line.text for line in live.tail[:-1]] == [str(n) for n in [2997] * 9 + [2998] * 20 + [2999] * 20]
    assert len(live.tail[-1].text) == LONGEST_LINE


class StreamingClient(Client):
    """Yields the answer of VMs in two pieces; each waits for ``go`` in between."""

    def __init__(self, answer):
        super().__init__(answer)
        self.go = asyncio.Event()
        self.closed = 0

    async def stream_command(self, sandbox_id, command, timeout=None):
        try:
            stdout, stderr, code = self.answer(int(sandbox_id[-4:]))
            yield CommandStarted("session")
            yield CommandOutput("stdout", stdout.encode())
            await self.go.wait()
            yield CommandOutput("stderr", stderr.encode())
            if code is not None:
                yield CommandEnded(code)
        finally:
            self.closed += 1


async def streaming(answer, **options):
    client = StreamingClient(answer)
    fan_out = FanOut("x", [*rows(3), *rows(6, vm=True)[3:]], client, ManualClock(NOW), timeout=10, **options)
    work = asyncio.create_task(fan_out.run())
    wanted = 6 if options.get("live") else 3
    while sum(target.live is not None and target.live.last is not None for target in fan_out.targets) < wanted:
        await asyncio.sleep(0)
    return fan_out, client, work


async def test_machines_are_read_while_they_run_and_answer_as_containers_do():
    fan_out, client, work = await streaming(lambda number: ("ok\n", "warned\n", 0))
    changes = []
    fan_out.on_change.subscribe(lambda: changes.append(1))
    assert [target.live.last.text if target.live else None for target in fan_out.targets] == [None] * 3 + ["ok"] * 3
    client.go.set()
    await work
    assert changes
    assert [len(each.targets) for each in group(fan_out.targets)] == [6], "both ways give equal answers"
    assert all(target.live is None for target in fan_out.targets)


async def test_containers_are_read_over_ssh_when_that_is_wanted():
    fan_out, client, work = await streaming(lambda number: ("ok\n", "", 0), live=True)
    client.go.set()
    await work
    assert (client.most, client.closed, fan_out.count(BulkState.DONE)) == (0, 6, 6)


async def test_stopping_closes_what_is_read():
    fan_out, client, work = await streaming(lambda number: ("ok\n", "", 0))
    fan_out.cancel()
    await work
    assert client.closed == 3
    assert fan_out.count(BulkState.CANCELLED) == 3


async def test_output_without_an_end_is_not_a_success():
    fan_out, client, work = await streaming(lambda number: ("ok\n", "", None if number == 5 else 0))
    client.go.set()
    await work
    (failed,) = fan_out.failed
    assert "without an exit code" in failed.problem


async def test_another_user_runs_it_and_its_input_is_removed_by_who_may():
    """Not over SSH, which logs in as one user; and /tmp lets only the owner of a file remove it."""
    ran, uploaded = [], []

    class Platform:
        async def execute_command(self, sandbox_id, command, timeout=None, user=None):
            ran.append((command, user))
            return CommandResponse(stdout="", stderr="", exit_code=0)

        async def upload_bytes(self, sandbox_id, path, data):
            uploaded.append((path, data))

    fan_out = FanOut("x", rows(1), Platform(), ManualClock(NOW), timeout=10, live=True, stdin=b"in", user="nobody")
    assert not fan_out.targets[0].streams
    await fan_out.run()
    ((path, data),) = uploaded
    assert data == b"in"
    assert [user for _, user in ran] == ["nobody", None]
    assert ran[0][0].endswith("\nx") and ran[1][0] == f"rm -f {path}"
