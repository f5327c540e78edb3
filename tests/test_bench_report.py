"""The table of ``make bench``: which rows meet their bar, and what is said of those that don't."""

import pytest

from tests.bench.report import BenchRow, drifted, figure, table


@pytest.mark.parametrize(
    ("row", "missed", "verdict"),
    [
        (BenchRow("create", 20.0, "ms", 20.0), False, " met"),
        (BenchRow("create", 20.1, "ms", 20.0), True, " MISSED"),
        (BenchRow("speed", 0.9, "x", 0.9, larger_is_better=True), False, " met"),
        (BenchRow("speed", 0.89, "x", 0.9, larger_is_better=True), True, " MISSED"),
        (BenchRow("speed", 0.1, "x", 0.9, larger_is_better=True, void="the peer drifted"), False, " void"),
    ],
)
def test_a_row_says_whether_it_meets_its_bar(row: BenchRow, missed: bool, verdict: str) -> None:
    assert row.missed is missed
    assert verdict in str(row)


def test_a_row_without_a_bar_is_only_told() -> None:
    row = BenchRow("memory", 55.0, "MB", note="with 500")
    assert not row.missed
    assert str(row).split() == ["memory", "55", "MB", "with", "500"]


def test_the_table_counts_bars_and_failures() -> None:
    met, missed = BenchRow("a", 1.0, "s", 2.0), BenchRow("b", 3.0, "s", 2.0)
    void = BenchRow("c", 1.0, "x", 2.0, larger_is_better=True, void="the peer drifted")
    text = table([("One", [met, missed, BenchRow("told", 1.0)], ""), ("Two", [void], "it ended with 1")])
    assert text.endswith("1 of 3 bars met, 1 void, 1 not measured to the end")
    assert "it ended with 1" in text


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123, "0.12"), (12.34, "12.3"), (123.4, "123"), (5.0, "5"), (123456.0, "123,456")]
)
def test_figures_have_the_digits_that_are_worth_reading(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_a_peer_that_drifts_makes_a_comparison_void() -> None:
    assert drifted(1.0, 1.1) == ""
    assert drifted(1.0, 1.3)
    assert drifted(1.3, 1.0)
