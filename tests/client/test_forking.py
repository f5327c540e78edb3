"""What a program may do with a client besides one loop in one process: fork, and run one loop after the other."""

import asyncio
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandtui.client import AsyncAPIClient, AsyncSandboxClient
from sandtui.client.config import Config
from tests.client.echo import serving

FORKS = """
    import os, sys, threading, time, warnings
    from concurrent.futures import ThreadPoolExecutor
    from sandtui.client import APIClient
    from sandtui.client.config import Config

    warnings.simplefilter("ignore")
    client = APIClient(config=Config(api_key="k", base_url=sys.argv[1]))
    others = ThreadPoolExecutor(4)

    def ask(who, count):
        for number in range(count):
            path = f"{who}/{number}"
            answer = client.get(path)["path"]
            if answer != f"/api/v1/{path}":
                return f"{path} got {answer}"
        return ""

    # Connections of several threads are open, and some are in use while the process forks.
    busy = [others.submit(ask, f"thread-{n}", 100) for n in range(4)]
    ask("parent", 20)
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            problem = ask(f"child-{number}", 100)
            client.close()
            if problem:
                print(problem, file=sys.stderr, flush=True)
            os._exit(bool(problem))
        children.append(child)
    problems = [ask("parent", 100), *(one.result() for one in busy)]
    problems += [f"child ended with {code}" for child in children if (code := os.waitpid(child, 0)[1])]
    client.close()
    sys.exit("; ".join(filter(None, problems)) or 0)
"""


def test_a_forked_process_gets_its_own_replies():
    with serving() as server:
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FORKS), server.url], capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 0, ended.stderr


LIVE_FORKS = """
    import os, sys, warnings
    from sandtui.client import APIClient, SandboxClient

    warnings.simplefilter("ignore")
    with SandboxClient(APIClient(), keep_tokens=False) as client:
        box = sys.argv[1]
        assert client.execute_command(box, "echo parent").stdout == "parent\\n"
        with client.connect_ssh(box) as ssh:
            child = os.fork()
            if not child:
                ok = client.execute_command(box, "echo child").stdout == "child\\n"
                with client.connect_ssh(box) as own:
                    ok = ok and own.call(own.connection.run, "echo $((6 * 7))").stdout == "42\\n"
                client.close()
                os._exit(not ok)
            assert ssh.call(ssh.connection.run, "echo still").stdout == "still\\n"
            sys.exit(os.waitpid(child, 0)[1] != 0)
"""


def test_a_forked_process_opens_its_own_live_connections(sandbox):
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIVE_FORKS), sandbox.id], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr


def test_one_asynchronous_client_works_in_one_loop_after_the_other():
    with serving() as server:
        client = AsyncAPIClient(config=Config(api_key="k", base_url=server.url))

        async def ask(number):
            paths = [f"loop-{number}/{place}" for place in range(12)]
            answers = await asyncio.gather(*(client.get(path) for path in paths))
            assert [answer["path"] for answer in answers] == [f"/api/v1/{path}" for path in paths]

        for number in range(4):
            asyncio.run(ask(number))
        asyncio.run(client.aclose())
        with pytest.raises(RuntimeError, match="closed"):
            asyncio.run(ask(5))


def test_a_client_works_in_several_loops_at_once():
    with serving() as server:
        client = AsyncAPIClient(config=Config(api_key="k", base_url=server.url))

        async def ask(number):
            for place in range(20):
                assert (await client.get(f"{number}/{place}"))["path"] == f"/api/v1/{number}/{place}"

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: asyncio.run(ask(number)), range(8)))


def test_commands_and_files_too(configured, sandbox, tmp_path):
    client = AsyncSandboxClient(keep_tokens=False)
    given, got = tmp_path / "given", tmp_path / "got"
    given.write_bytes(bytes(range(256)) * 4000)

    async def use():
        assert (await client.execute_command(sandbox.id, "echo hello")).stdout == "hello\n"
        await client.upload_file(sandbox.id, "/tmp/given", str(given))
        await client.download_file(sandbox.id, "/tmp/given", str(got))
        assert got.read_bytes() == given.read_bytes()
        got.unlink()
        async with client.connect_ssh(sandbox.id) as ssh:
            assert (await ssh.run("echo live")).stdout == "live\n"

    for _ in range(3):
        asyncio.run(use())
    asyncio.run(client.aclose())
