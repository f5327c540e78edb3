"""The dashboard says before its first screen what it can't work with."""

import sqlite3

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_dashboard import SANDTUI, environment


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("file", "is not a directory"),
        ("/proc/nope", "No such file or directory"),
        ("newer", "was written by a newer sandtui"),
        ("damaged", "it is damaged or not a database"),
    ],
)
async def test_a_state_directory_that_cannot_be_used(tmp_path, variable, words):
    (tmp_path / "file").write_text("")
    for name in ("newer", "damaged"):
        (tmp_path / name / "sandtui").mkdir(parents=True)
    with sqlite3.connect(tmp_path / "newer" / "sandtui" / "jobs.sqlite3") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    (tmp_path / "damaged" / "sandtui" / "activity.sqlite3").write_bytes(b"x" * 5000)
    env = environment(tmp_path, XDG_STATE_HOME=str(tmp_path / variable), PRIME_API_KEY="k")
    async with Terminal([*SANDTUI], {**env, "PRIME_API_BASE_URL": "http://127.0.0.1:9"}) as terminal:
        assert await terminal.ended() == 2
        shown = await terminal.until(lambda text: "".join(words.split()) in "".join(text.split()))
        assert "sandtui: " in shown
        assert "XDG_STATE_HOME" in shown or "Move it away" in shown
        assert "--state-dir" not in shown


async def test_an_unknown_profile_is_refused(tmp_path):
    async with Terminal([*SANDTUI], environment(tmp_path, SANDTUI_PROFILE="nope")) as terminal:
        assert await terminal.ended() == 2
        await terminal.until("no profile 'nope' (SANDTUI_PROFILE)")


async def test_the_local_platform_has_no_place(tmp_path):
    (tmp_path / "file").write_text("")
    env = environment(tmp_path, XDG_DATA_HOME=str(tmp_path / "file"))
    async with Terminal([*SANDTUI, "--local"], env) as terminal:
        await terminal.until(lambda text: "XDG_DATA_HOME" in text)
        await terminal.press("ctrl+q")
        assert await terminal.ended() == 0


@pytest.mark.parametrize(
    "changes",
    [
        ["PYTHONIOENCODING=latin-1"],
        ["PYTHONIOENCODING=ascii:strict"],
        ["LC_ALL=C", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0"],
    ],
)
async def test_the_frame_is_drawn_in_any_encoding(tmp_path, changes):
    async with Terminal(
        ["env", *changes, *SANDTUI, "demo", "--fleet", "5", "--still"], environment(tmp_path)
    ) as terminal:
        await terminal.until(lambda text: "demo" in text and "\u2500" in text)
        assert "\\u" not in terminal.text
        await terminal.press("ctrl+q")
        assert await terminal.ended() == 0
