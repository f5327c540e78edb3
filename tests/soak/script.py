"""What is sent: steps that can be written down and replayed, and their random author."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from sandtui.fleet.actions import ACTIONS

SIZES = ((120, 36), (80, 24), (100, 30), (160, 50), (200, 60))
ODD_SIZES = ((1, 1), (2, 40), (300, 2), (10, 4), (40, 12), (60, 15), (79, 23), (320, 100), (500, 160))

LEAVES = b"\x11"
"""The byte of ctrl+q, which leaves the program."""

_NAMED = {
    "enter": b"\r",
    "escape": b"\x1b",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "space": b" ",
    "backspace": b"\x7f",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "delete": b"\x1b[3~",
    "f1": b"\x1bOP",
    "ctrl+right_square_bracket": b"\x1d",
    "question_mark": b"?",
    "colon": b":",
    "slash": b"/",
    "minus": b"-",
    "plus": b"+",
    "at": b"@",
    "asterisk": b"*",
    "exclamation_mark": b"!",
    "full_stop": b".",
    "equals_sign": b"=",
    "less_than_sign": b"<",
    "greater_than_sign": b">",
    "ampersand": b"&",
    "left_square_bracket": b"[",
    "right_square_bracket": b"]",
    "left_curly_bracket": b"{",
    "right_curly_bracket": b"}",
}
_KITTY_CODES = {"enter": 13, "escape": 27, "tab": 9, "backspace": 127}

WORDS = (
    "rollout", "demo-{i}", "soak-1", "a", "x", "7", "300", "0", "-1", "#run=42", "status:running", "age>2h", "cpu>=4",
    "name~^a.*7$", "name~(", "!", "(a or", "ls -la", "echo hello", "sleep 5", "seq 500", "cat", "yes | head -c 100000",
    "printf '\\r%s' a b", "uname -n; nproc", "/tmp", "~", "..", "hi.txt", "no/such/path", "my data", "8000",
    "8000 to 9000", "python:3.11-slim", "no-such-image:0", "KEY=value", "memory_gb=2,4", "@env:HOME", "[red]markup[/]",
    "job", "port", "shell", "theme", "activity", "漢字かな", "👩‍👩‍👧 e\u0301", "é", "'\"", "\\", "exit", "cd /", "true",
    "for i in 1 2 3; do echo $i; sleep 0.2; done", "seq 20000", "test -t 0 && stty size", "top -b -n 1", "vi hi.txt",
)  # fmt: skip

OPENERS = (
    "1", "2", "3", "4", "5", "6", "-", "n", "N", "s", "S", "x", "X", "L", "f", "b", "p", "t", "l", "m", "%", "v", "z",
    "Z", "c", "@", "?", ":", "\x10", "/", "D", "R", "Y", "d", "a", "o", "O", "*", "u", "I", "V", "r", "g", "G", "j",
    "k", "!", "B",
)  # fmt: skip

RESPONSES = (
    b"\x1b[?62;22c", b"\x1b[>41;354;0c", b"\x1b]11;rgb:1e1e/1e1e/2e2e\x07", b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\",
    b"\x1b]10;rgb:0000/0000/0000\x1b\\", b"\x1b[12;40R", b"\x1b[1;1R", b"\x1b[?2026;2$y", b"\x1b[?2026;0$y",
    b"\x1b[?2048;2$y", b"\x1b[?2048;0$y", b"\x1b[?31u", b"\x1bP>|XTerm(380)\x1b\\", b"\x1b[8;36;120t", b"\x1b[6;16;8t",
    b"\x1b[0n", b"\x1b]52;c;aGVsbG8=\x07", b"\x1b]4;1;rgb:cccc/0000/0000\x07", b"\x1bP1+r524742=38\x1b\\",
)  # fmt: skip

KITTY = (
    "\x1b[49;;20013:25991:35789:32452:25105u", "\x1b[97;;97u", "\x1b[97;2;65u", "\x1b[113;3u", "\x1b[57399u",
    "\x1b[57414u", "\x1b[57358u", "\x1b[57441;2u", "\x1b[97;1:3u",
    "\x1b[97;1:2;97u", "\x1b[1;2A", "\x1b[1;5C", "\x1b[1;3D", "\x1b[3;5~",
    "\x1b[223::115;;223u", "\x1b[233;;233u", "\x1b[0;;128105:8205:128105:8205:128103u", "\x1b[127;5u", "\x1b[32;5u",
    "\x1b[57363u", "\x1b[9;2u", "\x1b[13;2u", "\x1b[13;5u", "\x1b[27;2u", "\x1b[57376;5u", "\x1b[1114112u", "\x1b[u",
    "\x1b[99999999999u", "\x1b[;;97u", "\x1b[97;;1114112u", "\x1b[97;;55296u",
    "\x1b[49;;" + ":".join(["20013"] * 60) + "u",
)  # fmt: skip

BAD_BYTES = (
    b"\xe9b", b"\xff", b"\x80\x81", b"\xc3", b"\xf0\x9f", b"\xed\xa0\x80", b"\x00", b"\x1b[M !!", b"\x1b[M\x20\x90\xa0",
    b"\x1b[M#\xff\xff", b"\x1b[<0;9999;9999M", b"\x1b[<64;-1;3M", b"\x1b[<;;M", b"\x1b[32;10;10M", b"\x1b[99;9",
    b"\x1b[[A",
    b"\x1bO", b"\x1b[", b"\x1b", b"\x1b]0;title\x07", b"\x1b]8;;", b"\x1bP", b"\x1b_x\x1b\\", b"\x9b1m", b"\x1b[201~",
    b"\x1b[?1049l", b"\x1bc", b"\x1b[" + b"1;" * 100 + b"m",
)  # fmt: skip

BAD_EDITORS = ("missing", "not executable", "no interpreter", "unquoted")

KINDS = {
    "keys": 24,
    "journey": 14,
    "words": 8,
    "mouse": 8,
    "burst": 5,
    "back": 4,
    "resize": 3,
    "paste": 3,
    "kitty": 3,
    "response": 3,
    "bad": 2,
    "noise": 2,
    "focus": 2,
    "wait": 2,
    "stall": 1,
    "suspend": 1,
    "platform": 3,
    "quit": 0.4,
}
"""Kinds of input, and how often each is chosen."""

PARTS = ("editor", "handover")
"""What else can be left out: editors that can't be started, and the key that hands the terminal to a shell."""


@dataclass(frozen=True)
class Step:
    """One thing that is done to the program."""

    do: str
    data: str = ""
    """Bytes to type, as Latin-1."""
    number: float = 0.0
    size: tuple[int, int] = (0, 0)

    @property
    def raw(self) -> bytes:
        """The bytes."""
        return self.data.encode("latin-1")

    def line(self) -> str:
        """Return it as it is written down."""
        return json.dumps({name: value for name, value in asdict(self).items() if value and value != (0, 0)})

    @classmethod
    def read(cls, line: str) -> Step:
        """Read it back."""
        values = json.loads(line)
        return cls(**{**values, "size": tuple(values.get("size", (0, 0)))})


@dataclass(frozen=True)
class Setting:
    """What a round starts with."""

    world: str
    seed: int
    size: tuple[int, int] = (120, 36)
    answers: bool = False
    """Whether the terminal knows in-band resizes and synchronised output."""
    kitty: bool = False
    """Whether it sends keys by kitty's protocol."""
    editor: str = "edits"
    end: str = "key"
    without: tuple[str, ...] = ()
    """Kinds of input that are left out."""
    stub: str = ""
    """A fault: of a program that has just this one, which is run in place of ours."""

    @classmethod
    def of(cls, world: str, seed: int, without: Sequence[str] = ()) -> Setting:
        """Choose one at random."""
        random = Random(f"setting {world} {seed}")
        return cls(
            world,
            seed,
            random.choice(SIZES),
            random.random() < 0.5,
            random.random() < 0.4,
            random.choice(("edits", "edits", "fails", *(() if "editor" in without else BAD_EDITORS))),
            random.choice(("key", "key", "terminate", "hang up")),
            tuple(without),
        )


@dataclass
class Script:
    """A setting and its steps, as a file holds them."""

    setting: Setting
    steps: list[Step] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it down, a line for each step."""
        path.write_text("\n".join([json.dumps(asdict(self.setting)), *(step.line() for step in self.steps)]) + "\n")

    @classmethod
    def load(cls, path: Path) -> Script:
        """Read it back."""
        head, *lines = path.read_text().splitlines()
        values = json.loads(head)
        setting = Setting(**{**values, "size": tuple(values["size"]), "without": tuple(values["without"])})
        return cls(setting, [Step.read(line) for line in lines])


def typed(data: bytes) -> Step:
    """Return the step that types some bytes."""
    return Step("type", data.decode("latin-1"))


class Author:
    """Writes steps without end; the same setting gives the same ones."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._random = Random(f"steps {setting.world} {setting.seed}")
        self._size = setting.size
        left_out = {"ctrl+q", *(("S",) if "handover" in setting.without else ())}
        keys = sorted({key for action in ACTIONS for key in action.keys} - left_out)
        self._openers = [key for key in OPENERS if key not in left_out]
        self._keys = [*keys, "up", "down", "left", "right", "pageup", "pagedown", "home", "end", "delete"]

    def steps(self) -> Iterator[Step]:
        """Write on."""
        count = 0
        while True:
            for step in self._some():
                yield step
                count += 1
                if count % 30 == 0:
                    yield Step("probe")
                if count % 400 == 0:
                    yield Step("settle")

    def _some(self) -> Iterable[Step]:
        makers: dict[str, Callable[[], Iterable[Step]]] = {
            "keys": self._key_presses,
            "journey": self._journey,
            "words": self._words,
            "mouse": self._mouse,
            "burst": self._burst,
            "back": self._back_out,
            "resize": self._resize,
            "paste": self._paste,
            "kitty": self._kitty,
            "response": self._response,
            "bad": self._bad_bytes,
            "noise": self._random_bytes,
            "focus": self._focus,
            "wait": self._long_pause,
            "stall": self._stall,
            "suspend": self._suspend,
            "platform": self._platform,
            "quit": self._quit,
        }
        left_out = {*self._setting.without, *(() if self._setting.world == "local" else ("platform",))}
        names = [name for name in KINDS if name not in left_out]
        made = makers[self._random.choices(names, [KINDS[name] for name in names])[0]]()
        for step in made:
            yield step
            if step.do == "type" and self._random.random() < 0.8:
                yield Step("pause", number=round(self._random.choice((0.0, 0.01, 0.03, 0.1)), 3))

    def _key(self, name: str) -> bytes:
        random = self._random
        modifier, _, rest = name.rpartition("+")
        if self._setting.kitty and random.random() < 0.8:
            if modifier == "ctrl" and len(rest) == 1:
                return f"\x1b[{ord(rest)};5u".encode()
            if name in _KITTY_CODES:
                return f"\x1b[{_KITTY_CODES[name]}u".encode()
            if len(name) == 1:
                return f"\x1b[{ord(name.lower())};{'2' if name.isupper() else ''};{ord(name)}u".encode()
        if name in _NAMED:
            return _NAMED[name]
        if modifier == "ctrl" and len(rest) == 1:
            return bytes([ord(rest) & 31])
        return name.encode() if len(name) == 1 else b" "

    def _key_presses(self) -> Iterable[Step]:
        for _ in range(self._random.randint(1, 6)):
            name = self._random.choice(self._keys)
            for _ in range(self._random.choice((1, 1, 1, 2, 5))):
                yield typed(self._key(name))

    def _journey(self) -> Iterable[Step]:
        """Go somewhere and do what a user does there: only this gets deep."""
        random = self._random
        yield typed(random.choice((b"1", b"\x1b", b"\x1b1", b"\x1d", b"\x1b[13u", b"")))
        for _ in range(random.randint(0, 3)):
            yield typed(random.choice((b"j", b"k", b" ", b"\x1b[B", b"\x1b[6~")))
        opener = random.choice(self._openers)
        yield typed(opener.encode())
        yield Step("pause", number=random.choice((0.0, 0.05, 0.3, 1.0)))
        for _ in range(random.randint(0, 4)):
            kind = random.random()
            if kind < 0.4:
                yield typed(random.choice(WORDS).encode())
                yield typed(random.choice((b"\r", b"\t", b"\x1b", b"\x13", b"\x1b[B\r", b"\n", b"")))
            elif kind < 0.8:
                yield typed(self._key(random.choice(self._keys)))
            else:
                yield typed(random.choice((b"\r", b"y", b"\t\r", b"\t", b"\x1b[B\r", b"\x1b[C")))

    def _words(self) -> Iterable[Step]:
        word = self._random.choice(WORDS)
        if self._random.random() < 0.5:
            yield typed(word.encode())
        else:
            for char in word:
                yield typed(char.encode())
        yield typed(self._random.choice((b"\r", b"\x1b", b"", b"\t", b"\x7f\x7f\r")))

    def _mouse(self) -> Iterable[Step]:
        random = self._random
        # A terminal that reports sizes in band is asked to report the mouse in pixels too.
        across, down = (8, 16) if self._setting.answers else (1, 1)
        columns, lines = self._size[0] * across, self._size[1] * down
        for _ in range(random.randint(1, 5)):
            x, y = random.randint(1, max(columns, 1)), random.randint(1, max(lines, 1))
            kind = random.random()
            if kind < 0.1:
                # X10 reports: a byte each, which is no UTF-8 beyond column 95.
                yield typed(bytes([27, 91, 77, 32, min(255, x + 32), min(255, y + 32)]))
            elif kind < 0.35:
                button = random.choice((64, 65, 66, 67, 68, 80))
                yield typed(b"".join(f"\x1b[<{button};{x};{y}M".encode() for _ in range(random.randint(1, 10))))
            elif kind < 0.5:
                yield typed(f"\x1b[<35;{x};{y}M".encode())
            else:
                button = random.choice((0, 0, 0, 1, 2, 4, 8, 16))
                yield typed(f"\x1b[<{button};{x};{y}M".encode())
                if random.random() < 0.3:
                    for _ in range(random.randint(1, 8)):
                        x, y = max(1, x + random.randint(-9, 9) * across), max(1, y + random.randint(-3, 3) * down)
                        yield typed(f"\x1b[<{button + 32};{x};{y}M".encode())
                if random.random() < 0.95:
                    yield typed(f"\x1b[<{button};{x};{y}m".encode())

    def _burst(self) -> Iterable[Step]:
        """Many things in one write."""
        random = self._random
        parts = []
        for _ in range(random.randint(3, random.choice((10, 60)))):
            kind = random.random()
            if kind < 0.5:
                parts.append(self._key(random.choice(self._keys)))
            elif kind < 0.7:
                parts.append(random.choice(self._openers).encode())
            else:
                parts.append(random.choice(WORDS).encode())
        yield typed(b"".join(parts))

    def _back_out(self) -> Iterable[Step]:
        """Leave wherever it is, so that not all is spent in one shell."""
        yield typed(b"\x1d")
        yield typed(b"q")
        for _ in range(self._random.randint(1, 5)):
            yield typed(self._key("escape"))
            yield Step("pause", number=0.05)
        yield typed(b"1")

    def _resize(self) -> Iterable[Step]:
        random = self._random
        for _ in range(random.choice((1, 1, 2, 12))):
            odd = random.random() < 0.4
            self._size = random.choice(ODD_SIZES) if odd else random.choice(SIZES)
            yield Step("resize", size=self._size)
            yield Step("pause", number=random.choice((0.0, 0.01, 0.2)))
            if odd and random.random() < 0.8:
                self._size = random.choice(SIZES)
                yield Step("resize", size=self._size)

    def _paste(self) -> Iterable[Step]:
        random = self._random
        text = random.choice(("\n", " ", "\r", "\t")).join(random.choices(WORDS, k=random.choice((1, 3, 40))))
        data = text.encode()
        yield typed(b"\x1b[200~" + data + b"\x1b[201~" if random.random() < 0.7 else data)

    def _kitty(self) -> Iterable[Step]:
        for _ in range(self._random.randint(1, 3)):
            yield typed(self._random.choice(KITTY).encode())

    def _response(self) -> Iterable[Step]:
        data = self._random.choice(RESPONSES)
        if self._random.random() < 0.3:
            cut = self._random.randrange(1, len(data))
            yield typed(data[:cut])
            yield Step("pause", number=0.02)
            yield typed(data[cut:])
        else:
            yield typed(data)

    def _bad_bytes(self) -> Iterable[Step]:
        yield typed(self._random.choice(BAD_BYTES))
        # What was left unfinished is over for good, as after the next key of a user.
        yield Step("pause", number=0.2)
        yield typed(b"\x1b\\")

    def _random_bytes(self) -> Iterable[Step]:
        count = self._random.choice((1, 2, 8, 64))
        data = bytes(self._random.randrange(256) for _ in range(count))
        yield typed(data.replace(LEAVES, b"").replace(b"\x1b[200~", b""))
        yield Step("pause", number=0.2)
        yield typed(b"\x1b\\")

    def _focus(self) -> Iterable[Step]:
        yield typed(self._random.choice((b"\x1b[I", b"\x1b[O", b"\x1b[O\x1b[I")))

    def _long_pause(self) -> Iterable[Step]:
        yield Step("pause", number=self._random.choice((0.5, 1.0, 2.5)))

    def _stall(self) -> Iterable[Step]:
        """The terminal takes nothing for a while, as over a slow link or with its output held."""
        yield Step("stall", number=self._random.choice((0.3, 1.5, 3.0)))

    def _suspend(self) -> Iterable[Step]:
        yield typed(b"\x1a")
        yield Step("pause", number=0.5)

    def _quit(self) -> Iterable[Step]:
        """Leave, with keys before and behind that are still on their way."""
        random = self._random
        before = b"".join(self._key(random.choice(self._keys)) for _ in range(random.choice((0, 0, 4))))
        behind = b"".join(self._key(random.choice(self._keys)) for _ in range(random.choice((0, 3, 30))))
        yield typed(before + LEAVES + behind)
        yield Step("pause", number=random.choice((0.0, 1.0)))

    def _platform(self) -> Iterable[Step]:
        random = self._random
        what = random.choice(("stop", "stop", "kill"))
        yield Step("platform", what)
        for _ in range(random.randint(0, 3)):
            yield from self._journey()
        yield Step("platform", "continue" if what == "stop" else "start")
