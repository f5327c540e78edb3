"""The manual's walk-through, typed as it is written there: what a reader is told to press must do what is said."""

import asyncio
import os
import re
import subprocess
import sys
from dataclasses import dataclass

from sandtui.manual import page
from sandtui.ui.chrome.gate import READING_SECONDS
from tests.e2e.terminal import ENDED, KEYS, RUNNING, Terminal, listed, lists

SANDTUI = [sys.executable, "-m", "sandtui"]
NAMES = {"esc": "escape", "ctrl+]": "\x1d"}
TIMES = {"twice": 2, "three times": 3, "four times": 4}
ANSWERS = frozenset({"y"})
START, STOP = "make run", "sandtui local stop"


@dataclass(frozen=True)
class Item:
    """One thing in backticks: a key, a text to type, or a command of the reader's shell."""

    text: str
    times: int = 1

    @property
    def keys(self):
        """A key has a name or is one character; everything else is typed letter by letter."""
        name = NAMES.get(self.text, self.text)
        return [name] * self.times if name in KEYS or len(name) == 1 else list(self.text)


def steps():
    """Read the numbered steps: for each the things in backticks, in their order."""
    section = page("start").partition("## Two minutes\n")[2].partition("\n#")[0]
    times = "|".join(TIMES)
    return [
        [Item(text, TIMES.get(words, 1)) for text, words in re.findall(rf"`([^`]+)`(?:\s({times}))?", step)]
        for step in re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    ]


@dataclass(frozen=True)
class Shows:
    """Whether a screen shows some texts, and not others."""

    texts: tuple[str, ...]
    hidden: tuple[str, ...] = ()

    def __call__(self, screen):
        return all(text in screen for text in self.texts) and not any(text in screen for text in self.hidden)


@dataclass(frozen=True)
class ShowsLines:
    """Whether a screen shows a pattern on a number of lines."""

    text: re.Pattern[str]
    count: int

    def __call__(self, screen):
        return sum(self.text.search(line) is not None for line in screen.splitlines()) == self.count


def all_of(*texts, no=()):
    return Shows(texts, tuple(no))


FLEET = "NAME  "
SHOWN = [
    [
        (START, all_of("No sandboxes")),
        ("?", all_of("Toggle mark")),
        ("esc", all_of("No sandboxes", no=["Toggle mark"])),
    ],
    [
        ("n", all_of("Labels", "Matrix")),
        ("3", all_of("3 sandboxes")),
        ("ctrl+s", all_of("3 ready")),
        ("esc", ShowsLines(listed(RUNNING, "demo-"), 3)),
    ],
    [
        ("*", all_of("3 marked")),
        ("x", all_of("Exec (3)")),
        ("enter", all_of("▾ demo-1", "▾ demo-2", "▾ demo-3", "3 ok")),
        ("esc", all_of(FLEET, "3 marked")),
        ("u", all_of(FLEET, no=["marked"])),
    ],
    [
        ("/", all_of("f1 help")),
        ("enter", ShowsLines(listed(RUNNING, "demo-"), 1)),
        ("s", all_of("root@demo-2:/workspace#")),
        ("enter", ShowsLines(re.compile("root@demo-2:/workspace#"), 2)),
        ("ctrl+]", all_of("detached")),
        ("q", all_of(FLEET, no=["root@demo-2:/workspace#"])),
    ],
    [
        ("f", all_of("demo-2  /workspace", "hi.txt")),
        ("C", all_of("✓ demo-2:…/hi.txt → ")),
        ("esc", ShowsLines(listed(RUNNING, "demo-"), 1)),
        ("b", all_of("Background jobs")),
        ("n", all_of("New job in demo-2")),
        ("enter", all_of("1 done", "seq 5", "│5 ")),
    ],
    [
        ("esc", ShowsLines(listed(RUNNING, "demo-"), 1)),
        ("p", all_of("No exposed ports")),
        ("n", all_of("Expose port of demo-2")),
        ("enter", all_of("http://127.0.0.1:", "connection refused")),
        ("-", ShowsLines(listed(RUNNING, "demo-"), 1)),
        ("1", ShowsLines(listed(RUNNING, "demo-"), 1)),
    ],
    [
        ("5", all_of("uname -n; nproc")),
        ("/", all_of("filter entries")),
        ("enter", all_of("Exposed at", no=["uname -n; nproc"])),
        ("d", all_of("curl -sS")),
        ("Y", all_of("Copied")),
        ("esc", all_of("Exposed at", no=["curl -sS"])),
    ],
    [
        ("1", ShowsLines(listed(RUNNING, "demo-"), 1)),
        ("D", all_of("y confirm")),
        ("y", lists(ENDED, "demo-2")),
        ("esc", ShowsLines(listed(RUNNING, "demo-"), 2)),
    ],
]
"""What the reader sees next, in the order of what they type; not every key has something to see."""


async def test_each_step_of_the_walk_through_does_what_it_says(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    told = steps()
    assert len(told) == len(SHOWN)
    assert told[0][0].text == START
    assert told[-1][-1].text == STOP
    try:
        async with Terminal(SANDTUI, env, folder=work) as terminal:
            for step, shown in zip(told, SHOWN, strict=True):
                expected = list(shown)
                for item in step:
                    if item.text in ANSWERS:
                        # An answer counts only once the question could be read.
                        await asyncio.sleep(2 * READING_SECONDS)
                    if item.text not in {START, STOP}:
                        await terminal.press(*item.keys)
                    if expected and expected[0][0] == item.text:
                        await terminal.until(expected.pop(0)[1])
                assert not expected, f"the manual does not say these any more: {expected}"
            assert await terminal.ended() == 0
    finally:
        stopped = subprocess.run([*SANDTUI, "local", "stop"], env=env, capture_output=True, text=True, check=True)
    assert "stopped" in stopped.stdout
    assert (work / "hi.txt").read_text() == "hello\n"
