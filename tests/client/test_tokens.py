import asyncio
import gc
import stat
import subprocess
import sys
import weakref

import httpx

from sandtui.client import Config, tokens
from sandtui.client.blocking_port import BlockingPort
from sandtui.client.file_lock import FileLock
from sandtui.client.models import GatewayToken
from sandtui.client.tokens import TokenCache
from tests.client.fakes import FakePlatform, client_of, token_reply
from tests.probes import session_of

TOKEN = GatewayToken.model_validate(token_reply())


def cache(folder, base_url="http://a.test", key="k"):
    return TokenCache(Config(api_key=key, base_url=base_url), BlockingPort().lock, folder)


def test_another_process_finds_the_token(tmp_path):
    cache(tmp_path).put("sbx_1", TOKEN)
    assert cache(tmp_path).get("sbx_1") == TOKEN
    assert cache(tmp_path).get("sbx_2") is None


def test_another_address_or_key_does_not(tmp_path):
    cache(tmp_path).put("sbx_1", TOKEN)
    assert cache(tmp_path, base_url="http://b.test").get("sbx_1") is None
    assert cache(tmp_path, key="other").get("sbx_1") is None


def test_only_the_user_can_read_it_and_no_half_file_stays(tmp_path):
    cache(tmp_path).put("../../evil", TOKEN)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700


def test_a_broken_file_is_not_a_token(tmp_path):
    cache(tmp_path).put("sbx_1", TOKEN)
    for path in tmp_path.rglob("*.json"):
        path.write_text("{half")
    assert cache(tmp_path).get("sbx_1") is None


def test_an_expired_token_is_dropped_from_disk(tmp_path):
    cache(tmp_path).put("sbx_1", TOKEN.model_copy(update={"expires_at": TOKEN.expires_at.replace(year=2000)}))
    assert cache(tmp_path).get("sbx_1") is None
    assert not list(tmp_path.rglob("*.json"))


def test_clear_forgets_all(tmp_path):
    first = cache(tmp_path)
    first.put("sbx_1", TOKEN)
    first.put("sbx_2", TOKEN)
    first.clear()
    assert first.get("sbx_1") is None
    assert not list(tmp_path.rglob("*.json"))


def test_an_unwritable_folder_costs_nothing_but_the_file(tmp_path):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    first = cache(tmp_path / "blocked")
    first.put("sbx_1", TOKEN)
    assert first.get("sbx_1") == TOKEN


def test_files_that_were_left_behind_are_removed(tmp_path):
    import os

    cache(tmp_path).put("old", TOKEN)
    (left,) = tmp_path.rglob("*.json")
    os.utime(left, (1, 1))
    cache(tmp_path).put("new", TOKEN)
    assert not left.exists()
    assert cache(tmp_path).get("new") == TOKEN


def test_locks_that_nobody_holds_are_forgotten():
    tokens = cache(None)
    held = tokens.lock("held")
    others = [weakref.ref(tokens.lock(str(number))) for number in range(100)]
    gc.collect()
    assert not any(lock() for lock in others)
    assert tokens.lock("held") is held


def test_only_the_token_that_was_refused_is_dropped():
    tokens = cache(None)
    newer = TOKEN.model_copy(update={"token": "newer"})
    tokens.put("sbx_1", newer)
    tokens.drop("sbx_1", TOKEN)
    assert tokens.get("sbx_1") == newer
    tokens.drop("sbx_1", newer)
    assert tokens.get("sbx_1") is None


def test_a_new_token_of_another_process_is_taken_and_not_dropped(tmp_path):
    ours, theirs = cache(tmp_path), cache(tmp_path)
    ours.put("sbx_1", TOKEN)
    newer = TOKEN.model_copy(update={"token": "newer"})
    theirs.put("sbx_1", newer)
    ours.drop("sbx_1", TOKEN)
    assert ours.get("sbx_1") == newer


def two_clients(folder):
    """A platform that takes its time to give a token, and two clients that know nothing of each other."""
    platform = FakePlatform().on("POST /ns/sbx_1/exec", {"stdout": "", "stderr": "", "exit_code": 0})
    fetched = []

    async def answer(request):
        if request.url.path.endswith("/auth"):
            fetched.append(request)
            await asyncio.sleep(0)
            return httpx.Response(200, json=token_reply())
        return platform(request)

    return [client_of(answer, keep_tokens=True, token_folder=folder) for _ in range(2)], fetched


async def test_one_of_several_processes_fetches_the_token(tmp_path):
    clients, fetched = two_clients(tmp_path)
    await asyncio.gather(*(client.execute_command("sbx_1", "true") for client in clients * 5))
    assert len(fetched) == 1
    assert not list(tmp_path.rglob("*.lock"))
    for client in clients:
        await client.aclose()


async def test_a_lock_that_is_never_released_costs_time_and_not_the_call(tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "LOCK_PAUSES", (0, 0))
    (client, other), fetched = two_clients(tmp_path)
    kept = session_of(client).tokens
    kept.put("sbx_1", TOKEN)
    (path,) = (each.with_suffix(".lock") for each in tmp_path.rglob("*.json"))
    kept.drop("sbx_1", TOKEN)
    held = FileLock(path)
    assert held.acquire()
    await client.execute_command("sbx_1", "true")
    assert len(fetched) == 1
    assert path.exists(), "the lock of another is not taken away"
    held.release()
    await client.aclose()
    await other.aclose()


def test_a_lock_is_released_by_its_holders_death(tmp_path):
    path = tmp_path / "one.lock"
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom sandtui.client.file_lock import FileLock\n"
        "lock = FileLock(Path(sys.argv[1]))\nassert lock.acquire()\nprint('held', flush=True)\n"
        "sys.stdin.read()\nos._exit(1)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        ours = FileLock(path)
        assert not ours.acquire()
        holder.kill()
        holder.wait()
        assert ours.acquire()
    ours.release()
    assert not path.exists()


def test_a_lock_that_cannot_be_made_holds_nobody_up(tmp_path):
    (tmp_path / "file").write_text("")
    assert FileLock(tmp_path / "file" / "one.lock").acquire()
