"""What is left of a crash: a report without secrets, a short message, a healthy terminal."""

import stat

import pytest
from pydantic import BaseModel

from sandtui.ui.crash_report import MOST_REPORTS, report, write_report
from tests.probes import break_down
from tests.ui.world import World, settled


class Strict(BaseModel):
    count: int


def raised(make):
    try:
        make()
    except Exception as error:
        return error
    raise AssertionError


def fail(words):
    raise ValueError(words)


# A traceback shows lines of the source: the canary stands in none of them as a whole.
@pytest.mark.parametrize(
    "make",
    [
        lambda: fail("-".join(["the key sk-canary", "1 is wrong"])),
        lambda: fail("-".join(["PASSWORD=canary", "1"])),
        lambda: fail("-".join(["https://me:canary", "1@host/x"])),
        lambda: fail("-".join(["Authorization: Bearer canary", "1"])),
        lambda: Strict(count="-".join(["canary", "1"])),
    ],
)
def test_no_secret_is_in_a_report(make):
    text = report(raised(make), ["80x24"], ["said TOKEN=canary-1", "said sk-canary-1"], ["sk-canary-1"])
    assert "canary-1" not in text
    assert "Traceback" in text
    assert "80x24" in text


def test_reports_are_private_and_not_kept_for_ever(tmp_path):
    paths = [write_report(tmp_path / "crashes", f"{number}\n") for number in range(MOST_REPORTS + 3)]
    assert stat.S_IMODE(paths[-1].stat().st_mode) == 0o600
    assert sorted((tmp_path / "crashes").iterdir()) == paths[3:]
    (tmp_path / "file").write_text("")
    assert write_report(tmp_path / "file" / "x", "text") is None


async def test_the_app_ends_with_two_lines_and_the_place_of_the_report(monkeypatch):
    app = World(fleet=0)
    shown = []
    monkeypatch.setattr(app, "panic", lambda text: shown.append(text.plain))
    async with app.run_test() as pilot:
        await settled(pilot)
        try:
            fail(f"with {app.services.platform.connection.config.api_key}")
        except ValueError:
            break_down(app)
        (text,) = shown
        assert text.startswith("sandtui crashed: ValueError.")
        assert len(text.splitlines()) == 2
        (path,) = app.paths.crashes.iterdir()
        assert str(path) in text
        written = path.read_text()
        assert "FleetScreen" in written
        assert app.services.platform.connection.config.api_key not in written
