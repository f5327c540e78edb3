"""No two sandboxes of a machine have the same users, whichever platform made them and whatever became of it."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from sandtui.local.drivers.base import DriverError
from sandtui.local.drivers.host_users import FIRST_UID, RANGES, HostUsers
from sandtui.local.settings import LocalError
from tests.local.support import namespaces_work
from tests.local.test_serve import execute, running, serving

EACH = 65536

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give sandboxes users of their own")


def first_users(state_dir: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_uid for path in (state_dir / "sandboxes").glob("*/root")}


def create(client: httpx.Client, count: int) -> list[str]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: running(client, network_access=False), range(count)))


@needs_root
async def test_two_platforms_give_different_users(state_dir: Path, tmp_path: Path) -> None:
    await namespaces_work(tmp_path, mapped=True)
    one, two = state_dir / "one", state_dir / "two"
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(place, "--driver", "namespace")) for place in (one, two))
        with ThreadPoolExecutor(2) as pool:
            boxes = list(pool.map(lambda served: create(served[1], 4), (first, second)))
        users = [*first_users(one).values(), *first_users(two).values()]
        assert len(set(users)) == len(users) == 8
        assert all((uid - FIRST_UID) % EACH == 0 for uid in users)
        # The machine itself sees the processes under them.
        for (_, client, _), ids, place in zip((first, second), boxes, (one, two), strict=True):
            for box in ids:
                row = execute(client, box, "cat /proc/self/uid_map")["stdout"].split()
                assert row == ["0", str(first_users(place)[box]), str(EACH)]

        # One platform is killed: what it started lives on, and keeps its users.
        first[0].send_signal(signal.SIGKILL)
        first[0].wait()
        create(second[1], 4)
        users = [*first_users(one).values(), *first_users(two).values()]
        assert len(set(users)) == len(users) == 12

        # Its successor finds them again and gives others to new ones.
        third = stack.enter_context(serving(one, "--driver", "namespace"))
        create(third[1], 3)
        assert set(boxes[0]) <= first_users(one).keys()
        users = [*first_users(one).values(), *first_users(two).values()]
        assert len(set(users)) == len(users) == 15


def test_a_range_is_free_again_once_nobody_holds_it(tmp_path: Path) -> None:
    one, two = HostUsers([str(tmp_path / "p")]), HostUsers([str(tmp_path / "p")])
    one.open({})
    two.open({})
    uid, lock = one.take("a")
    assert uid == FIRST_UID
    assert two.take("b")[0] == FIRST_UID + EACH
    # As a sandbox does that outlives its platform.
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock])
    one.close()
    assert two.take("c")[0] == FIRST_UID + 2 * EACH
    for name in "bc":
        two.release(name)
    assert sorted(two.take(name)[0] for name in "bc") == [FIRST_UID + EACH, FIRST_UID + 2 * EACH]
    assert holder.stdin is not None
    holder.kill()
    holder.communicate()
    three = HostUsers([str(tmp_path / "p")])
    three.open({})
    assert three.take("d")[0] == FIRST_UID
    for users in (two, three):
        users.close()


def test_what_an_earlier_platform_left_keeps_its_range(tmp_path: Path) -> None:
    users, others = HostUsers([str(tmp_path / "p")]), HostUsers([str(tmp_path / "p")])
    users.open({"old": FIRST_UID, "unmapped": 0, "beyond": FIRST_UID + RANGES * EACH})
    others.open({})
    assert others.take("x")[0] == FIRST_UID + EACH
    assert users.take("new")[0] == FIRST_UID + 2 * EACH
    users.release("old")
    assert others.take("y")[0] == FIRST_UID + 3 * EACH
    assert users.take("newer")[0] == FIRST_UID
    for each in (users, others):
        each.close()


def test_there_is_an_end_of_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandtui.local.drivers.host_users.RANGES", 3)
    users = HostUsers([str(tmp_path / "p")])
    users.open({})
    for name in "abc":
        users.take(name)
    with pytest.raises(DriverError, match="in use"):
        users.take("d")
    users.release("b")
    assert users.take("d")[0] == FIRST_UID + EACH
    users.close()


def test_the_locks_lie_where_nobody_else_can_put_his_own(tmp_path: Path) -> None:
    link, file, good = (tmp_path / name for name in ("link", "file", "good"))
    link.symlink_to(tmp_path / "elsewhere")
    file.write_text("")
    users = HostUsers([str(tmp_path / "none" / "deep"), str(link), str(file), str(good)])
    users.open({})
    users.take("a")
    assert (good / "users" / "0").exists()
    assert good.stat().st_mode & 0o077 == 0
    assert not (tmp_path / "elsewhere").exists()
    users.close()
    with pytest.raises(LocalError, match="locks of user ids"):
        HostUsers([str(link), str(file)]).open({})
