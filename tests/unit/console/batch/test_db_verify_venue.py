"""`db verify --against-venue` without a venue: what it compares, what it leaves out, what it refuses."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from core.clock import DAY_NS, NS_PER_S, utc_day, wall_ns
from core.model.records import OHLCV, Records, Schema
from core.store.fetched import BOUGHT, CatalogueFetched, Fetched
from core.store.paths import series_directory
from core.store.postgres.store import PostgresTickStore
from core.store.repository import SeriesKey
from tests.conformance.ticks import QUOTES, T0, TRADES, ticks
from tests.unit.console.batch.running import Console, append_all, catalogue_path, fill, ticks_directory

COMPARE = ("db", "verify", "--against-venue")
FUTURES = SeriesKey("GLBX.MDP3", "ESZ6", Schema.TRADES)
BARS = SeriesKey("GLBX.MDP3", "ESZ6", Schema.BARS_1D)
SIMULATED = SeriesKey("SIM.KRAKEN", "BTCUSD", Schema.TRADES)

FETCH = "no daily bars of that are stored; buy them with: fetch --schema ohlcv-1d"


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def bought_trades(days: int, a_day: int = 10) -> Records:
    """So many trades of 3 contracts a day from `T0` on, the first of each at midnight; each costs 1 more."""
    made = np.zeros(days * a_day, Schema.TRADES.dtype)
    number = np.arange(len(made))
    made["length"], made["publisher_id"], made["instrument_id"] = made.dtype.itemsize // 4, 1, 7
    made["ts_event"] = made["ts_recv"] = T0 + number // a_day * DAY_NS + number % a_day * 3600 * NS_PER_S
    made["price"] = (number + 1) * 10**9
    made["size"], made["action"], made["side"] = 3, b"T", b"B"
    return made


def bought_bars(*days: int, a_day: int = 10) -> Records:
    """The daily bars of those trades, of these days after `T0`."""
    made = np.zeros(len(days), OHLCV)
    made["length"], made["rtype"] = OHLCV.itemsize // 4, Schema.BARS_1D.rtype
    made["publisher_id"], made["instrument_id"] = 1, 7
    made["ts_event"] = [T0 + day * DAY_NS for day in days]
    made["open"] = made["low"] = [(day * a_day + 1) * 10**9 for day in days]
    made["close"] = made["high"] = [(day + 1) * a_day * 10**9 for day in days]
    made["volume"] = 3 * a_day
    return made


def test_nothing_stored_is_not_found(console: Console) -> None:
    """An empty store, and a name of which nothing is stored, end with 4 and say what there is."""
    found = console(*COMPARE)
    assert (found.code, "no trades are stored" in found.err) == (4, True)
    fill((TRADES, ticks([1]), 1), (QUOTES, ticks([1], series=QUOTES), 1))
    found = console(*COMPARE, "--venue", "NASDAQ\x1b[2J")
    assert (found.code, "there are some of KRAKEN" in found.err, "\x1b" in found.err) == (4, True, False)
    assert console(*COMPARE, "--symbol", "BTCUSDT").code == 4


@pytest.mark.parametrize(
    "options",
    [
        ("db", "verify", "--venue", "KRAKEN"),
        ("db", "verify", "--simulated"),
        ("db", "verify", "--start", "2025-11-22"),
        (*COMPARE, "--allow-gaps"),
        (*COMPARE, "--start", "2025-11-22 00:00:01", "--end", "2025-11-23 12:00"),
        (*COMPARE, "--start", utc_day(wall_ns())),
        (*COMPARE, "--start", "soon"),
        (*COMPARE, "--venue", "sim.kraken"),
        (*COMPARE, "--venue", "KRAKEN", "--simulated"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(options: tuple[str, ...], console: Console) -> None:
    """Options of the one check with the other, times without a whole day, a venue of the other kind: 2 and a hint."""
    fill((TRADES, ticks([1]), 1), (SIMULATED, ticks([1], series=SIMULATED), 1))
    found = console(*options)
    assert (found.code, "Traceback" in found.err) == (2, False)
    assert len(found.err.splitlines()) == 1 + ("lies in this time" not in found.err)


def test_series_of_simulated_venues_are_left_out(console: Console) -> None:
    """Without --simulated they are counted and not asked, and no venue is."""
    fill((SIMULATED, ticks([1], series=SIMULATED), 1))
    found = console(*COMPARE, "--json")
    assert (found.code, found.json["not_asked"], found.json["venue_days"]) == (0, 1, 0)
    assert "not asked: 1 series of a simulated venue (add --simulated)" in found.err


def test_a_day_that_is_not_over_is_not_compared(console: Console) -> None:
    """What was stored today alone is left out, and no venue is asked."""
    fill((TRADES, ticks([1], stamps=[wall_ns() // DAY_NS * DAY_NS]), 1))
    found = console(*COMPARE)
    assert (found.code, found.out) == (0, "")
    assert "1 series without a day that is over" in found.err


def test_a_simulated_venue_does_not_know_what_it_never_traded(console: Console) -> None:
    """It is started and asked; of days before its newest 720 it tells nothing, which is for information."""
    first_ns = (wall_ns() // DAY_NS - 800) * DAY_NS
    fill((SIMULATED, ticks([1, 2, 3], series=SIMULATED, stamps=[first_ns + each * DAY_NS for each in range(3)]), 3))
    found = console(*COMPARE, "--simulated", "--json")
    (row,) = found.json["rows"]
    assert (found.code, row["severity"], row["code"], row["count"]) == (0, "info", "venue_not_told", 3)
    assert "the venue tells its newest 720 daily bars" in row["message"]


@pytest.mark.parametrize("kind", ["embedded", "postgres"])
def test_a_dataset_is_compared_with_bars_that_were_bought(
    kind: str, console: Console, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days with a stored daily bar agree, lack contracts, or differ in price; of others it says what to fetch."""
    trades = np.delete(bought_trades(5), [14, 15])
    bars = bought_bars(0, 1, 2)
    bars["close"][2] += 1
    batches = (FUTURES, trades, 0), (BARS, bars, 0)
    if kind == "postgres":
        url = request.getfixturevalue("migrated_url")
        monkeypatch.setenv("DATABASE_URL", url)
        with closing(PostgresTickStore(url)) as store:
            append_all(store, *batches)
    else:
        fill(*batches)
    found = console(*COMPARE, "--json")
    assert found.code == 10
    assert (found.json["series"], found.json["venue_days"], found.json["agree"]) == (1, 3, 1)
    assert [(row["severity"], row["code"], row["day"], row["message"]) for row in found.json["rows"]] == [
        ("error", "venue_volume", "2025-11-23", "a volume of 24 here, 30 at the venue: 6 is missing"),
        ("error", "venue_price", "2025-11-24", "close 30 here, 30.000000001 at the venue: 0.000000001 less"),
        (
            "info", "venue_not_told", "2025-11-25",
            f"not compared: 2 days from 2025-11-25 to 2025-11-26: {FETCH}",
        ),
    ]  # fmt: skip
    table = console(*COMPARE, "--end", "2025-11-23")
    assert (table.code, table.out) == (0, "")
    assert "1 of 1 days of 1 series agree: 0 errors, 0 findings" in table.err


def test_what_was_fetched_to_its_end_lacks_nothing(console: Console) -> None:
    """A day in which storing began may be a part until it was fetched; a fetched day has a bar, or no trades."""
    bars = bought_bars(0, 1)
    bars["volume"] += 3
    bars["open"][0] = bars["low"][0] = 2 * 10**9
    fill((FUTURES, bought_trades(3)[1:], 0), (BARS, bars, 0))
    found = console(*COMPARE, "--end", "2025-11-23", "--json")
    assert (found.code, [row["severity"] for row in found.json["rows"]]) == (0, ["warning"])
    assert found.json["rows"][0]["message"].endswith(
        "6 is missing; nothing was stored or fetched from 00:00:00 to 01:00:00 UTC"
    )
    with closing(CatalogueFetched(catalogue_path())) as book:
        book.mark(
            [
                Fetched(series=series, start_ns=T0, end_ns=T0 + days * DAY_NS, rows=0, source=BOUGHT)
                for series, days in ((FUTURES, 1), (BARS, 3))
            ]
        )
    found = console(*COMPARE, "--json")
    assert found.code == 10
    assert [(row["severity"], row["code"], row["day"]) for row in found.json["rows"]] == [
        ("error", "venue_volume", "2025-11-22"),
        ("error", "venue_volume", "2025-11-23"),
        ("error", "venue_no_bar", "2025-11-24"),
    ]


@pytest.mark.parametrize("at", [0, -100])
def test_a_damaged_file_is_an_error(at: int, console: Console) -> None:
    """Whether its head or a record cannot be read, the series is told and the others are compared."""
    fill((FUTURES, bought_trades(1), 0), (BARS, bought_bars(0), 0), (QUOTES, ticks([1], series=QUOTES), 1))
    other = SeriesKey("GLBX.MDP3", "NQZ6", Schema.TRADES)
    fill((other, bought_trades(1), 0))
    assert console("db", "compress").code == 0
    (seal,) = series_directory(ticks_directory(), other).iterdir()
    content = bytearray(seal.read_bytes())
    content[at] ^= 1
    seal.write_bytes(content)
    found = console(*COMPARE, "--json")
    assert (found.code, found.json["agree"]) == (10, 1)
    (row,) = found.json["rows"]
    assert (row["symbol"], row["code"], row["severity"]) == ("NQZ6", "damaged", "error")
