"""Our screens are tmux's: a list of sequences and recorded programs, whole and cut into pieces of any size."""

import json

import pytest

from tests.terminal.judge import SIZE, VERDICTS, cases
from tests.terminal.tmux import Tmux, our_screen, same_screen, version

WE_DIFFER = {
    "forward tab": "tmux does not know CHT (ECMA-48 8.3.10)",
    "relative by a and e": "tmux does not know HPR and VPR (ECMA-48 8.3.57, 8.3.160)",
    "insert past the edge": "tmux leaves the rest of the line when more is inserted than fits; xterm blanks it",
    "insert lines": "the cursor goes to the first column (DEC STD 070, xterm)",
    "delete lines": "the cursor goes to the first column (DEC STD 070, xterm)",
    "delete lines outside the region": "nothing is done outside of the margins (DEC STD 070, xterm)",
    "soft reset": "DECSTR also resets colours and insert mode (DEC STD 070, xterm)",
    "half of a wide character": "a half that is left over is blanked, as xterm does",
    "wide character erased by half": "a half that is left over is blanked, as xterm does",
    "delete before a wide character": "a half that is left over is blanked, as xterm does",
    "broken utf-8": "what is no character is shown as U+FFFD (Unicode 3.9), not left out",
    "huge numbers": "a number that is too large counts as the largest; tmux drops the sequence",
}
CASES = {name: (data, size) for name, data, size in cases()}


@pytest.fixture(scope="module")
def verdicts():
    return json.loads(VERDICTS.read_text())


@pytest.mark.parametrize("piece", [None, 1, 7], ids=["whole", "bytes", "sevens"])
@pytest.mark.parametrize("name", CASES)
def test_the_screen_is_that_of_tmux(verdicts, name, piece):
    data, size = CASES[name]
    problems = same_screen(our_screen(data, *size, piece), verdicts[name])
    if name in WE_DIFFER:
        assert problems, f"{name} is as in tmux now: take it off the list"
    else:
        assert not problems, "\n".join(problems[:10])


def test_the_verdicts_are_those_of_tmux(verdicts):
    if version() != verdicts["version"]:
        pytest.skip(f"{verdicts['version']} is not installed")
    with Tmux(*SIZE) as tmux:
        for name in list(CASES)[::9]:
            data, size = CASES[name]
            if size == SIZE:
                shown = tmux.show(data)
                wanted = {key: value for key, value in verdicts[name].items() if key != "crc"}
                assert shown == wanted, f"another tmux draws {name} otherwise"
