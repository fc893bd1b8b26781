"""Files for other programs, read back by those programs."""

from __future__ import annotations

import csv
import errno
import importlib
import io
import os
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.clock import DAY_NS
from core.errors import ConsoleError, NotFoundError, RefusedError, TransientError
from core.model.fixedpoint import quantities_e8
from core.model.instruments import Instrument, Product
from core.model.records import UNDEF_PRICE, UNDEF_TIMESTAMP, Records, Schema
from core.store.aside import written_aside
from core.store.exporting import write_csv, write_dbn, write_parquet, zstandard_file
from core.store.paging import Range, pages
from core.store.repository import Numbered, SeriesKey
from tests.conformance.ticks import BOOKS, QUOTES, T0, TRADES, ticks
from tests.unit.core.store.memory import MemoryStore
from tests.unit.core.store.test_lots import with_quantities

BARS = SeriesKey("KRAKEN", "BTCUSD", Schema.BARS_1M)
FOREIGN = SeriesKey("GLBX.MDP3", "ESH1", Schema.TRADES)


def everything(series: SeriesKey = TRADES) -> Range:
    """A range that holds all there is."""
    return Range(series=series, start_ns=0, end_ns=2**63 - 1)


def instrument(increment_e8: int) -> Instrument:
    """BTCUSD on KRAKEN with this step."""
    return Instrument(
        venue="KRAKEN", symbol="BTCUSD", venue_symbol="BTC/USD", canonical="BTCUSD", base="BTC", quote="USD",
        settle="USD", product=Product.SPOT, price_decimals=1, quantity_decimals=8, price_increment_e9=10**8,
        quantity_increment_e8=increment_e8,
    )  # fmt: skip


def stored(records: Records, *, series: SeriesKey = TRADES, first_id: int = 1) -> MemoryStore:
    """A store with these records, numbered from `first_id`."""
    store = MemoryStore()
    store.put(series, records, np.arange(first_id, first_id + len(records), dtype=np.int64))
    return store


def exported(write: Any, store: MemoryStore, wanted: Range, **options: Any) -> bytes:
    """What an export writes."""
    file = io.BytesIO()
    write(store, wanted, file, **options)
    return file.getvalue()


def opened(content: bytes) -> Any:
    """A DBN file as Databento's client reads it."""
    import databento

    return databento.DBNStore.from_bytes(content)


def frame_of(content: bytes) -> Any:
    """The same as a table, with symbols."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Databento's client is behind pandas
        return opened(content).to_df()


def test_databento_reads_an_export_and_sums_it() -> None:
    """Sizes times the lot are the quantities, trades beyond 32 bits included; symbols, times and prices are right."""
    trades = with_quantities([150_000, 42_950_00000000, 70_000])
    store = stored(trades, first_id=2**40)
    content = exported(write_dbn, store, everything(), instrument=instrument(10_000))
    found = opened(content)
    assert found.mappings["size_exp=-4"] == []
    assert found.mappings[f"first_trade_id={2**40}"] == []
    frame = frame_of(content)
    assert set(frame["symbol"]) == {"BTCUSD"}
    assert sum(Decimal(int(size)).scaleb(-4) for size in frame["size"]) == Decimal("42950.0022")
    assert found.to_ndarray()["ts_event"].tolist() == trades["ts_event"].tolist()
    fine = exported(write_dbn, store, everything(), instrument=instrument(1))
    frame = frame_of(fine)
    assert sum(int(size) for size in frame["size"]) == int(quantities_e8(trades).sum())
    assert len(frame) == 3 + 1000


def test_a_step_that_is_too_coarse_is_not_believed() -> None:
    """When something finer than the instrument's step was traded, lots are of 1e-8 and nothing is rounded."""
    store = stored(with_quantities([10_000, 5]))
    file = io.BytesIO()
    assert write_dbn(store, everything(), file, instrument=instrument(10_000)).size_exp == -8
    assert write_dbn(store, everything(), file).size_exp == -8


def test_raw_and_foreign_records_are_as_they_are_stored() -> None:
    """With `raw`, and of Databento's own publishers, the bytes of the records are those of the store."""
    trades = with_quantities([1, 2**40])
    content = exported(write_dbn, stored(trades), everything(), raw=True)
    assert content.endswith(trades.tobytes())
    assert b"quantity_scale=1e-8" in content
    vendor = trades.copy()
    vendor["publisher_id"] = 1
    content = exported(write_dbn, stored(vendor, series=FOREIGN, first_id=0), everything(FOREIGN))
    assert content.endswith(vendor.tobytes())
    assert b"size_exp" not in content


def test_the_days_of_an_instrument_are_its_symbol_mapping() -> None:
    """An instrument that changed its number is found under the symbol on each of its days."""
    trades = ticks([1, 2, 3], stamps=[T0 + 5, T0 + DAY_NS + 5, T0 + 2 * DAY_NS + 5])
    trades["ts_recv"] = trades["ts_event"]
    trades["instrument_id"] = [7, 7, 2**32 - 1]
    frame = frame_of(exported(write_dbn, stored(trades), everything()))
    assert frame["symbol"].tolist() == ["BTCUSD"] * 3


@pytest.mark.parametrize("series", [TRADES, QUOTES, BOOKS, BARS])
def test_parquet_has_exact_numbers(series: SeriesKey, tmp_path: Path) -> None:
    """Every column of every schema comes back as the decimal it is, over the whole range; a missing price is null."""
    parquet = importlib.import_module("pyarrow.parquet")
    store = stored(extremes(series), series=series)
    (tmp_path / "a.parquet").write_bytes(exported(write_parquet, store, everything(series)))
    table = parquet.read_table(tmp_path / "a.parquet")
    rows = table.to_pylist()
    assert table.schema.metadata[b"venue"] == series.venue.encode()
    assert str(table.schema.field("ts_event").type) == "timestamp[ns, tz=UTC]"
    price = "close" if series is BARS else "price"
    assert [row[price] for row in rows] == [Decimal("-9223372036.854775807"), None, Decimal("0.000000001")]
    quantity = "volume" if series is BARS else "quantity"
    assert [row[quantity] for row in rows] == [Decimal("92233720368.54775807"), 0, Decimal("0.00000001")]
    if series in {QUOTES, BOOKS}:
        assert [row["bid_quantity_00"] for row in rows] == [row["quantity"] for row in rows]
        assert ("ask_price_09" in rows[0]) == (series is BOOKS)


def extremes(series: SeriesKey) -> Records:
    """Three records with the lowest price, none and the smallest; the largest quantity, none and the smallest."""
    quantities = [2**63 - 1, 0, 1]
    prices_e9 = [-(2**63) + 1, UNDEF_PRICE, 1]
    if series is BARS:
        bars = np.zeros(3, Schema.BARS_1M.dtype)
        bars["length"], bars["rtype"], bars["publisher_id"] = 14, Schema.BARS_1M.rtype, 61_441
        bars["ts_event"] = [T0, T0 + 1, T0 + 2]
        bars["close"], bars["volume"] = prices_e9, quantities
        return bars
    made = with_quantities(quantities, series=series)
    made["price"] = prices_e9
    return made


def test_csv_loses_nothing() -> None:
    """Instants are whole nanoseconds beside RFC 3339, numbers decimals in full, ids 64 bits wide, none is empty."""
    trades = with_quantities([12_345, 2**63 - 1])
    trades["price"] = [42_150_100_000_000, UNDEF_PRICE]
    trades["side"] = [b"B", b"N"]
    trades["ts_recv"][1] = UNDEF_TIMESTAMP
    content = exported(write_csv, stored(trades, first_id=2**40), everything()).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert rows[0] == {
        "time": "2025-11-22T00:00:00.000001000Z", "ts_event": str(T0 + 1000), "ts_recv": str(T0 + 5_001_000),
        "price": "42150.1", "quantity": "0.00012345", "side": "buy", "trade_id": str(2**40), "flags": "128",
    }  # fmt: skip
    assert (rows[1]["price"], rows[1]["ts_recv"], rows[1]["side"]) == ("", "", "")
    assert rows[1]["quantity"] == "92233720368.54775807"


def test_a_foreign_quote_has_its_counts_and_whole_units() -> None:
    """Of Databento's publishers sizes are whole and levels say how many orders there are."""
    quotes = ticks([1], series=QUOTES)
    quotes["publisher_id"], quotes["bid_sz_00"], quotes["bid_ct_00"] = 1, 12, 3
    series = SeriesKey("GLBX.MDP3", "ESH1", Schema.QUOTES)
    (row,) = csv.DictReader(
        io.StringIO(exported(write_csv, stored(quotes, series=series), everything(series)).decode())
    )
    assert (row["bid_quantity_00"], row["bid_count_00"]) == ("12", "3")


@pytest.mark.parametrize("write", [write_dbn, write_csv, write_parquet])
def test_nothing_in_a_time_is_an_error_and_no_file(write: Any, tmp_path: Path) -> None:
    """An empty range ends with 'nothing to export', and what was begun is removed."""
    store = stored(ticks([1, 2]))
    path = tmp_path / "a"
    with pytest.raises(NotFoundError, match="nothing to export"), written_aside(path, replace=False) as file:
        write(store, Range(series=TRADES, start_ns=0, end_ns=5), file)
    assert list(tmp_path.iterdir()) == []


def test_what_changes_meanwhile_is_noticed() -> None:
    """Records that come while a DBN file is written and do not fit its header end the export."""
    store = stored(with_quantities([10_000]))

    def interfere(_fraction: float, _rows: int) -> None:
        store.put(TRADES, with_quantities([10_000, 5]))

    with pytest.raises(TransientError, match="meanwhile"):
        exported(write_dbn, store, everything(), instrument=instrument(10_000), progress=interfere)


def test_a_file_is_replaced_only_when_told_and_only_when_whole(tmp_path: Path) -> None:
    """An existing file stays as it is unless forced, and also when the new one fails half way."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def write(*, replace: bool, error: type[BaseException] | None = None) -> None:
        with written_aside(path, replace=replace) as file:
            file.write(b"new")
            if error is not None:
                raise error

    with pytest.raises(RefusedError, match="overwrite"):
        write(replace=False)
    with pytest.raises(KeyboardInterrupt):
        write(replace=True, error=KeyboardInterrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_bytes() == b"old"
    with written_aside(path, replace=True) as file:
        file.write(b"mine")
        with pytest.raises(RefusedError, match="another process"):
            write(replace=True)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["missing/a.csv", ""])
def test_a_place_that_cannot_be_written_is_an_error_in_words(name: str, tmp_path: Path) -> None:
    """A directory that is not there, or that is named itself, ends in a console error."""
    with pytest.raises(ConsoleError), written_aside(tmp_path / name, replace=True):
        pytest.fail("not reached")


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    """No space left is an error that says to make room, and nothing stays behind."""
    with pytest.raises(ConsoleError, match="No space left") as caught, written_aside(tmp_path / "a", replace=True):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.hint == "make room"
    assert list(tmp_path.iterdir()) == []


def test_compressed_files_are_read_by_databento() -> None:
    """A `.dbn.zst` is what Databento's client takes it for."""
    store, packed = stored(ticks(range(1, 500))), io.BytesIO()
    with zstandard_file(packed) as file:
        write_dbn(store, everything(), file)
    assert len(opened(packed.getvalue()).to_ndarray()) == 499


def test_pages_hold_every_record_once() -> None:
    """Whatever the pages, together they are the range; days without records are not asked for."""
    stamps = [T0 + number * 600 * 10**9 for number in range(300)] + [T0 + 400 * DAY_NS + 1]
    store = stored(ticks(range(1, 302), stamps=stamps))
    asked: list[int] = []
    plain = store.read_numbered

    def counted(series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        asked.append(start_ns)
        return plain(series, start_ns, end_ns)

    store.read_numbered = counted  # type: ignore[method-assign]
    wanted = Range(series=TRADES, start_ns=T0 + 1, end_ns=2**63 - 1)
    found = list(pages(store, wanted))
    assert np.concatenate([page.numbered.ids for page in found]).tolist() == list(range(2, 302))
    assert found[-1].fraction == 1.0
    assert len(asked) < 40
