"""The page of a result, its plots, and its text for a terminal."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from console.backtests.figures import amount, duration, figures
from console.backtests.markup import page
from console.backtests.plots import Mark, area_plot, bar_plot, line_plot, nice_ticks, time_ticks
from console.backtests.report import report
from console.backtests.table import sparkline, summary
from core.clock import DAY_NS, NS_PER_S
from tests.conformance.ticks import T0
from tests.unit.console.backtests.trading import RUN, stored
from tests.unit.console.batch.running import Console

HOSTILE = "<script>alert('x')</script>&\x1b[31m"


@pytest.fixture
def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """A real result."""
    stored(1500)
    found: dict[str, Any] = Console(capsys)(*RUN, "--json").json
    return found


def test_the_page_needs_nothing_else(document: dict[str, Any]) -> None:
    """No script, no address that is loaded from, plots inside, and the exact command."""
    text = report(document)
    assert "<script" not in text
    assert not re.search(r"(src|href)=|@import|url\(", text)
    assert text.count("<svg") == 4
    assert "95% of the account" in text
    assert document["fingerprint"]["result_sha256"] in text
    assert "prefers-color-scheme: dark" in text
    assert "$" not in re.sub(r"<style>.*</style>", "", text, flags=re.DOTALL)


def test_every_plot_is_well_formed(document: dict[str, Any]) -> None:
    """Each SVG parses as XML, and no place in it is no number."""
    for plot in re.findall(r"<svg.*?</svg>", report(document), flags=re.DOTALL):
        ElementTree.fromstring(plot)
        assert "nan" not in plot
        assert "inf" not in plot


def test_nothing_from_outside_is_markup(document: dict[str, Any]) -> None:
    """Hostile names, warnings and commands stand in the page as text."""
    document["strategy"]["name"] = document["instrument"]["symbol"] = document["command"] = HOSTILE
    document["instrument"]["quote"] = document["data"]["source"] = document["account"]["currency"] = HOSTILE
    document["warnings"] = document["assumptions"] = [HOSTILE]
    document["strategy"]["parameters"] = {HOSTILE: 1}
    text = report(document)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<script" not in page(HOSTILE, "")
    assert "\x1b" not in text + page(HOSTILE, "")


def test_a_result_without_events_has_a_page(document: dict[str, Any]) -> None:
    """No curve, no periods and no trades is a page that says so."""
    document["equity"] = {"ts_ns": [], "equity": [], "drawdown": [], "price": []}
    document["periods"], document["trades"] = [], []
    assert report(document).count("nothing to draw") == 4
    assert summary(document)


def test_plots_of_anything_are_drawn() -> None:
    """One point, equal values, values below zero and of any size."""
    for points in ([(T0, 1.0)], [(T0, 5.0), (T0 + 1, 5.0)], [(T0, -1e12), (T0 + DAY_NS, 1e-9)]):
        for plot in (
            line_plot(points, title="x", marks=[Mark(T0, 2.0, "buy", HOSTILE), Mark(T0, 2.0, "exit", "")]),
            area_plot(points, title="x"),
            bar_plot([(ts_ns, value) for ts_ns, value in points], until_ns=T0 + 2 * DAY_NS, title="x"),
        ):
            ElementTree.fromstring(plot.replace("\x1b", ""))
            assert "<script" not in plot


def test_a_period_without_a_value_has_no_bar() -> None:
    """None is left out, and a gain and a loss have classes of their own."""
    plot = bar_plot([(T0, 0.1), (T0 + DAY_NS, None), (T0 + 2 * DAY_NS, -0.2)], until_ns=T0 + 3 * DAY_NS, title="x")
    assert re.findall(r'<rect class="(\w+)"', plot) == ["gain", "loss"]


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-3.7, 12.9), (1e-9, 2e-9), (99_999.0, 100_001.0), (-1e9, 5e9)]
)
def test_labels_are_few_and_within(low: float, high: float) -> None:
    """Two to seven round values between the ends."""
    found = nice_ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low <= value <= high for value in found)


@pytest.mark.parametrize("span_ns", [1_000, NS_PER_S, 300 * NS_PER_S, DAY_NS, 30 * DAY_NS, 4000 * DAY_NS, 2**62])
def test_instants_are_few_and_within(span_ns: int) -> None:
    """At most eight labels for any length of time."""
    found = time_ticks(T0, T0 + span_ns)
    assert len(found) <= 8
    assert all(T0 <= at <= T0 + span_ns for at, _ in found)


def test_money_is_readable_and_never_rounded_to_nothing() -> None:
    """Two decimals from 1 on, below it the digits that count."""
    assert amount("1234567.891") == "1,234,567.89"
    assert amount("0.000012345678") == "0.00001235"
    assert (amount("5", signed=True), amount("-5", signed=True), amount("0", signed=True)) == (
        "+5.00",
        "-5.00",
        "0.00",
    )


def test_lengths_of_time_have_two_units() -> None:
    """The largest two that are not zero."""
    assert [duration(seconds) for seconds in (0, 59, 3600, 90_061)] == ["0 s", "59 s", "1 h", "1 d 1 h"]


def test_what_is_not_defined_is_a_dash(document: dict[str, Any]) -> None:
    """None among the figures is shown as none, and has no sign."""
    metrics = {name: None if isinstance(value, float) else value for name, value in document["metrics"].items()}
    metrics |= {"max_drawdown_s": 0.0, "return_interval_s": 60.0}
    shown = {one.name: one for one in figures(metrics, "USD")}
    assert (shown["Sharpe"].text, shown["Sharpe"].sign) == ("–", 0)


def test_a_sparkline_goes_from_the_lowest_to_the_highest() -> None:
    """The ends of the range are the lowest and the highest sign; equal values are a flat line."""
    assert sparkline([0.0, 5.0, 10.0], 3) == "▁▅█"
    assert sparkline([1.0] * 9, 4) == "▁▁▁▁"
    assert sparkline([0.0, 1.0], 9, plain=True) == "_#"


def test_a_summary_fits_a_terminal(document: dict[str, Any]) -> None:
    """No line is wider than 80 columns but those of trades, which are not far from it; plain ones are ASCII."""
    lines = summary(document, plain=True)
    assert all(line.isascii() for line in lines)
    assert max(len(line) for line in lines) <= 90
    document["trades"] = []
    assert max(len(line) for line in summary(document)) <= 80
    assert f"fingerprint {document['fingerprint']['id']}" in lines[-1]


def test_a_summary_tells_years_apart_and_rounds_averages(document: dict[str, Any]) -> None:
    """Trades of one year are told without it, those of several with it; prices have nine digits that count."""
    document["trades"] = document["trades"][:2]
    document["trades"][0]["entry_price"] = "61681.433620748"
    assert "11-22 00:" in "\n".join(summary(document))
    assert "2025-11-22" not in "\n".join(summary(document)[2:])
    document["trades"][1]["exit"] = "2026-01-01T00:00:00.000000000Z"
    (row,) = [line for line in summary(document) if "61681.4336 " in line]
    assert "2025-11-22 00:" in row
