"""Carries a script out on the real program and looks at everything that must hold meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Self

from tests.soak.script import Author, Script, Setting, Step
from tests.soak.terminal import Terminal, shown
from tests.soak.worlds import World

REPAINT_SECONDS = 5.0
START_SECONDS = 20.0
LEAVE_SECONDS = 10.0
HANG_UP_SECONDS = 3.0
LEFTOVER_SECONDS = 15.0
HARD_LIMIT = 20
"""How many times longer than allowed anything is waited for on a machine that is busy with something else."""

MOST_MEMORY = 900
MORE_MEMORY = 350
"""Megabytes that the program may take, and take more than when it had just become quiet for the first time."""

MORE_DESCRIPTORS, MORE_THREADS, MORE_PROCESSES = 150, 60, 60

_ASKED = b"sandtui.ui: asked to quit"
"""What the program logs when its own action ends it."""

_TRACEBACK = "Traceback (most recent call last):"
_INSIDE = "Something went wrong inside"
_SHOWN = re.compile(rb"sandtui\.ui: shows (\w+)")
_LOG_HEAD = re.compile(r"^\S+Z \d+ [A-Z]+ +[\w.]+: ?")


class Fault(Exception):
    """Something that must not happen."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}\n{detail}".strip())
        self.kind, self.detail, self.log = kind, detail, ""

    @property
    def signature(self) -> str:
        """What is the same for each sight of one fault: its kind, and the innermost frame of ours."""
        frames = re.findall(
            r'File "[^"]*?/((?:sandtui|textual|asyncio|asyncssh)/[^"]+)", line \d+, in (\S+)', self.detail
        )
        lines = [
            line
            for line in self.detail.splitlines()
            if re.match(r"^[A-Za-z_.]+(Error|Exception|Matches|Closed)\b", line)
        ]
        own = [frame for frame in frames if frame[0].startswith("sandtui/")] or frames
        where = f" in {own[-1][0]}:{own[-1][1]}" if own else ""
        told = re.sub(r"0x[0-9a-f]+|\d+|'[^']*'", "…", lines[-1]) if lines else ""
        return f"{self.kind}: {(told or self.detail.partition(chr(10))[0])[:120]}{where}"


@dataclass(frozen=True)
class Use:
    """What the program takes."""

    memory: int
    descriptors: int
    threads: int
    processes: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Look at a process."""
        folder = Path("/proc", str(pid))
        pages = int((folder / "statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000,
            len(list((folder / "fd").iterdir())),
            len(list((folder / "task").iterdir())),
            len(others()),
        )

    def __str__(self) -> str:
        return f"{self.memory} MB, {self.descriptors} fds, {self.threads} threads, {self.processes} processes"


def others() -> list[int]:
    """Return the processes that run beside this one; only inside of the confinement these are ours."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid() and state(int(folder.name)) not in {"", "Z", "X"}:
            found.append(int(folder.name))
    return found


def state(pid: int) -> str:
    """Return a process's state as the kernel has it; empty when there is none."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def command_line(pid: int) -> str:
    """Return what a process is."""
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def delays(pid: int) -> float:
    """Return the seconds for which a process and this one waited for a processor."""
    total = 0
    for folder in (Path("/proc", str(pid), "task"), Path("/proc/self/task")):
        with contextlib.suppress(OSError):
            for task in folder.iterdir():
                with contextlib.suppress(OSError):
                    total += int((task / "schedstat").read_text().split()[1])
    return total / 1e9


class Round:
    """One world, one script."""

    def __init__(self, setting: Setting, root: Path) -> None:
        self.setting = setting
        self.script = Script(setting)
        self.world = World(setting, root)
        self.starts = 0
        self.slowest = 0.0
        self.screens: set[str] = set()
        self.first: Use | None = None
        self.last: Use | None = None
        self._terminal = Terminal(setting.size, answers=setting.answers)
        self._shell: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._report = root / "report.jsonl"
        self._typed = bytearray()
        self._log_place = 0
        self._last_log = ""
        self._was_asked = False

    def run(self, steps: Iterable[Step], going: Callable[[], bool] = lambda: True) -> Fault | None:
        """Carry steps out as long as ``going``, leave, and return what was wrong."""
        try:
            try:
                self.world.start()
                self._start()
                for step in steps:
                    if not going():
                        break
                    self.script.steps.append(step)
                    self._do(step)
                self._leave()
            finally:
                self._end_all()
        except Fault as fault:
            fault.log = self._last_log
            return fault
        return None

    # The program's life

    def _start(self) -> None:
        self.starts += 1
        self._terminal.close()
        self._terminal = Terminal(self._terminal.size, answers=self.setting.answers)
        self._report.unlink(missing_ok=True)
        self._typed.clear()
        self._read_log()
        self._was_asked = False
        helper = Path(__file__).with_name("job_control.py")
        command = [sys.executable, "-I", "-S", str(helper), str(self._report), *self.world.command]
        self._shell = self._terminal.start(command, self.world.environment, self.world.work)
        self._wait(lambda: bool(self._told("pid")), START_SECONDS, "it does not start")
        self._pid = int(str(self._told("pid")))
        self._wait(lambda: self._has_ended or self._terminal.modes.is_alternate, START_SECONDS, "nothing is drawn")

    @property
    def _has_ended(self) -> bool:
        return state(self._pid) in {"", "Z", "X"}

    def _told(self, name: str) -> object:
        """Return what the shell reported last under a name."""
        try:
            lines = [json.loads(line) for line in self._report.read_text().splitlines()]
        except (OSError, ValueError):
            return None
        return next((line[name] for line in reversed(lines) if name in line), None)

    def _wait(self, condition: Callable[[], bool], seconds: float, complaint: str) -> float:
        """Wait for something; time for which the machine was busy with others does not count."""
        began, before, waited = time.monotonic(), delays(self._pid), 0.0
        while not self._terminal.pump(0.2, condition):
            if not self._terminal.is_open:
                time.sleep(0.05)
            elapsed = time.monotonic() - began
            waited = max(waited, delays(self._pid) - before)
            if elapsed > seconds * HARD_LIMIT or elapsed - waited > seconds:
                if condition():
                    break
                raise Fault(complaint, f"\nafter {elapsed:.1f} s\n{self._stacks()}\n{shown(self._terminal)}")
        return max(0.0, time.monotonic() - began - max(waited, delays(self._pid) - before))

    def _stacks(self) -> str:
        """Return where each thread of the program is."""
        path = self.world.stacks / f"{self._pid}.txt"
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGUSR2)
            time.sleep(0.5)
            return path.read_text()
        return ""

    # Steps

    def _do(self, step: Step) -> None:
        if self._terminal.is_open and self._has_ended:
            self._ended()
            self._start()
        if step.do == "type":
            self._typed += step.raw
            del self._typed[:-4096]
            self._terminal.write(step.raw)
            self._terminal.pump(0.002)
        elif step.do == "pause":
            self._terminal.pump(step.number)
        elif step.do == "resize":
            self._terminal.resize(step.size)
        elif step.do == "stall":
            self._terminal.is_stalled = True
            self._terminal.pump(step.number)
            self._terminal.is_stalled = False
        elif step.do == "platform":
            try:
                self.world.platform(step.data)
            except (subprocess.TimeoutExpired, RuntimeError) as error:
                detail = "\n".join([str(error), *self.world.platform_words()])
                raise Fault(f"the platform did not {step.data}", detail) from error
        elif step.do == "probe":
            self._probe()
        elif step.do == "settle":
            self._settle()

    def _probe(self) -> None:
        """See that the program lives: another size has it draw each line, which no clock does."""
        self._take_back()
        if self._has_ended:
            return
        if self._typed.rfind(b"\x1b[200~") > self._typed.rfind(b"\x1b[201~"):
            # An unfinished paste takes all that follows, as it should.
            self._terminal.write(b"\x1b[201~")
        # Only what the program does not read stays here, and the probe must not queue behind it.
        self._wait(lambda: self._terminal.is_written or self._has_ended, REPAINT_SECONDS * 2, "it reads no keys")
        self._terminal.pump(0.05)
        columns, lines = self._terminal.size
        usual = self.setting.size
        self._terminal.resize(usual if (columns, lines) != usual else (columns, lines - 1))
        self._terminal.wipe()

        def is_done() -> bool:
            return self._terminal.is_repainted or self._has_ended or not self._terminal.modes.is_alternate

        self.slowest = max(self.slowest, self._wait(is_done, REPAINT_SECONDS, "no repaint"))
        self._look()

    def _take_back(self) -> None:
        """Leave a shell or an editor that has the whole terminal."""
        if self._terminal.pump(2.0, lambda: self._terminal.modes.is_alternate or self._has_ended):
            return
        self._read_log()
        if self._was_asked:
            # Ctrl+s that came after the terminal was left has stopped it, for whoever writes there.
            self._terminal.write(b"\x11")
            self._wait(lambda: self._has_ended, LEAVE_SECONDS, "it does not end")
            return
        was_stopped = self.world.is_stopped
        self.world.platform("continue")
        for _ in range(20):
            for data in (b"\x03", b"\x15exit\r", b"\x04"):
                if self._terminal.pump(0.5, lambda: self._terminal.modes.is_alternate or self._has_ended):
                    break
                self._terminal.write(data)
        self._wait(
            lambda: self._terminal.modes.is_alternate or self._has_ended,
            REPAINT_SECONDS,
            "the terminal is not taken back",
        )
        if was_stopped:
            self.world.platform("stop")

    def _settle(self) -> None:
        """Go to the fleet, and see that the program has not grown."""
        self._take_back()
        for data in (b"\x1b[201~", b"\x1d", b"q", *[b"\x1b"] * 6, b"1"):
            self._terminal.write(data)
            self._terminal.pump(0.3)
        self._probe()
        if self._has_ended:
            return
        self._terminal.pump(1.0)
        with contextlib.suppress(OSError):
            self.last = use = Use.of(self._pid)
            first = self.first = self.first or use
            if use.memory > MOST_MEMORY or use.memory > first.memory + MORE_MEMORY:
                raise Fault("memory grows", f"{first}, then {use}")
            if use.descriptors > first.descriptors + MORE_DESCRIPTORS:
                names = [str(path.readlink()) for path in Path("/proc", str(self._pid), "fd").iterdir()]
                raise Fault("descriptors grow", f"{first}, then {use}\n" + "\n".join(sorted(names)))
            if use.threads > first.threads + MORE_THREADS:
                raise Fault("threads grow", f"{first}, then {use}\n{self._stacks()}")
            if use.processes > first.processes + MORE_PROCESSES:
                raise Fault("processes grow", f"{first}, then {use}\n" + "\n".join(map(command_line, others())))

    # What must hold

    def _look(self) -> None:
        """Look for faults that the program told of."""
        if reports := self.world.crash_reports():
            raise Fault("crash report", reports[-1].read_text(errors="replace"))
        self._read_log()
        if _INSIDE in self._terminal.text.replace("\n", " "):
            raise Fault("a fault inside is told", shown(self._terminal))

    def _read_log(self) -> None:
        try:
            with self.world.log.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size < self._log_place:
                    self._log_place = 0
                stream.seek(self._log_place)
                text = stream.read()
        except FileNotFoundError:
            return
        whole = text.rfind(b"\n") + 1
        self._log_place += whole
        self._was_asked |= _ASKED in text
        self.screens.update(match[1].decode() for match in _SHOWN.finditer(text))
        lines = [_LOG_HEAD.sub("", line) for line in text[:whole].decode(errors="replace").splitlines()]
        for place, line in enumerate(lines):
            if "Traceback (most recent call last)" in line:
                raise Fault("traceback in the log", "\n".join(lines[max(0, place - 2) : place + 120]))

    def _ended(self) -> None:
        """Judge an end in the middle of a script."""
        self._look_at_end()
        code = self._code()
        if code != 0 or not self._was_asked:
            raise Fault(f"it ended with {code}, unasked", self._last_words())
        self._restored()

    def _look_at_end(self) -> None:
        self._terminal.pump(0.3)
        if _TRACEBACK in self._last_words() or "sandtui crashed" in self._last_words():
            detail = "\n".join(path.read_text(errors="replace") for path in self.world.crash_reports()[-1:])
            raise Fault("traceback at the end", detail or self._last_words())
        self._look()

    def _last_words(self) -> str:
        text = self._terminal.main_text.decode(errors="replace").replace("\r", "")
        return re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z]", "", text)[-20_000:]

    def _code(self) -> object:
        assert self._shell is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(5)
        return self._told("code")

    def _restored(self) -> None:
        left = self._terminal.modes.left_over()
        if self._terminal.stty != self._terminal.before:
            left.append("the line's settings differ")
        if self._told("restored") is False:
            left.append("the line's settings differed while it was stopped")
        if left:
            raise Fault("the terminal is not restored", "\n".join(left))

    # The end

    def _leave(self) -> None:
        if self._has_ended:
            self._ended()
            return
        how = self.setting.end
        self._take_back()
        if how == "hang up":
            self._terminal.close()
            self._wait(lambda: self._has_ended, HANG_UP_SECONDS, "it outlives its terminal")
            self._look()
            return
        if how == "terminate":
            os.kill(self._pid, signal.SIGTERM)
            self._wait(lambda: self._has_ended, LEAVE_SECONDS, "SIGTERM does not end it")
        else:
            self._quit()
        self._look_at_end()
        code = self._code()
        if code != (0 if how == "key" else 143):
            raise Fault(f"it left with {code}", self._last_words())
        self._restored()

    def _quit(self) -> None:
        """Leave as a user does who does not know where they are."""
        keys = cycle((b"\x1b[201~", b"\x11", b"\x1d", b"\x11", b"\x1b", b"\x11", b"y"))
        following = time.monotonic()

        def is_over() -> bool:
            nonlocal following
            if not self._has_ended and time.monotonic() > following:
                self._terminal.write(next(keys))
                following = time.monotonic() + 0.5
            return self._has_ended

        self._wait(is_over, LEAVE_SECONDS, "it can't be left")

    def _end_all(self) -> None:
        """End what is still there; after a round without a fault nothing may be."""
        fault = isinstance(sys.exc_info()[1], Fault)
        with contextlib.suppress(OSError):
            self._last_log = "\n".join(self.world.log.read_text(errors="replace").splitlines()[-300:])
        try:
            if self._shell is not None and fault:
                for pid in (self._pid, self._shell.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            self._terminal.close()
            if self._shell is not None:
                self._shell.wait(10)
            problem = ""
            try:
                self.world.end()
            except (subprocess.TimeoutExpired, RuntimeError) as error:
                problem = str(error)
            end = time.monotonic() + LEFTOVER_SECONDS
            while (left := others()) and time.monotonic() < end and not fault:
                self._reap()
                time.sleep(0.1)
            names = [command_line(pid) for pid in left]
            if (left or problem) and not fault:
                kind = "processes are left" if left else "the platform can't be stopped"
                raise Fault(kind, "\n".join([*names, problem, *self.world.platform_words()]))
        finally:
            for pid in others():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
            self._reap()

    def _reap(self) -> None:
        """Take leave of processes whose parents are gone: in the confinement we are the first process."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def random_steps(setting: Setting) -> Iterator[Step]:
    """Return the steps that belong to a setting."""
    return Author(setting).steps()
