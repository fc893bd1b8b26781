"""Stored days against a venue's daily bars: what differs is told exactly, and what excuses it."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bars.candles import CANDLE, NO_BARS
from core.bars.timeframes import Timeframe
from core.clock import DAY_NS
from core.model.fixedpoint import MAX_QUANTITY_E8
from core.model.records import OHLCV, Records
from core.model.spans import NO_SPANS, spans_of, subtract
from core.store.reconcile import Reconciled, StoredDays, ToldDays, candles_of, reconcile
from core.store.repository import NOT_STORED, NOT_STREAMED, Gap
from tests.conformance.ticks import T0, TRADES, bars, ticks

DAY = T0 // DAY_NS
S = 10**9
EVER = spans_of([(0, 2**62)])
Row = tuple[int, int, int, int, int, int]
PLAIN: Row = (10 * S, 30 * S, 5 * S, 20 * S, 150_000_000, 1204)


def days(*rows: Row | None) -> Records:
    """One bar a day from `DAY` on: prices, volume and number of trades; None for a day without."""
    made = [(T0 + number * DAY_NS, *row) for number, row in enumerate(rows) if row is not None]
    return np.array(made, CANDLE)


def trades(count: int, row: Row = PLAIN) -> Row:
    """A bar like `row` of another number of trades."""
    return (*row[:5], count)


def stored(
    *rows: Row | None, gaps: tuple[Gap, ...] = (), without: tuple[tuple[float, float], ...] = ()
) -> StoredDays:
    """These days, covered but for the time of `gaps` and `without`, which is in seconds after `T0`."""
    holes = [(gap.start_ns, gap.end_ns + 1) for gap in gaps if not gap.whole]
    holes += [(T0 + int(start_s * S), T0 + int(end_s * S)) for start_s, end_s in without]
    covered = subtract(EVER, spans_of(holes))
    return StoredDays(
        series=TRADES, first_day=DAY, end_day=DAY + len(rows), bars=days(*rows), covered=covered, gaps=gaps
    )


def gap(start_s: float, end_s: float, *, rows: int = 0, cause: str = "disconnect", recovered: int = 0) -> Gap:
    """A recorded gap between two instants after `T0`."""
    return Gap(
        series=TRADES, start_ns=T0 + int(start_s * S), end_ns=T0 + int(end_s * S), rows=rows, cause=cause,
        recovered=recovered,
    )  # fmt: skip


def against(ours: StoredDays, *theirs: Row | None) -> Reconciled:
    """What comes of it when the venue tells these days, and no other was traded on."""
    return reconcile(ours, ToldDays(bars=days(*theirs), known=EVER))


def only(result: Reconciled) -> tuple[str, str, str, int]:
    """Severity, code, message and count of the one finding."""
    (finding,) = result.findings
    assert finding.series == TRADES
    return finding.severity, finding.code, finding.message, finding.count


def test_equal_days_agree() -> None:
    """Days with the same bar, and days on which nobody traded, are no findings; only the former were compared."""
    result = against(stored(PLAIN, None, trades(7)), PLAIN, None, trades(7))
    assert result == Reconciled(findings=(), days=2, agree=2, untold=())


def test_trades_that_are_missing_for_no_reason_are_an_error() -> None:
    """Both counts and the exact difference are told, and nothing else of the day."""
    other = (11 * S, 31 * S, 4 * S, 21 * S, 160_000_000, 1210)
    result = against(stored(PLAIN, PLAIN), other, PLAIN)
    assert only(result) == (
        "error", "venue_count", "1,204 trades here, 1,210 at the venue: 6 are missing", 6,
    )  # fmt: skip
    assert (result.days, result.agree, result.findings[0].day) == (2, 1, DAY)


def test_too_many_trades_are_an_error_whatever_is_recorded() -> None:
    """No hole excuses what the venue never had."""
    result = against(stored(PLAIN, gaps=(gap(0, 5, rows=9),)), trades(1203))
    assert only(result) == ("error", "venue_count", "1,204 trades here, 1,203 at the venue: 1 is too many", 1)


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ((gap(5, 9, rows=6),), "a hole is recorded (disconnect) of 6 trades, which explains it"),
        ((gap(5, 9, rows=4),), "a hole is recorded (disconnect) of 4 trades, which does not explain 2 of them"),
        ((gap(5, 9, cause=NOT_STREAMED),), "a hole is recorded (not streamed), of a size that nobody knows"),
        (
            (gap(-9, 1, rows=2), gap(86_399, 86_402, rows=5, cause=NOT_STORED)),
            "2 holes are recorded (disconnect, not stored) of 7 trades, which explains it",
        ),
    ],
)  # fmt: skip
def test_a_recorded_hole_makes_it_a_warning(gaps: tuple[Gap, ...], said: str) -> None:
    """The message says what is recorded and whether it explains the difference; of holes over midnight both days."""
    result = against(stored(PLAIN, gaps=gaps), trades(1210))
    assert only(result)[0] == "warning"
    assert only(result)[2] == f"1,204 trades here, 1,210 at the venue: 6 are missing; {said}"


def test_what_was_filled_or_is_elsewhere_excuses_nothing() -> None:
    """A gap that was recovered, one of another day, one that was fetched later, a hole of another day: an error."""
    for gaps in ((gap(5, 9, recovered=6),), (gap(86_400, 86_405, rows=6),)):
        assert only(against(stored(PLAIN, gaps=gaps), trades(1210)))[0] == "error"
    ours = attrs.evolve(stored(PLAIN, gaps=(gap(5, 9, rows=6),)), covered=EVER)
    assert only(against(ours, trades(1210)))[0] == "error"
    assert only(against(stored(PLAIN, PLAIN, without=((86_400, 86_500),)), trades(1210), PLAIN))[0] == "error"


def test_the_first_and_the_last_day_may_be_parts() -> None:
    """A day in which storing began or ended is a warning that says when; the days between them are not."""
    ours = stored(PLAIN, PLAIN, PLAIN, without=((0, 25_203), (2 * 86_400 + 64_800, 9 * 86_400)))
    result = against(ours, trades(1210), trades(1210), trades(1210))
    assert [found.severity for found in result.findings] == ["warning", "error", "warning"]
    said = "6 are missing; nothing was stored or fetched from"
    assert result.findings[0].message.endswith(f"{said} 00:00:00 to 07:00:03 UTC")
    assert result.findings[2].message.endswith(f"{said} 18:00:00 to 24:00:00 UTC")
    many = stored(PLAIN, gaps=(gap(0, 9, rows=2),), without=tuple((at, at + 1) for at in range(5, 100, 20)))
    assert only(against(many, trades(1210)))[2].endswith(
        "of 2 trades, which does not explain 4 of them; nothing was stored or fetched from 00:00:25 to 00:00:26, "
        "00:00:45 to 00:00:46, 00:01:05 to 00:01:06 UTC and 1 times more"
    )


def test_a_day_that_only_the_venue_has() -> None:
    """It is an error where it is covered, and else a warning that says what is recorded of it."""
    message = "no trades here, 1,204 trades at the venue"
    result = against(stored(PLAIN, None, PLAIN), PLAIN, PLAIN, PLAIN)
    assert only(result) == ("error", "venue_missing_day", message, 1204)
    result = against(stored(PLAIN, None, PLAIN, without=((86_000, 2 * 86_400 + 5),)), PLAIN, PLAIN, PLAIN)
    assert only(result) == ("warning", "venue_missing_day", f"{message}; nothing was stored or fetched", 1204)
    away = gap(86_399, 2 * 86_400 + 1, cause=NOT_STREAMED)
    result = against(stored(PLAIN, None, PLAIN, gaps=(away,)), PLAIN, PLAIN, PLAIN)
    said = f"{message}; a hole is recorded (not streamed), of a size that nobody knows"
    assert only(result) == ("warning", "venue_missing_day", said, 1204)
    uncounted = against(stored(PLAIN, None, PLAIN), PLAIN, trades(0), PLAIN)
    assert only(uncounted)[2:] == ("no trades here, a volume of 1.5 at the venue", 1)


def test_a_day_that_only_the_store_has() -> None:
    """It is an error where the venue tells every day, and not compared where it does not."""
    result = against(stored(PLAIN, PLAIN, gaps=(gap(5, 9),)), None, PLAIN)
    assert only(result) == ("error", "venue_no_bar", "1,204 trades here, the venue has no bar of the day", 1204)
    told = ToldDays(bars=days(None, PLAIN), known=spans_of([(T0 + 1, T0 + DAY_NS)]))
    assert reconcile(stored(PLAIN, PLAIN), told) == Reconciled(findings=(), days=1, agree=1, untold=(DAY,))
    assert reconcile(stored(PLAIN, None), ToldDays(bars=NO_BARS, known=NO_SPANS)).untold == (DAY,)


def test_prices_of_the_same_trades_must_be_the_same() -> None:
    """Each price that differs is told to the last digit; no hole excuses it."""
    other = (10 * S, 30 * S + 1, 5 * S, 19 * S, 150_000_000, 1204)
    result = against(stored(PLAIN, gaps=(gap(5, 9),)), other)
    said = "high 30 here, 30.000000001 at the venue: 0.000000001 less; close 20 here, 19 at the venue: 1 more"
    assert only(result) == ("error", "venue_price", said, 2)


def test_the_volume_of_the_same_trades_must_be_the_same() -> None:
    """As many trades with another volume are not the same trades."""
    result = against(stored(PLAIN, gaps=(gap(5, 9),)), (*PLAIN[:4], 150_000_001, 1204))
    said = "a volume of 1.5 here, 1.50000001 at the venue: 0.00000001 is missing"
    assert only(result) == ("error", "venue_volume", said, 1)


def test_a_venue_that_counts_no_trades_is_compared_by_volume() -> None:
    """Less is excused by a hole, more is not; prices are compared only where the volume is the same."""
    more, less = (1, 2, 1, 1, 150_000_005, 0), (1, 2, 1, 1, 149_999_995, 0)
    assert against(stored(PLAIN), trades(0)).agree == 1
    said = "a volume of 1.5 here, 1.50000005 at the venue: 0.00000005 is missing"
    assert only(against(stored(PLAIN), more)) == ("error", "venue_volume", said, 1)
    assert only(against(stored(PLAIN, gaps=(gap(5, 9, rows=3),)), more)) == (
        "warning", "venue_volume", f"{said}; a hole is recorded (disconnect) of 3 trades", 1,
    )  # fmt: skip
    result = against(stored(PLAIN, gaps=(gap(5, 9),)), less)
    assert only(result)[2].endswith("0.00000005 is too much")
    assert only(result)[0] == "error"
    assert only(against(stored(PLAIN), (11 * S, *PLAIN[1:5], 0)))[1] == "venue_price"


def test_a_volume_at_the_end_of_its_range_is_not_compared() -> None:
    """It reads "this much or more"; where trades are not counted either, a hole excuses other prices."""
    full = (*PLAIN[:4], MAX_QUANTITY_E8, 1204)
    assert against(stored(full), PLAIN).agree == against(stored(PLAIN), full).agree == 1
    other = (11 * S, *PLAIN[1:4], MAX_QUANTITY_E8, 0)
    assert only(against(stored(full), other))[:2] == ("error", "venue_price")
    assert only(against(stored(full, gaps=(gap(5, 9),)), other))[:2] == ("warning", "venue_price")


def test_bar_records_become_candles() -> None:
    """Whole units of others' publishers are scaled, and end at the end of the range; nobody counted the trades."""
    made = bars([T0, T0 + DAY_NS, T0 + 2 * DAY_NS])
    made["publisher_id"] = [made["publisher_id"][0], 1, 1]
    made["volume"] = [5, 5, 2**63]
    found = candles_of(made)
    assert found["volume"].tolist() == [5, 500_000_000, MAX_QUANTITY_E8]
    assert found["trades"].tolist() == [0, 0, 0]
    for name in ("ts_event", "open", "high", "low", "close"):
        assert found[name].tolist() == made[name].tolist()
    assert len(candles_of(np.empty(0, OHLCV))) == 0


@given(
    offsets=st.lists(st.integers(0, 5 * DAY_NS - 1), min_size=1, max_size=60),
    gone=st.sets(st.integers(0, 59)),
)
def test_what_is_removed_is_what_is_found(offsets: list[int], gone: set[int]) -> None:
    """Of any trades any part may be lost: the days that are told are those that lost some, with just as many."""
    offsets.sort()
    whole = ticks(range(1, len(offsets) + 1), stamps=[T0 + offset for offset in offsets])
    part = whole[[at for at in range(len(whole)) if at not in gone]]
    ours = attrs.evolve(stored(*(PLAIN,) * 5), bars=Timeframe.DAY.bars(part))
    result = reconcile(ours, ToldDays(bars=Timeframe.DAY.bars(whole), known=EVER))
    lost = np.bincount([offsets[at] // DAY_NS for at in gone if at < len(whole)], minlength=5)
    assert {found.day: found.count for found in result.findings} == {
        DAY + day: count for day, count in enumerate(lost.tolist()) if count
    }
    assert result.days - result.agree == np.count_nonzero(lost)
