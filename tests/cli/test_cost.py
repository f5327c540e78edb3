"""`sandtui cost`, against a calculation by hand."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandtui.config.paths import Paths
from sandtui.fleet.inventory.cost import Rates, use_rates
from tests.cli.fleet_server import row

SETTINGS = "[cost]\ncore_hour = 0.05\nmemory_gb_hour = 0.01\n"


@pytest.fixture(autouse=True)
def no_rates_afterwards():
    yield
    use_rates(Rates())


@pytest.fixture
def priced(fleet):
    """Three sandboxes of two runs that began 2 hours ago, at 0.07, 0.27 and 0.07 dollars an hour."""
    path = Paths.of_user().settings
    path.parent.mkdir(parents=True)
    path.write_text(SETTINGS)
    began = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    fleet.rows = [
        row(1, labels=["run=1"], startedAt=began),
        row(2, labels=["run=1"], startedAt=began, cpuCores=5),
        row(3, labels=["run=2"], startedAt=began),
    ]
    return fleet


def test_each_and_added_up(priced, sandtui):
    done = sandtui("cost", "-o", "json")
    assert done.code == 0
    lines = {line["name"]: line for line in json.loads(done.out)}
    assert lines["try-2"]["per_hour_usd"] == 0.27
    assert lines["try-2"]["estimate_usd"] == pytest.approx(0.54, abs=0.001)
    assert lines["try-2"]["billed_usd"] is None
    by_run = {line["name"]: line for line in json.loads(sandtui("cost", "--by", "label:run", "-o", "json").out)}
    assert by_run["run=1"]["count"] == 2
    assert by_run["run=1"]["estimate_usd"] == pytest.approx(0.68, abs=0.001)
    assert by_run["run=2"]["estimate_usd"] == pytest.approx(0.14, abs=0.001)
    assert "3 sandboxes: ~$0.82 so far, ~$0.41 an hour" in done.err


def test_bills_have_a_column_of_their_own(priced, sandtui):
    first = priced.rows[0]["id"]
    rows = [
        {
            "resource_type": "sandbox",
            "resource_id": first,
            "amount_usd": 0.10,
            "last_billed_at": "2026-11-24T14:00:00Z",
        },
        {"resource_type": "sandbox", "resource_id": first, "amount_usd": 0.03},
        {"resource_id": priced.rows[1]["id"], "amount_usd": "NaN"},
        "nonsense",
    ]
    priced.broken["GET /billing/wallet"] = (200, {"balance": 5, "charges": rows})
    lines = {line["name"]: line for line in json.loads(sandtui("cost", "-o", "json").out)}
    assert lines["try-1"]["billed_usd"] == pytest.approx(0.13)
    assert lines["try-1"]["estimate_usd"] == pytest.approx(0.14, abs=0.001)
    assert lines["try-2"]["billed_usd"] is None
    assert sandtui("ls", "cost>0.5", "-o", "name").lines == ["try-2"]


def test_without_rates_and_bills_it_says_what_to_do(fleet, sandtui):
    fleet.rows = [row(1)]
    done = sandtui("cost")
    assert done.code == 2
    assert "[cost] of the settings has no rates" in done.err
    assert "no group" in sandtui("cost", "--by", "color").err
    fleet.broken["GET /billing/wallet"] = (503, {"detail": "later"})
    assert sandtui("cost").code == 3
