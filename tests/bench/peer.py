"""One task for one client library, in a process of its own; prints one JSON object.

Run by the interpreter of each library's environment: the two have the same interface, so this text serves both.
``python peer.py MODULE TASK [NUMBER]`` with the platform in the environment.
"""

import asyncio
import importlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

REQUESTS = {"count": 0}


def count_requests():
    """Count what goes over the wire, whoever sends it."""
    import httpx

    def counted(function):
        def wrapper(*args, **kwargs):
            REQUESTS["count"] += 1
            return function(*args, **kwargs)

        return wrapper

    httpx.HTTPTransport.handle_request = counted(httpx.HTTPTransport.handle_request)
    httpx.AsyncHTTPTransport.handle_async_request = counted(httpx.AsyncHTTPTransport.handle_async_request)


def peak_mb():
    """Return the largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def request(library, name):
    return library.CreateSandboxRequest(name=name, docker_image="python:3.11-slim", timeout_minutes=60)


def task_import(_library, _number):
    return {}


async def task_exec(library, number):
    """Run commands, ``number`` at a time: a round for each line that comes in, its seconds on a line of its own."""
    async with library.AsyncSandboxClient() as client:
        sandbox = await client.create(request(library, "exec"))
        await client.wait_for_creation(sandbox.id)
        gate = asyncio.Semaphore(number)

        async def one():
            async with gate:
                result = await client.execute_command(sandbox.id, "echo 1")
                assert result.stdout == "1\n", result

        await asyncio.gather(*[one() for _ in range(64)])
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            start = time.perf_counter()
            await asyncio.gather(*[one() for _ in range(int(line))])
            print(time.perf_counter() - start, flush=True)
        await client.delete(sandbox.id)
    return {}


def task_transfer(library, number):
    """Send and fetch a file of ``number`` MB, three times."""
    client = library.SandboxClient(library.APIClient())
    sandbox = client.create(request(library, "files"))
    client.wait_for_creation(sandbox.id)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        block = os.urandom(1_000_000)
        with source.open("wb") as file:
            for _ in range(number):
                file.write(block)
        before = peak_mb()
        ups, downs = [], []
        for _ in range(3):
            start = time.perf_counter()
            client.upload_file(sandbox.id, "/workspace/big", str(source))
            ups.append(time.perf_counter() - start)
            start = time.perf_counter()
            client.download_file(sandbox.id, "/workspace/big", str(target))
            downs.append(time.perf_counter() - start)
        assert target.stat().st_size == number * 1_000_000
        with source.open("rb") as one, target.open("rb") as other:
            assert one.read(1_000_000) == other.read(1_000_000)
        extra = peak_mb() - before
    client.delete(sandbox.id)
    return {"up": number / min(ups), "down": number / min(downs), "extra_mb": extra}


async def task_fleet(library, number):
    """Create ``number`` sandboxes, wait for all, delete them."""
    async with library.AsyncSandboxClient() as client:
        REQUESTS["count"] = 0
        start = time.perf_counter()
        gate = asyncio.Semaphore(64)

        async def one(place):
            async with gate:
                return await client.create(request(library, f"fleet-{place}"))

        made = await asyncio.gather(*[one(place) for place in range(number)])
        created = time.perf_counter() - start
        ids = [sandbox.id for sandbox in made]
        statuses = await client.bulk_wait_for_creation(ids)
        seconds = time.perf_counter() - start
        requests = REQUESTS["count"]
        # The peer's answer has every sandbox that its listing had.
        assert all(statuses[sandbox_id] == "RUNNING" for sandbox_id in ids)
        for place in range(0, number, 100):
            await client.bulk_delete(sandbox_ids=ids[place : place + 100])
    return {"seconds": seconds, "create_seconds": created, "requests": requests}


def main():
    module, task = sys.argv[1], sys.argv[2]
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    start = time.perf_counter()
    library = importlib.import_module(module)
    # One of the two loads its parts when they are asked for: both are asked for the same.
    _ = library.APIClient, library.SandboxClient, library.AsyncSandboxClient, library.CreateSandboxRequest
    import_seconds = time.perf_counter() - start
    count_requests()
    work = globals()[f"task_{task}"]
    result = work(library, number)
    if asyncio.iscoroutine(result):
        result = asyncio.run(result)
    print(json.dumps({"import_seconds": import_seconds, "peak_mb": peak_mb(), **result}))


if __name__ == "__main__":
    main()
