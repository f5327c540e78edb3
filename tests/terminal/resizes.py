"""Streams, and the sizes that the window gets after them: what is compared with tmux."""

from __future__ import annotations

Size = tuple[int, int]

LONG = b" ".join(b"word%d" % n for n in range(60))
COLOURED = b"".join(b"\x1b[%dm%s\x1b[0m " % (31 + n % 6, b"x" * (n % 11 + 1)) for n in range(60))
PROMPT = b"\x1b[32muser@box\x1b[0m:~$ "

RESIZES: dict[str, tuple[bytes, list[Size]]] = {
    "one line, narrower": (LONG[:100] + b"\r\n" + PROMPT, [(25, 10)]),
    "one line, wider": (LONG[:100] + b"\r\n" + PROMPT, [(60, 10)]),
    "more than a screen, narrower": (LONG + b"\r\n" + PROMPT, [(23, 10)]),
    "more than a screen, wider": (LONG + b"\r\n" + LONG + b"\r\n" + PROMPT, [(77, 10)]),
    "there and back": (LONG + b"\r\n" + LONG + b"\r\n" + PROMPT, [(23, 10), (61, 10), (40, 10)]),
    "very narrow and back": (LONG + b"\r\n" + PROMPT, [(3, 10), (40, 10)]),
    "colours": (COLOURED + b"\r\n" + PROMPT, [(27, 10), (90, 10)]),
    "many lines": (b"".join(b"line %d %s\r\n" % (n, b"y" * (n * 7 % 70)) for n in range(40)), [(31, 10), (52, 10)]),
    "wide characters": ("漢字かな混じり文".encode() * 12 + b"\r\n" + PROMPT, [(33, 10), (40, 10)]),
    "a wide character at the edge": (b"x" * 39 + "漢".encode() + b"y" * 50 + b"\r\n", [(31, 10), (60, 10)]),
    "combining marks": ("e\u0301a\u0300".encode() * 50 + b"\r\n" + PROMPT, [(29, 10), (70, 10)]),
    "empty lines between": (b"\r\n\r\n".join([LONG[:90], b"", LONG[:50]]) + b"\r\n" + PROMPT, [(20, 10), (55, 10)]),
    "both at once, smaller": (LONG * 2 + b"\r\n" + PROMPT, [(30, 6)]),
    "both at once, larger": (LONG * 2 + b"\r\n" + LONG * 2 + b"\r\n" + PROMPT, [(70, 14)]),
    "typing at the prompt": (LONG + b"\r\n" + PROMPT + b"echo " + b"z" * 45, [(24, 10)]),
    "the cursor in the middle": (LONG[:300] + b"\x1b[4;17H", [(33, 10), (66, 10)]),
    "the other screen is left alone": (
        LONG + b"\r\n\x1b[?1049h" + b"\x1b[2;1H" + b"v" * 35 + b"\x1b[5;1Hend",
        [(30, 10)],
    ),
    "back from the other screen": (LONG + b"\r\n" + PROMPT + b"\x1b[?1049hvim\x1b[?1049l", [(30, 10)]),
}
