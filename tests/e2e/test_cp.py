"""``sandtui cp`` and ``sandtui sync`` against a real platform."""

import asyncio
import json
import os
import signal
import subprocess

import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
from tests.conftest import start_platform
from tests.e2e.terminal import Terminal
from tests.e2e.test_dashboard import SANDTUI, environment


@pytest.fixture
def remote(platform_process, tmp_path):
    return environment(tmp_path, PRIME_API_KEY=platform_process.api_key, PRIME_API_BASE_URL=platform_process.base_url)


@pytest.fixture
async def boxes(platform_process):
    config = Config(api_key=platform_process.api_key, base_url=platform_process.base_url)
    async with AsyncSandboxClient(config=config, keep_tokens=False) as client:
        made = []
        for name in ("cp-a", "cp-b"):
            request = CreateSandboxRequest(name=name, docker_image="python:3.11-slim", labels=["cp"])
            made.append((await client.create(request)).id)
        for box in made:
            await client.wait_for_creation(box)

        async def sh(command, box=0):
            reply = await client.execute_command(made[box], command)
            return reply.stdout

        yield sh
        await client.bulk_delete(sandbox_ids=made)


async def sandtui(env, *words, code=0):
    def work():
        return subprocess.run([*SANDTUI, *map(str, words)], env=env, capture_output=True, text=True)

    done = await asyncio.to_thread(work)
    assert done.returncode == code, done.stderr
    return done


async def test_files_are_copied_from_a_script(remote, boxes, tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub dir").mkdir(parents=True)
    (tree / "sub dir" / "-x\n").write_text("hard")
    (tree / "one").write_text("1")
    quiet = await sandtui(remote, "cp", tree / "one", "cp-a:/workspace/")
    assert quiet.stdout == quiet.stderr == "", "silence is all there is without a terminal"
    assert await boxes("cat /workspace/one") == "1"
    await sandtui(remote, "cp", "--sftp", tree / "one", "cp-a:/workspace/over-ssh")
    assert await boxes("cat /workspace/over-ssh") == "1"
    refused = await sandtui(remote, "cp", tree, "cp-a:/workspace/", code=2)
    assert "-r copies it" in refused.stderr
    told = await sandtui(remote, "cp", "-r", "--json", "--query", "#cp", tree, ":/workspace/t")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert sorted((row["sandbox"], row["state"], row["files"]) for row in rows) == [
        ("cp-a", "done", 2),
        ("cp-b", "done", 2),
    ]
    assert await boxes("find /workspace/t -type f | wc -l", 1) == "3\n", "a line break in a name is one"
    await sandtui(remote, "cp", "--query", "#cp", ":t/one", tmp_path / "all")
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.glob("all/*/*")} == {"all/cp-a/one", "all/cp-b/one"}
    for words, message in (
        (("cp", "a", "b"), "neither side"),
        (("cp", "no-such:/x", "b"), "no running sandbox"),
        (("cp", "cp-a:/nothing", tmp_path), "is not there"),
        (("cp", tree / "one", ":/x"), "needs --query"),
    ):
        assert message in (await sandtui(remote, *words, code=2)).stderr
    failed = await sandtui(remote, "cp", tree / "one", "cp-a:/proc/one", code=1)
    assert "/proc" in failed.stderr


async def test_a_bar_on_a_terminal_and_nothing_left_after_ctrl_c(remote, boxes, tmp_path):
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1_500_000_000)
    async with Terminal([*SANDTUI, "cp", str(tmp_path / "big"), "cp-a:/workspace/big"], remote) as terminal:
        await terminal.until(lambda text: "%" in text and "MB/s" in text and "left" in text)
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert await terminal.ended() == 130
    assert await boxes("ls -A /workspace") == ""


async def test_a_directory_is_kept_equal(remote, boxes, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for name, text in (("keep.py", "1"), ("skip.log", "2"), ("node/x", "3"), (".gitignore", "*.log\nnode/\n")):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    await boxes("mkdir -p /workspace/s/node; cd /workspace/s; echo old > keep.py; echo x > extra; echo y > own.log")
    words = ("sync", "--gitignore", here, "cp-a:/workspace/s")
    plan = await sandtui(remote, *words, "--dry-run", "--delete")
    assert plan.stdout.splitlines()[:3] == ["+ .gitignore", "~ keep.py", "- extra"]
    assert await boxes("cat /workspace/s/keep.py") == "old\n", "nothing was done"
    await sandtui(remote, *words, "--delete")
    assert await boxes("cd /workspace/s; find . -type f | sort") == "./.gitignore\n./keep.py\n./own.log\n"
    again = json.loads((await sandtui(remote, *words, "--dry-run", "--json")).stdout)
    assert (again["new"], again["changed"], again["same"]) == ([], [], 2)
    process = await asyncio.create_subprocess_exec(
        *SANDTUI, *map(str, words), "--watch", "--json", env=remote, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["files"] == 0
        (here / "saved.py").write_text("new")
        (here / "noise.log").write_text("new")
        row = json.loads(await process.stdout.readline())
        assert (row["state"], row["files"]) == ("done", 1)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert await boxes("cd /workspace/s; cat saved.py; ls noise.log 2>/dev/null") == "new"


async def piped(env, *words, data=b"", code=0):
    def work():
        return subprocess.run([*SANDTUI, *map(str, words)], env=env, capture_output=True, input=data)

    done = await asyncio.to_thread(work)
    assert done.returncode == code, done.stderr
    return done


BYTES = bytes(range(256)) * 5000


async def test_a_dash_is_standard_input_or_output(remote, boxes, tmp_path):
    sent = await piped(remote, "cp", "-", "cp-a:/workspace/bytes", data=BYTES)
    assert (sent.stdout, sent.stderr) == (b"", b"")
    assert (await piped(remote, "cp", "cp-a:/workspace/bytes", "-")).stdout == BYTES
    await piped(remote, "cp", "-", "cp-a:/workspace/empty")
    assert (await piped(remote, "cp", "cp-a:/workspace/empty", "-")).stdout == b""
    await piped(remote, "cp", "--query", "#cp", "-", ":/workspace/all", data=b"to both")
    assert [await boxes("cat /workspace/all", box) for box in (0, 1)] == ["to both"] * 2
    (tmp_path / "-").write_text("a file of that name")
    process = subprocess.run([*SANDTUI, "cp", "./-", "cp-a:/workspace/dash"], env=remote, cwd=tmp_path, check=True)
    assert process.returncode == 0
    assert await boxes("cat /workspace/dash") == "a file of that name"
    for words, message in (
        (("-", "-"), b"one side only"),
        (("-r", "cp-a:/workspace", "-"), b"-r does not go with -"),
        (("-p", "-", "cp-a:/x"), b"-p does not go with -"),
        (("--json", "cp-a:/workspace/all", "-"), b"--json does not go with -"),
        (("--existing", "newer", "-", "cp-a:/x"), b"nothing to compare"),
        (("-", "cp-a:/workspace"), b"is a directory: write NAME:DIRECTORY/FILE"),
        (("-", "cp-a:/workspace/"), b"is a directory: write NAME:DIRECTORY/FILE"),
        (("cp-a:/workspace", "-"), b"is a directory"),
        (("cp-a:/nothing", "-"), b"is not there"),
        (("--query", "#cp", ":/workspace/all", "-"), b"- takes one file"),
        (("-", "here"), b"neither side"),
    ):
        refused = await piped(remote, "cp", *words, data=b"x", code=2)
        assert message in refused.stderr
        assert refused.stdout == b""
    assert not (tmp_path / "here").exists()
    refused = await piped(remote, "sync", "-", "cp-a:/workspace", code=2)
    assert b"`sandtui cp` takes -" in refused.stderr
    failed = await piped(remote, "cp", "-", "cp-a:/proc/nope", data=b"x", code=1)
    assert failed.stderr.startswith(b"sandtui: -: ")


async def test_a_reader_that_leaves_is_no_fault(remote, boxes):
    await boxes("yes | head -c 3000000 > /workspace/long")
    line = " ".join([*SANDTUI, "cp", "cp-a:/workspace/long", "-"])

    def work():
        shell = f"{line} | head -c 2; code=${{PIPESTATUS[0]}}; echo; echo $code"
        return subprocess.run(["bash", "-c", shell], env=remote, capture_output=True, text=True)

    done = await asyncio.to_thread(work)
    assert done.stdout == "y\n\n1\n"
    assert done.stderr == ""


async def test_escape_sequences_stay_out_of_a_terminal(remote, boxes):
    await boxes("printf 'plain text' > /workspace/text; printf '\\033[31mred' > /workspace/red")
    async with Terminal([*SANDTUI, "cp", "-q", "cp-a:/workspace/text", "-"], remote) as terminal:
        await terminal.until("plain text")
        assert await terminal.ended() == 0
    async with Terminal([*SANDTUI, "cp", "-q", "cp-a:/workspace/red", "-"], remote) as terminal:
        await terminal.until("redirect the output")
        assert await terminal.ended() == 2


async def test_many_are_asked_about(remote, boxes, tmp_path):
    (tmp_path / "f").write_text("f")
    for words in (("cp", "--query", "", tmp_path / "f", ":/workspace/f"), ("sync", "--query", "", tmp_path, ":/s")):
        refused = await sandtui(remote, *words, code=2)
        assert "2 running sandboxes match an empty query: add --yes or --all" in refused.stderr
    for words in (("--all",), ("--yes", "--query", ""), ("-y", "--query", " ")):
        await sandtui(remote, "cp", *words, tmp_path / "f", ":/workspace/f")
        assert [await boxes("cat /workspace/f; rm /workspace/f", box) for box in (0, 1)] == ["f"] * 2
    for given in (("--all",), ("--query", "#cp")):
        refused = await sandtui(remote, "cp", *given, tmp_path / "f", "cp-a:/workspace/f", code=2)
        assert "side that begins with a colon" in refused.stderr
    line = [*SANDTUI, "cp", "-q", "--query", "", str(tmp_path / "f"), ":/workspace/f"]
    for typed, code, there in (("n", 2, ""), ("", 2, ""), ("y", 0, "f")):
        async with Terminal(line, remote) as terminal:
            await terminal.until("2 running sandboxes match an empty query: cp-")
            await terminal.until("[y/N]")
            await terminal.press(*typed, "enter")
            assert await terminal.ended() == code
        assert await boxes("cat /workspace/f 2>/dev/null") == there
    async with Terminal(line, remote) as terminal:
        await terminal.until("[y/N]")
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert await terminal.ended() == 130


async def test_what_went_wrong_is_said_with_the_path_that_was_typed(remote, boxes, tmp_path):
    (tmp_path / "file").write_text("1")
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "x").write_text("1")
    await boxes("echo 1 > /workspace/a; mkdir -p /workspace/t/s; echo 1 > /workspace/t/s/x")
    here = {"cwd": tmp_path, "env": remote, "capture_output": True, "text": True}
    for words, message in (
        (("cp-a:/workspace/a", "/proc/nope"), "/proc/nope can't be written: No such file or directory"),
        (("--sftp", "cp-a:/workspace/a", "/proc/nope"), "/proc/nope can't be written: No such file or directory"),
        (("-r", "cp-a:/workspace/t", "/proc/nope"), "/proc/nope/s can't be made: No such file or directory"),
        (("cp-a:/workspace/a", "file/x"), "sandtui: file is no directory"),
        (("nothing", "cp-a:/workspace/a"), "sandtui: nothing is not there"),
        (("file/x", "cp-a:/workspace/a"), "sandtui: file is no directory"),
        (("./file", "cp-a:/proc/nope"), "sandtui: ./file: /proc/nope: No such file or directory"),
        (("file", "cp-a:/workspace/a/x"), "sandtui: file: /workspace/a/x: Not a directory"),
        (("-r", "tree", "cp-a:/proc/nope"), "/proc/nope"),
        (("cp-a:/workspace/a", "cp-b:/proc/nope"), "/proc/nope: No such file or directory"),
    ):
        done = await asyncio.to_thread(subprocess.run, [*SANDTUI, "cp", *words], **here)
        assert done.returncode in {1, 2}
        assert message in done.stderr
        assert ".part" not in done.stderr
        assert "Errno" not in done.stderr


@pytest.fixture
def plain(tmp_path):
    """A platform of plain processes, and the directory of its one sandbox."""
    process, platform = start_platform(tmp_path / "state", "--driver", "process")
    yield environment(tmp_path, PRIME_API_KEY=platform.api_key, PRIME_API_BASE_URL=platform.base_url)
    process.terminate()
    assert process.wait(timeout=30) == 0


async def test_plain_processes_say_why_a_file_can_not_be_put_somewhere(plain, tmp_path):
    """Uploads stay in the sandbox's directory there, while commands see the machine."""
    await sandtui(plain, "create", "python", "--set", "name=plain", "--wait")
    (tmp_path / "file").write_text("hello")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "x").write_text("1")
    for words, message in (
        ((tmp_path / "file", "plain:/proc/nope"), "/proc/nope: "),
        ((tmp_path / "file", f"plain:{tmp_path}/none/x"), f"{tmp_path}/none/x: "),
        ((tmp_path / "file", f"plain:{tmp_path}/new"), "use a path in its working directory"),
        (("-r", tmp_path / "tree", f"plain:{tmp_path}/copied"), "use a path in its working directory"),
    ):
        done = await sandtui(plain, "cp", *words, code=1)
        assert message in done.stderr
        assert "irectory" in done.stderr, "the reason, in the words of whatever shell there is"
        assert not any(each in done.stderr for each in ("another", ".part", "sh:", "Errno")), done.stderr
    assert not list(tmp_path.glob(".*.part"))
    await sandtui(plain, "cp", tmp_path / "file", "plain:here")
    await sandtui(plain, "cp", "plain:here", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "hello"
    shown = await sandtui(plain, "run", "plain", "--", "cat here")
    assert "hello" in shown.stdout
