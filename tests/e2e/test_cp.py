"""``sandtui cp`` and ``sandtui sync`` against a real platform."""

import asyncio
import json
import os
import signal
import subprocess

import pytest

from sandtui.client import AsyncSandboxClient, Config, CreateSandboxRequest
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
    async with asyncio.timeout(20):
        assert json.loads(await process.stdout.readline())["files"] == 0
        (here / "saved.py").write_text("new")
        (here / "noise.log").write_text("new")
        row = json.loads(await process.stdout.readline())
        assert (row["state"], row["files"]) == ("done", 1)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert await boxes("cd /workspace/s; cat saved.py; ls noise.log 2>/dev/null") == "new"
