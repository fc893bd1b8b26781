"""What is left to fetch, by the real routing and what a store says of itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path

import attrs
import pytest

from config.schema import Settings
from console.backfill.plan import (
    CLOSED,
    LEFT,
    PARTIAL,
    STORED,
    Decide,
    Planned,
    Price,
    Wish,
    make_plan,
    narrowed,
    total_price,
    with_conditions,
    without_pending,
)
from console.routing import decide_for
from core.clock import DAY_NS, NS_PER_S, parse_rfc3339_ns
from core.errors import NotFoundError, UsageError
from core.model.records import Schema
from core.store.catalogue import Catalogue
from core.store.coverage import SeriesFacts
from core.store.coverage_facts import days_by_series, facts_of
from core.store.embedded import EmbeddedTickStore
from core.store.fetched import BOUGHT, CatalogueFetched, Fetched
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from tests.conformance.ticks import T0, TRADES, ticks

FUTURES = SeriesKey("GLBX.MDP3", "ESH5", Schema.TRADES)
HOUR_NS = 3600 * NS_PER_S
NOW_NS = parse_rfc3339_ns("2024-02-01T10:30:30Z")
THURSDAY_NS = parse_rfc3339_ns("2024-01-04T00:00:00Z")


def on(exchange: str) -> Decide:
    """The routing as it is without any settings."""
    return partial(decide_for, Settings(), exchange=exchange)


def nothing(series: SeriesKey) -> SeriesFacts:
    """What an empty store says."""
    return SeriesFacts(series=series)


def bought(*hours: tuple[int, int]) -> Callable[[SeriesKey], SeriesFacts]:
    """What a store says that bought ES from these hours to those, counted from Thursday."""
    told = [(THURSDAY_NS + start * HOUR_NS, THURSDAY_NS + end * HOUR_NS) for start, end in hours]
    fetched = [Fetched(series=FUTURES, start_ns=start, end_ns=end, rows=0, source=BOUGHT) for start, end in told]
    return lambda series: SeriesFacts(series=series, fetched=tuple(one for one in fetched if one.series == series))


def wish(
    *symbols: str, schema: Schema = Schema.TRADES, start_ns: int = THURSDAY_NS, end_ns: int, **more: bool
) -> Wish:
    """What is asked for."""
    return Wish(symbols=symbols, schema=schema, start_ns=start_ns, end_ns=end_ns, **more)


def states(planned: Planned) -> list[str]:
    """The state of each day."""
    return [day.state for day in planned.days]


def hours(planned: Planned) -> list[list[float]]:
    """What is left, in hours from Thursday."""
    return [[(instant - THURSDAY_NS) / HOUR_NS for instant in span] for span in planned.spans.tolist()]


def test_days_are_stored_partial_left_or_closed() -> None:
    """Hours in which the market is closed are neither missing nor a reason to ask twice: one piece is left."""
    # Bought: Thursday, half of Friday, and Monday but for the hour in which Globex rests.
    facts = bought((0, 36), (96, 118), (119, 120))
    (planned,) = make_plan(wish("ESH5", end_ns=THURSDAY_NS + 5 * DAY_NS), on("CME"), facts, now_ns=NOW_NS)
    assert (planned.problem, planned.clamped, planned.series) == (None, (), FUTURES)
    assert planned.calendar is not None
    assert planned.calendar.name == "CMES"
    assert states(planned) == [STORED, PARTIAL, CLOSED, LEFT, STORED]
    assert hours(planned) == [[36, 96]]
    assert (planned.count(STORED, PARTIAL), planned.count(CLOSED)) == (3, 1)


def test_what_was_followed_live_is_not_fetched(tmp_path: Path) -> None:
    """Between the first and the last record of a real store nothing is left; before and behind them everything."""
    with (
        closing(Catalogue(tmp_path / "catalogue.sqlite3")) as catalogue,
        closing(EmbeddedTickStore(tmp_path / "ticks", catalogue)) as store,
        closing(CatalogueFetched(tmp_path / "catalogue.sqlite3")) as fetched,
    ):
        stamps = [T0 + hour * HOUR_NS for hour in (0, 9, 18, 24, 36)]
        store.append(TRADES, ticks(range(1, 6), stamps=stamps), 5)
        store.sync()

        def facts(series: SeriesKey) -> SeriesFacts:
            known = days_by_series(catalogue.day_rows())
            return facts_of(EmbeddedHistory(tmp_path / "ticks"), catalogue, fetched, [series], known=known)[0]

        asked = wish("BTCUSD", start_ns=T0 - DAY_NS, end_ns=T0 + 2 * DAY_NS)
        (planned,) = make_plan(asked, on("KRAKEN"), facts, now_ns=T0 + 9 * DAY_NS)
        assert planned.series == TRADES
        assert states(planned) == [LEFT, STORED, PARTIAL]
        assert planned.spans.tolist() == [[T0 - DAY_NS, T0], [T0 + 36 * HOUR_NS + 1, T0 + 2 * DAY_NS]]
        done = Fetched(series=TRADES, start_ns=T0 - DAY_NS, end_ns=T0 + 2 * DAY_NS, rows=0, source=BOUGHT)
        fetched.mark([done])
        assert states(narrowed(planned, facts, start_ns=0, end_ns=T0 + 3 * DAY_NS)) == [STORED] * 3


@pytest.mark.parametrize(
    ("schema", "end"),
    [
        (Schema.TRADES, "2024-02-01T10:29:30Z"),
        (Schema.BARS_1M, "2024-02-01T10:29:00Z"),
        (Schema.BARS_1H, "2024-02-01T10:00:00Z"),
        (Schema.BARS_1D, "2024-02-01T00:00:00Z"),
    ],
)
def test_what_is_not_over_is_left_out(schema: Schema, end: str) -> None:
    """The last minute, in which trades may come late, and a bar that still grows; and it is said. Up to there all is
    wanted, and nothing is said."""
    end_ns = parse_rfc3339_ns(end)
    (planned,) = make_plan(wish("BTCUSD", schema=schema, end_ns=NOW_NS), on("BINANCE"), nothing, now_ns=NOW_NS)
    assert (planned.end_ns, planned.clamped) == (end_ns, ("what is not over yet is left out",))
    assert planned.spans.tolist() == [[THURSDAY_NS, end_ns]]
    (planned,) = make_plan(wish("BTCUSD", schema=schema, end_ns=end_ns), on("BINANCE"), nothing, now_ns=NOW_NS)
    assert (planned.end_ns, planned.clamped) == (end_ns, ())
    growing = wish("BTCUSD", schema=schema, start_ns=end_ns, end_ns=NOW_NS)
    (planned,) = make_plan(growing, on("BINANCE"), nothing, now_ns=NOW_NS)
    assert isinstance(planned.problem, NotFoundError)
    assert not len(planned.spans)


def test_the_future_has_no_history() -> None:
    """A range that begins now, or later, is refused as a whole."""
    with pytest.raises(UsageError, match="lies in the future"):
        make_plan(wish("BTCUSD", start_ns=NOW_NS, end_ns=NOW_NS + 1), on("BINANCE"), nothing, now_ns=NOW_NS)


def test_a_symbol_without_a_plan_does_not_keep_the_others_from_theirs() -> None:
    """In the order of the symbols, each with its own problem; what a venue does not tell afterwards is one."""
    asked = wish("ESH5", "?", "NQH5", end_ns=THURSDAY_NS + DAY_NS)
    plans = make_plan(asked, on("CME"), nothing, now_ns=NOW_NS)
    assert [planned.symbol for planned in plans] == ["ESH5", "?", "NQH5"]
    assert [planned.problem is None for planned in plans] == [True, False, True]
    assert (plans[1].series, plans[1].route, plans[1].days) == (None, None, ())
    for schema in (Schema.QUOTES, Schema.BARS_1S):
        untold = wish("BTCUSD", schema=schema, end_ns=THURSDAY_NS + DAY_NS)
        (planned,) = make_plan(untold, on("BINANCE"), nothing, now_ns=NOW_NS)
        assert isinstance(planned.problem, UsageError)
        assert planned.series is None


@pytest.mark.parametrize(
    ("exchange", "symbol", "venue"), [("BINANCE", "BTCUSD", "SIM.BINANCE"), ("CME", "ESH5", "SIM.DATABENTO")]
)
def test_what_is_practised_is_a_series_of_its_own(exchange: str, symbol: str, venue: str) -> None:
    """The simulated venue's history is kept apart from the real one's, and never taken for it."""
    asked = wish(symbol, end_ns=THURSDAY_NS + DAY_NS, simulated=True)
    (planned,) = make_plan(asked, on(exchange), bought((0, 24)), now_ns=NOW_NS)
    assert planned.series == SeriesKey(venue, symbol, Schema.TRADES)
    assert states(planned) == [LEFT]


def test_a_plan_can_be_made_narrower_only() -> None:
    """What a source has less of is said, and the days are those of what remains; more than was asked for is not."""
    asked = wish("ESH5", end_ns=THURSDAY_NS + 2 * DAY_NS)
    (planned,) = make_plan(asked, on("CME"), bought((0, 12)), now_ns=NOW_NS)
    since_ns = THURSDAY_NS + DAY_NS
    less = narrowed(planned, bought((0, 12)), start_ns=since_ns, end_ns=NOW_NS, why="begins on Friday")
    assert (less.start_ns, less.end_ns, less.clamped) == (since_ns, asked.end_ns, ("begins on Friday",))
    assert (states(planned), states(less)) == ([PARTIAL, LEFT], [LEFT])
    assert narrowed(less, nothing, start_ns=0, end_ns=NOW_NS).start_ns == since_ns


def test_the_venue_s_word_is_kept_by_its_day() -> None:
    """A day of which it says nothing has none, a word on a day outside is dropped, and nothing else changes."""
    (planned,) = make_plan(wish("ESH5", end_ns=THURSDAY_NS + 2 * DAY_NS), on("CME"), nothing, now_ns=NOW_NS)
    told = with_conditions(planned, {"2024-01-05": "degraded", "2024-01-06": "missing"})
    assert [day.condition for day in told.days] == [None, "degraded"]
    assert states(told) == states(planned)


def test_a_day_that_the_venue_has_not_finished_waits() -> None:
    """It is taken out of what is left, and that is said; where such a day is stored nothing changes."""
    pending = {"2024-01-05": "pending", "2024-01-06": "available"}
    asked = wish("ESH5", end_ns=THURSDAY_NS + 5 * DAY_NS)
    (planned,) = make_plan(asked, on("CME"), nothing, now_ns=NOW_NS)
    told = without_pending(with_conditions(planned, pending))
    assert hours(told) == [[0, 24], [48, 120]]
    assert told.clamped == ("days that the venue has not finished are left out",)
    (planned,) = make_plan(asked, on("CME"), bought((24, 48)), now_ns=NOW_NS)
    assert without_pending(with_conditions(planned, pending)).clamped == ()


def test_the_price_of_several_is_their_sum() -> None:
    """A symbol with a problem costs nothing; where one has no price nobody knows the whole, and what one does not
    count is not counted."""
    asked = wish("ESH5", "?", "NQH5", end_ns=THURSDAY_NS + DAY_NS)
    first, problem, second = make_plan(asked, on("CME"), nothing, now_ns=NOW_NS)
    cheap = attrs.evolve(first, price=Price(usd=Decimal("0.10"), records=3, size_bytes=9, bought=True))
    dear = attrs.evolve(second, price=Price(usd=Decimal("0.20"), records=4, size_bytes=None))
    assert total_price([cheap, problem, dear]) == Price(usd=Decimal("0.30"), records=7, size_bytes=None)
    assert total_price([cheap, problem]) == cheap.price
    assert total_price([cheap, problem, second]) is None
    assert total_price([problem]) is None
    assert total_price([]) is None
