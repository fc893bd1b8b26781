"""`route`: who serves a symbol and why, without asking anybody."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from console.batch.route import ASSET_TYPES
from providers.routing.assets import AssetType
from tests.unit.console.batch.running import Console

CONFIGURED = """
[routing.asset_types.crypto]
historical = "databento"
realtime = "kraken"
"""


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    """Commands without a key."""
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    return Console(capsys)


@pytest.fixture
def settings(tmp_path: Path) -> str:
    """A settings file that sends all crypto to one provider."""
    path = tmp_path / "config.toml"
    path.write_text(CONFIGURED, encoding="utf-8")
    return str(path)


def test_both_purposes_are_told_without_a_key(console: Console) -> None:
    """Two rows a symbol, with everything that was considered."""
    done = console("route", "--symbols", "BTCUSD", "--exchange", "KRAKEN", "--asset-type", "crypto", "--json")
    assert done.code == 0
    assert done.json["schema_version"] == 1
    past, live = done.json["rows"]
    assert [(row["purpose"], row["provider"], row["venue"]) for row in (past, live)] == [
        ("historical", "kraken", "KRAKEN"),
        ("realtime", "kraken", "KRAKEN"),
    ]
    assert [one["tier"] for one in past["considered"] if one["accepted"]] == [past["tier"]]
    assert past["problem"] == ""


@pytest.mark.parametrize(
    ("symbol", "exchange", "dataset"), [("ESH5", "CME", "GLBX.MDP3"), ("AAPL", "NASDAQ", "XNAS.ITCH")]
)
def test_futures_and_equities_have_their_dataset(console: Console, symbol: str, exchange: str, dataset: str) -> None:
    """The asset type is inferred, and the reason says from what."""
    done = console("route", "--symbols", symbol, "--exchange", exchange, "--purpose", "historical", "--json")
    (row,) = done.json["rows"]
    assert (row["provider"], row["dataset"], row["venue"]) == ("databento", dataset, dataset)
    assert row["asset_reason"].startswith(f"{exchange} lists")


def test_the_table_marks_what_was_taken_and_says_why_not(console: Console, settings: str) -> None:
    """All three tiers stand there, one of them marked, the configured one with the reason against it."""
    done = console("route", "--symbols", "BTCUSD", "--exchange", "KRAKEN", "-c", settings, "--purpose", "historical")
    lines = done.out.splitlines()
    assert lines[0] == "BTCUSD@KRAKEN historical: kraken"
    (marked,) = (line for line in lines if line.startswith(">"))
    assert "built in: crypto@KRAKEN" in marked
    assert any("routing.asset_types.crypto " in line and "has no dataset" in line for line in lines)
    assert any("routing.default_provider" in line and "not asked" in line for line in lines)


def test_rows_are_csv_too(console: Console) -> None:
    """One line a symbol and purpose."""
    done = console("route", "--symbols", "ESH5,NQH5", "--exchange", "CME", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["symbol"] for row in rows] == ["ESH5", "ESH5", "NQH5", "NQH5"]
    assert {row["dataset"] for row in rows} == {"GLBX.MDP3"}


def test_what_has_no_route_is_told_beside_the_others(console: Console, settings: str) -> None:
    """Some without a route: their rows have a problem, and the exit code says partly."""
    arguments = ("route", "--symbols", "BTCUSD,OPUSD", "--purpose", "realtime", "-c", settings)
    done = console(*arguments, "--json")
    assert done.code == 9
    good, bad = done.json["rows"]
    assert (good["provider"], good["problem"]) == ("kraken", "")
    assert bad["problem"].startswith("it may be equity or crypto: OPUSD")
    assert "OPUSD realtime: no route, it may be equity or crypto" in console(*arguments).out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("BTCUSD", "--exchange", "COINBASE"), 4, "nobody serves it"),
        (("BTCUSD", "--exchange", "KRAKN"), 4, "did you mean KRAKEN"),
        (("ESH5",), 2, "no exchange"),
        (("ESH5", "--exchange", "CME", "--provider", "kraken"), 2, "--provider kraken cannot serve it"),
        (("ESH5", "--exchange", "CME", "--provider", "krakn"), 4, "did you mean kraken"),
        (("ESH5", "--dataset", "no dataset"), 2, "bad dataset"),
        (("AAPL", "--exchange", "KRAKEN", "--asset-type", "equity"), 2, "Kraken spot lists crypto"),
        (("ESH5", "--exchange", "\x1b[2J"), 4, "no such exchange"),
        (("\x1b[2J", "--exchange", "CME"), 2, "bad symbol"),
        (("A" * 10_000, "--exchange", "CME"), 2, "bad symbol"),
        (("", "--exchange", "CME"), 2, "bad symbol"),
        (("ESH5", "--exchange", "CME", "-c", "/no/such/file"), 3, "cannot read"),
    ],
)
def test_where_nothing_has_a_route_the_error_is_the_answer(
    console: Console, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """With the exit code of the error, as an object in JSON and in words otherwise, short and printable."""
    done = console("route", "--symbols", *arguments, "--json")
    assert done.code == code
    error = done.json["error"]
    assert told in f"{error['message']} {error['hint']}"
    assert f"{error['message']}{error['hint']}".isprintable()
    assert len(done.out) < 1000
    worded = console("route", "--symbols", *arguments)
    assert worded.code == code
    assert told in worded.err
    assert all(line.isprintable() for line in f"{worded.out}{worded.err}".splitlines())


def test_the_tiers_are_shown_even_where_all_of_them_fail(console: Console) -> None:
    """The table explains an error that one line cannot."""
    done = console("route", "--symbols", "BTCUSD", "--exchange", "COINBASE", "--purpose", "realtime")
    assert done.code == 4
    assert "kraken serves KRAKEN, not COINBASE" in done.out


def test_asset_types_are_those_that_there_are(console: Console) -> None:
    """The choices of the command line are the asset types, in any writing; another is a mistake of usage."""
    assert set(AssetType) == set(ASSET_TYPES)
    assert console("route", "--symbols", "ESH5", "--exchange", "CME", "--asset-type", "FUTURES").code == 0
    done = console("route", "--symbols", "ESH5", "--asset-type", "bonds", "--json")
    assert done.code == 2
    assert "invalid choice: 'bonds'" in done.err
