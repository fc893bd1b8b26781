"""`backtest` from the command line: what it prints and writes, how it ends, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.bars.history import bar_series
from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.model.records import Schema
from core.store.postgres.books import PostgresBooks
from core.store.postgres.store import PostgresTickStore
from core.store.repository import SeriesKey
from tests.architecture.test_cold_start import HEAVY, loaded_by
from tests.conformance.ticks import T0
from tests.unit.console.backtests.trading import (
    HOUR_NS,
    RUN,
    SERIES,
    bitcoin,
    books,
    foreign_file,
    stored,
    walk,
)
from tests.unit.console.batch.running import Console, Done, append_all, fill, home


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def strictly(found: Done) -> Any:
    """What was printed, as JSON that has no NaN and no infinity."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert found.code == 0, found.err
    return json.loads(found.out, parse_constant=refuse)


def settings(text: str) -> None:
    """Write this test's settings."""
    path = home() / "config" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_result_says_everything(console: Console) -> None:
    """The parts are there, money adds up exactly, and each trade lies after the close of a bar."""
    records = stored()
    found = strictly(console(*RUN, "--json"))
    assert (found["schema_version"], found["kind"]) == (1, "backtest")
    assert found["strategy"]["parameters"] == {"short": 3, "long": 8}
    assert found["instrument"]["assumed"] is False
    assert (found["data"]["rows"], found["data"]["first_ns"]) == (len(records), T0)
    assert (found["execution"]["taker_ppm"], found["execution"]["fees_origin"]) == (4000, "KRAKEN first tier")
    metrics = found["metrics"]
    assert metrics["trades"] > 5
    gained = Decimal(metrics["realised"]) + Decimal(metrics["unrealised"]) - Decimal(metrics["fees"])
    assert Decimal(metrics["final"]) == Decimal(metrics["initial"]) + gained
    assert found["account"]["final"] == metrics["final"]
    assert sum(Decimal(trade["profit"]) for trade in found["trades"]) == gained
    closes = bar_series(Ticks.of_records(records), BarType(), BarDataMode.ON_CLOSE_BAR).ts_ns.tolist()
    stamps = records["ts_event"].tolist()
    for trade in found["trades"]:
        at = stamps.index(trade["entry_ns"])
        assert any(stamps[at - 1] < close <= trade["entry_ns"] for close in closes)


def test_the_curve_is_short_and_keeps_its_extremes(console: Console) -> None:
    """At most a thousand points; the lowest drawdown of them is that among the figures."""
    stored(20_000)
    found = strictly(console(*RUN, "--json"))
    curve = found["equity"]
    assert 100 < len(curve["ts_ns"]) <= 1000
    assert {len(values) for values in curve.values()} == {len(curve["ts_ns"])}
    assert curve["ts_ns"] == sorted(curve["ts_ns"])
    assert max(curve["drawdown"]) <= 0
    assert min(curve["drawdown"]) == pytest.approx(found["metrics"]["max_drawdown"], abs=1e-4)


def test_orders_and_fills_are_there_when_asked_for(console: Console) -> None:
    """Only with `--trades`; each fill belongs to an order and comes after it."""
    stored()
    assert "fills" not in strictly(console(*RUN, "--json"))
    found = strictly(console(*RUN, "--json", "--trades"))
    orders = {order["number"]: order for order in found["orders"]}
    assert len(found["fills"]) == found["metrics"]["fills"] > 0
    assert all(fill["ts_ns"] >= orders[fill["order"]]["given_ns"] for fill in found["fills"])


def test_twice_the_same_command_is_twice_the_same(console: Console) -> None:
    """All but the time it took, down to the hashes."""
    stored()
    first, second = (strictly(console(*RUN, "--json", "--trades")) for _ in range(2))
    del first["took_s"], second["took_s"]
    assert first == second


def test_both_forms_bring_the_same(console: Console) -> None:
    """Asked event by event a strategy brings what it brings when it answers all at once."""
    stored()
    arrays, events = strictly(console(*RUN, "--json")), strictly(console(*RUN, "--json", "--events"))
    assert (arrays["strategy"]["form"], events["strategy"]["form"]) == ("array", "events")
    assert arrays["fingerprint"] == events["fingerprint"]


def test_people_get_a_summary(console: Console) -> None:
    """Figures, the last trades, the rule of fills, warnings and the fingerprint, without control characters."""
    stored()
    found = console(*RUN)
    assert found.code == 0
    for part in ("sma on BTCUSD of KRAKEN", "total return", "the first trade after the event", "fingerprint "):
        assert part in found.out
    assert "\x1b" not in found.out


def test_other_formats_print_trades_or_one_line(console: Console, tmp_path: Path) -> None:
    """CSV has a row a trade and is what a file of it holds, NDJSON the whole result on one line."""
    stored()
    printed = console(*RUN, "--format", "csv", "--out", str(tmp_path / "a.csv")).out
    rows = list(csv.DictReader(io.StringIO(printed)))
    line = json.loads(console(*RUN, "--format", "ndjson").out)
    assert [row["profit"] for row in rows] == [trade["profit"] for trade in line["trades"]]
    assert printed == (tmp_path / "a.csv").read_text()


def test_files_are_written_whole_and_never_over_others(console: Console, tmp_path: Path) -> None:
    """JSON, CSV and HTML at once; a second time only with --force; other kinds are refused before anything is run."""
    stored()
    paths = [tmp_path / name for name in ("a.json", "a.csv", "a.html")]
    out = [word for path in paths for word in ("--out", str(path))]
    found = strictly(console(*RUN, "--json", *out))
    assert json.loads(paths[0].read_text()) == found
    assert len(paths[1].read_text().splitlines()) == len(found["trades"]) + 1
    assert paths[2].read_text().startswith("<!DOCTYPE html>")
    assert console(*RUN, *out).code == 8
    assert console(*RUN, *out, "--force").code == 0
    assert console(*RUN, "--out", str(tmp_path / "a.pdf")).code == 2
    assert console(*RUN, "--out", str(tmp_path / "none" / "a.csv")).code == 4
    assert console(*RUN, "--out", str(tmp_path / "b.csv"), "--out", str(tmp_path / "b.csv")).code == 2
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["a.csv", "a.html", "a.json"]


def test_verifying_runs_it_twice(console: Console) -> None:
    """From scratch and in both forms; the same is exit code 0."""
    stored()
    found = strictly(console(*RUN, "--verify", "--json"))
    assert found["same"]
    assert found["forms"] == ["array", "events"]
    assert "the same" in console(*RUN, "--verify").out


def test_a_written_result_can_be_verified(console: Console, tmp_path: Path) -> None:
    """The same today as then; with more data, another figure in the file or other options it says what differs."""
    stored(2000)
    path = tmp_path / "a.json"
    assert console(*RUN, "--taker", "0.1%", "--out", str(path)).code == 0
    assert console("backtest", "--verify", str(path)).code == 0
    refused = console("backtest", "--verify", str(path), "--taker", "0.2%")
    assert (refused.code, "--taker" in refused.err) == (2, True)
    document = json.loads(path.read_text())
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(document | {"metrics": document["metrics"] | {"final": "1000000"}}))
    found = console("backtest", "--verify", str(changed), "--json")
    assert (found.code, found.json["differ"]) == (10, [])
    assert found.json["differences"][0].startswith("final: 1000000 -> ")
    changed.write_text(json.dumps(document | {"command": document["command"].replace("0.1%", "0.2%")}))
    found = console("backtest", "--verify", str(changed), "--json")
    assert (found.code, found.json["differ"]) == (10, ["config", "result"])
    fill((SERIES, walk(2500)[2000:], 2500))
    found = console("backtest", "--verify", str(path), "--json")
    assert found.code == 10
    assert found.json["differ"] == ["data", "result"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"kind": "backtest"}', "[" * 100_000, '{"kind": "backtest", "schema_version": 1}',
     '{"kind":"backtest","schema_version":1,"command":"rm -rf /","fingerprint":{},"metrics":{},"strategy":{}}',
     '{"kind":"backtest","schema_version":1,"command":7,"fingerprint":{},"metrics":{},"strategy":{}}'],
)  # fmt: skip
def test_what_is_no_result_is_refused(content: str, console: Console, tmp_path: Path) -> None:
    """Junk, other documents and other commands end with an error in words."""
    path = tmp_path / "a.json"
    path.write_text(content)
    found = console("backtest", "--verify", str(path))
    assert found.code in {1, 2}
    assert found.err.startswith("ringside: ")
    assert console("backtest", "--verify", str(tmp_path / "none.json")).code == 4


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--strategy", "nothing", "--symbol", "BTCUSD"), 4),
        (("--strategy", "sma"), 2),
        (("--symbol", "BTCUSD"), 2),
        (("--strategy", "sma", "--symbol", "ETHUSD"), 4),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--venue", "BINANCE"), 4),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--start", "2026-01-01"), 4),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--param", "short=30"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--param", "no=1"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--bars", "2m"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--shorts"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--account", "none"), 4),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--balance", "0"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--balance", "5000EUR"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--taker=-1%"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--latency", "soon"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--timeout", "nan"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--seed", "-1"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--depth"), 4),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--depth", "--data", "x.dbn"), 2),
        (("--strategy", "sma", "--data", "none.dbn"), 4),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--preview", "--verify"), 2),
        (("--strategy", "sma", "--symbol", "BTCUSD", "--preview", "--out", "a.json"), 2),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], code: int, console: Console) -> None:
    """Each with its exit code, in words, without a traceback, and as an object in JSON."""
    stored(50)
    found = console("backtest", *words)
    assert found.code == code, found.err
    assert found.err.startswith("ringside: ")
    assert set(console("backtest", *words, "--json").json) == {"error"}


def test_accounts_of_the_settings_are_used(console: Console) -> None:
    """The one that names the strategy, or the one asked for; one in another currency is refused with a hint."""
    stored()
    settings(
        '[[accounts.simulation]]\nid = "SMA"\ncurrency = "USD"\ninitial_balance = "777"\nstrategies = ["sma"]\n'
        '[[accounts.simulation]]\nid = "EURO"\ncurrency = "EUR"\ninitial_balance = "5"\n'
    )
    assert strictly(console(*RUN, "--json"))["account"]["initial"] == "777"
    assert strictly(console(*RUN, "--account", "DEFAULT", "--json"))["account"]["initial"] == "100000"
    assert strictly(console(*RUN, "--balance", "50", "--json"))["account"]["initial"] == "50"
    found = console(*RUN, "--account", "EURO")
    assert found.code == 2
    assert "settled in USD" in found.err


def test_costs_make_it_worse(console: Console) -> None:
    """Slippage against the run without it; latency is told; the seed decides jitter and nothing else."""
    stored()
    plain = strictly(console(*RUN, "--json"))
    slipped = strictly(console(*RUN, "--slippage", "0.1%", "--json"))
    assert Decimal(slipped["metrics"]["final"]) < Decimal(plain["metrics"]["final"])
    late = strictly(console(*RUN, "--latency", "7s", "--json"))
    assert late["execution"]["latency_ns"] == 7_000_000_000
    assert late["trades"][0]["entry_ns"] > plain["trades"][0]["entry_ns"]
    seeded = [strictly(console(*RUN, "--jitter", "60s", "--seed", seed, "--json")) for seed in ("1", "1", "2")]
    results = [one["fingerprint"]["result_sha256"] for one in seeded]
    assert results[0] == results[1] != results[2]


def test_orders_that_are_never_filled_are_warned_of(console: Console) -> None:
    """Those that arrive only after the last trade bring nothing, and the result says why."""
    stored(300)
    found = strictly(console(*RUN, "--latency", "1500s", "--json"))
    assert (found["metrics"]["fills"], found["metrics"]["trades"]) == (0, 0)
    assert found["metrics"]["orders"] > 0
    assert any("no order was ever filled" in one for one in found["warnings"])


def test_the_end_of_a_range_closes_the_last_bar(console: Console) -> None:
    """Where the data goes on the bar before `--end` is complete; where it ends nobody knows."""
    stored(4000)
    hour = np.datetime_as_string(np.datetime64(T0 + HOUR_NS, "ns"), unit="s")
    data = strictly(console(*RUN, "--end", f"{hour}Z", "--json"))["data"]
    assert (data["bars"], data["rows"]) == (60, 720)
    assert strictly(console(*RUN, "--end", "2026-06-01", "--json"))["data"]["bars"] == 333


def test_one_trade_and_equal_prices_run_with_a_warning(console: Console) -> None:
    """They bring nothing, which is no error, and their documents have no NaN."""
    fill((SERIES, walk(1), 1))
    found = strictly(console(*RUN, "--json"))
    assert found["metrics"]["trades"] == 0
    assert any("one trade" in one for one in found["warnings"])
    assert console(*RUN).code == 0
    equal = walk(3000)[1:]
    equal["price"] = 42_000_000_000_000
    fill((SERIES, equal, 3000))
    found = strictly(console(*RUN, "--start", "2025-11-22T00:00:05Z", "--json"))
    assert any("all prices are equal" in one for one in found["warnings"])


def test_a_file_can_be_run_on(console: Console, tmp_path: Path) -> None:
    """A vendor's future, short as well, on an instrument that is assumed and said to be."""
    path = foreign_file(tmp_path / "es.dbn", walk())
    found = strictly(
        console("backtest", "--strategy", "sma", "--data", str(path), "--shorts", "--quantity", "1", "--json")
    )
    assert (found["instrument"]["venue"], found["instrument"]["assumed"]) == ("GLBX.MDP3", True)
    assert {trade["side"] for trade in found["trades"]} == {"buy", "sell"}
    assert any("assumed" in one for one in found["warnings"])
    assert any("fees of GLBX.MDP3 are not known" in one for one in found["warnings"])
    refused = console("backtest", "--strategy", "sma", "--data", str(path), "--quantity", "0.5")
    assert (refused.code, "steps of 1" in refused.err) == (2, True)


def test_books_give_fills_their_depth(console: Console, tmp_path: Path) -> None:
    """An order larger than a level is filled at several prices, from stored books as from a file of them."""
    records = stored()
    series = SeriesKey(SERIES.venue, SERIES.symbol, Schema.BOOK)
    fill((series, books(records), len(records)))
    flat = strictly(console(*RUN, "--json", "--trades"))
    deep = strictly(console(*RUN, "--depth", "--json", "--trades"))
    assert (flat["execution"]["depth"], deep["execution"]["depth"]) == (False, True)
    assert "walks the recorded book" in deep["execution"]["fill_rule"]
    first = [one for one in deep["fills"] if one["order"] == 1]
    assert [one["quantity"] for one in first[:4]] == ["0.5"] * 4
    assert len({one["price"] for one in first}) == len(first) == 5
    assert Decimal(deep["metrics"]["final"]) < Decimal(flat["metrics"]["final"])
    path = tmp_path / "books.dbn"
    command = ("db", "export", "--venue", "KRAKEN", "--symbol", "BTCUSD", "--schema", "mbp-10", "-o", str(path))
    assert console(*command).code == 0
    filed = strictly(console(*RUN, "--book-data", str(path), "--json"))
    assert filed["fingerprint"] == deep["fingerprint"]
    late = ("--start", "2025-11-22T02:00:00Z", "--end", "2025-11-22T04:00:00Z", "--json")
    parts = [strictly(console(*RUN, *where, *late)) for where in (("--depth",), ("--book-data", str(path)))]
    assert parts[0]["fingerprint"] == parts[1]["fingerprint"]
    assert console(*RUN, "--depth", "--start", "2025-11-22T00:00:00Z", "--end", "2025-11-22T00:00:10Z").code == 0


def test_the_database_gives_what_files_give(
    console: Console, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same trades in PostgreSQL bring the same result, on the same data."""
    records = stored(1500)
    embedded = strictly(console(*RUN, "--json"))["fingerprint"]
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    with closing(PostgresTickStore(migrated_url)) as store, closing(PostgresBooks(migrated_url)) as described:
        described.describe((bitcoin(),))
        append_all(store, (SERIES, records, len(records)))
    assert strictly(console(*RUN, "--json"))["fingerprint"] == embedded


def test_a_preview_shows_the_data_and_runs_nothing(console: Console) -> None:
    """Facts and bars, few however long the data is; the bars hold every trade and all that was traded."""
    records = stored(20_000)
    found = strictly(console("backtest", "--symbol", "BTCUSD", "--preview", "--json"))
    assert (found["kind"], found["command"]) == ("preview", "ringside --batch backtest --symbol BTCUSD --preview")
    assert len(found["bars"]) <= 300
    assert found["bars_each"] == 6
    closed = bar_series(Ticks.of_records(records), BarType(), BarDataMode.ON_CLOSE_BAR)
    assert sum(bar["trades"] for bar in found["bars"]) == int(closed.tick_count.sum())
    volume_e8 = sum(int(Decimal(bar["volume"]) * 10**8) for bar in found["bars"])
    assert volume_e8 == int(closed.volume_e8.sum())
    assert "data.rows" in console("backtest", "--symbol", "BTCUSD", "--preview").out


def test_the_strategies_are_listed(console: Console) -> None:
    """Each with its parameters, their defaults and bounds; without any data."""
    rows = {row["name"]: row for row in strictly(console("backtest", "--list", "--json"))["rows"]}
    assert [one["name"] for one in rows["sma"]["parameters"]] == ["short", "long"]
    assert rows["sma"]["parameters"][0]["default"] == 5
    assert "short=5" in console("backtest", "--list").out


def test_progress_for_programs_is_lines_of_json(console: Console) -> None:
    """Each has a part done and a text, the last of a run is 1."""
    stored(200)
    lines = [json.loads(line) for line in console(*RUN, "--json", "--progress", "json").err.splitlines()]
    assert lines[0]["progress"] == 0
    assert lines[-1]["progress"] == 1
    assert all(0 <= line["progress"] <= 1 and line["text"] for line in lines)


def test_help_is_light() -> None:
    """`backtest --help` loads neither numpy nor anything heavier."""
    assert loaded_by("backtest", "--help").isdisjoint(HEAVY)
