"""What the program runs against, each under a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.soak.script import Setting

WORLDS = ("demo", "trouble", "local")
SANDTUI = [sys.executable, "-m", "sandtui"]
SITE = Path(__file__).with_name("site")
ROOT = Path(__file__).parents[2]
FLEET = "300"
TROUBLE = "slow=0.1,error=0.05,reset=0.02,rate=0.03,token=0.03,conflict=0.02,shift=0.05,stall=0.01"


class World:
    """A home with files, an environment, and a platform where there is one."""

    def __init__(self, setting: Setting, root: Path) -> None:
        self.root = root
        self.home, self.work, self.stacks = root / "home", root / "work", root / "stacks"
        self.log = root / "debug.log"
        self._setting = setting
        self._served: subprocess.Popen[str] | None = None
        self._stopped = 0
        for folder in (self.home, self.work, self.stacks, root / "tmp", root / "run"):
            folder.mkdir(parents=True)
        _fill(self.work)
        self.environment = self._environment()

    @property
    def command(self) -> list[str]:
        """The program and its arguments."""
        if self._setting.stub:
            return [sys.executable, str(SITE.with_name("stub.py")), self._setting.stub]
        words = ["demo", "--fleet", FLEET, "--seed", str(self._setting.seed)]
        return [*SANDTUI, "--log", str(self.log), *(words if self._setting.world == "demo" else [])]

    @property
    def is_stopped(self) -> bool:
        """Whether the platform does not run now."""
        return self._stopped != 0

    def start(self) -> None:
        """Start what is there before the program."""
        if self._setting.world == "trouble":
            seed = str(self._setting.seed)
            words = ["serve", "--driver", "simulated", "--fleet", FLEET, "--seed", seed]
            words += ["--state-dir", str(self.root / "platform"), "--trouble", f"{TROUBLE},seed={seed}"]
            self._served = subprocess.Popen(
                [*SANDTUI, *words],
                env=self.environment,
                cwd=self.work,
                stdout=subprocess.PIPE,
                text=True,
                stderr=(self.root / "platform.log").open("w"),
            )
            assert self._served.stdout is not None
            ready = json.loads(self._served.stdout.readline())
            self.environment |= {"PRIME_API_KEY": ready["api_key"], "PRIME_API_BASE_URL": ready["base_url"]}
        elif self._setting.world == "local":
            for number in range(1, 4):
                self._run("create", "python", "--set", f"name=soak-{number}", "--wait")

    def platform(self, what: str) -> None:
        """Stop, continue, kill or start the local platform."""
        if what == "continue" and self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._stopped, signal.SIGCONT)
            self._stopped = 0
        elif what == "start":
            self._stopped = 0
            self._run("local", "env")
        elif what in {"stop", "kill"} and not self._stopped and (pid := self._pid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if what == "stop" else signal.SIGKILL)
                self._stopped = pid if what == "stop" else 0

    def end(self) -> None:
        """End what :meth:`start` started."""
        self.platform("continue")
        if self._served is not None:
            self._served.terminate()
            self._served.wait(60)
        # Random keys may have switched to the local platform, which outlives the dashboard.
        self._run("local", "stop")

    def crash_reports(self) -> list[Path]:
        """Return the reports that the program left, wherever it keeps them."""
        return sorted(path for path in self.root.glob("**/crashes/crash-*.txt") if path.is_file())

    def platform_words(self) -> list[str]:
        """Return the last lines of each platform's log."""
        return [
            line
            for path in sorted(self.root.glob("**/platform.log"))
            for line in (f"{path}:", *path.read_text(errors="replace").splitlines()[-40:])
        ]

    def _pid(self) -> int:
        try:
            endpoint = next(self.home.glob("**/platform/endpoint.json"))
            pid = int(json.loads(endpoint.read_text())["pid"])
            os.kill(pid, 0)
        except (StopIteration, OSError, ValueError, KeyError):
            return 0
        return pid

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            [*SANDTUI, *words], env=self.environment, cwd=self.work, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise RuntimeError(f"sandtui {' '.join(words)} ended with {done.returncode}: {done.stderr}")

    def _environment(self) -> dict[str, str]:
        keep: Mapping[str, str] = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **keep,
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "tmp"),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "SHELL": "/bin/sh",
            "BROWSER": "true",
            "EDITOR": self._editor(self._setting.editor),
            "PYTHONPATH": os.pathsep.join([str(SITE), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SANDTUI_SOAK_STACKS": str(self.stacks),
        }

    def _editor(self, kind: str) -> str:
        path = self.root / "editor"
        path.write_text({"fails": "#!/bin/sh\nexit 3\n", "no interpreter": "#!/no/such/program\n"}.get(kind, _EDITS))
        path.chmod(0o644 if kind == "not executable" else 0o755)
        return {"missing": str(self.root / "nosuch"), "unquoted": '"x'}.get(kind, str(path))


_EDITS = "#!/bin/sh\necho '# edited' >> \"$1\"\n"


def _fill(folder: Path) -> None:
    """Lay out files for the random hand to play with."""
    (folder / "my data").mkdir()
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "hi.txt").write_text("hello\n" * 40)
    (folder / "wide.txt").write_text("x" * 5000 + "\n漢字\n")
    (folder / "my data" / "[red]name[b]").write_text("markup\n")
    (folder / "deep" / "er" / "blob").write_bytes(bytes(range(256)) * 400)
    (folder / "big").write_bytes(b"0123456789abcde\n" * 200_000)
    (folder / "dangling").symlink_to("nowhere")
    with contextlib.suppress(OSError):
        Path(os.fsdecode(os.fsencode(folder) + b"/bad-\xff\x1b[31m")).write_text("odd\n")
