"""A sandbox that keeps cores busy gives way to others, and gets its weight back."""

import asyncio
import os
from pathlib import Path

import pytest

from sandtui.local.drivers.cgroups import ControlGroup, find_cgroups
from sandtui.local.drivers.cpu_weights import BUSY_SHARE, CALM_SECONDS, CpuWeights
from tests.local.support import GIVE_UP_SECONDS, Start, namespaces_work


class Group:
    """A sandbox whose use of cores a test decides."""

    def __init__(self) -> None:
        self.used = 0.0
        self.told: list[bool] = []

    def cpu_seconds(self) -> float:
        return self.used

    def set_weight(self, *, is_busy: bool) -> None:
        self.told.append(is_busy)


class Machine:
    """Time and cores of a machine."""

    def __init__(self, stat: Path) -> None:
        self._stat = stat
        self._ticks = [0] * 8
        self.now = 100.0
        self.weights = CpuWeights(stat, lambda: self.now)

    async def turn(self, groups: dict[str, Group], *, busy: float = 1.0, **used: float) -> None:
        """Let half a second pass in which sandboxes use parts of a core and all together a part of the machine."""
        self.now += 0.5
        for name, part in used.items():
            groups[name].used += 0.5 * part
        self._ticks[0] += round(100 * busy)
        self._ticks[3] += round(100 * (1 - busy))
        self._stat.write_text(f"cpu  {' '.join(map(str, self._ticks))} 0 0\ncpu0 0\n")
        await self.weights.update(groups)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "stat")


async def test_only_the_busy_one_gives_way_and_gets_its_weight_back(machine: Machine) -> None:
    groups = {"busy": Group(), "idle": Group()}
    for _ in range(6):
        await machine.turn(groups, busy=1.0, idle=BUSY_SHARE / 2)
        groups["busy"].used += 0.5
    assert (groups["busy"].told, groups["idle"].told) == ([True], [])
    for _ in range(int(CALM_SECONDS / 0.5) + 2):
        await machine.turn(groups, busy=0.0)
    assert groups["busy"].told == [True, False]


async def test_a_pause_between_two_bursts_does_not_give_the_weight_back(machine: Machine) -> None:
    groups = {"a": Group()}
    await machine.turn(groups)
    for part in (1.0, 0.0, 1.0, 0.0, 0.0, 1.0):
        await machine.turn(groups, a=part)
    assert groups["a"].told == [True]


async def test_one_whose_processes_come_and_go_is_busy(machine: Machine) -> None:
    groups = {"a": Group()}
    await machine.turn(groups, a=1.0)
    await machine.turn(groups, a=-0.5)
    assert groups["a"].told == [True]


async def test_where_cores_are_free_nothing_is_read(machine: Machine) -> None:
    class Unread(Group):
        def cpu_seconds(self) -> float:
            raise AssertionError("the sandbox was looked at")

    await machine.turn({}, busy=0.1)
    for _ in range(3):
        await machine.turn({"a": Unread()}, busy=0.1)


async def test_one_that_has_ended_is_forgotten(machine: Machine) -> None:
    groups = {"a": Group()}
    await machine.turn(groups)
    await machine.turn(groups, a=1.0)
    first = groups.pop("a")
    for _ in range(8):
        await machine.turn(groups, busy=0.0)
    groups["a"] = Group()
    await machine.turn(groups)
    await machine.turn(groups, a=0.0)
    assert (first.told, groups["a"].told) == ([True], [])


async def test_a_machine_that_tells_nothing_is_taken_for_busy(machine: Machine, tmp_path: Path) -> None:
    weights, group = CpuWeights(tmp_path / "none", lambda: machine.now), Group()
    await weights.update({"a": group})
    group.used, machine.now = 1.0, machine.now + 1.0
    await weights.update({"a": group})
    assert group.told == [True]


async def test_a_real_sandbox_that_burns_its_cores_gives_way(start: Start, tmp_path: Path) -> None:
    await namespaces_work(tmp_path, mapped=os.geteuid() == 0)
    cgroups = find_cgroups(tmp_path)
    if cgroups is None or not cgroups.has_cores:
        pytest.skip("no control groups for cores here")
    cores = os.cpu_count() or 1
    api = await start("namespace")
    busy, other = await api.running(cpu_cores=min(cores, 64)), await api.running()

    def weight(box: str) -> int:
        group = ControlGroup.load(api.platform.settings.state_dir / "sandboxes" / box)
        assert group is not None
        return int((group.paths["cpu"] / ("cpu.weight" if cgroups.version == 2 else "cpu.shares")).read_text())

    full = weight(other)
    burn = f"for n in $(seq {cores}); do nohup sh -c 'while :; do :; done' > /dev/null 2>&1 & echo $! >> /tmp/p; done"
    assert await api.output(busy, burn) == ""
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while weight(busy) == full:
            await asyncio.sleep(0.01)
    assert (weight(busy) < full / 10, weight(other)) == (True, full)
    await api.output(busy, "kill -9 $(cat /tmp/p)")
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while weight(busy) != full:
            await asyncio.sleep(0.01)
