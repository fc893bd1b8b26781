"""The `symbol` commands without an engine: what they print, what they write, how they end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest

from core.store.catalogue import Catalogue
from providers.binance.symbols import read_catalogue
from providers.kraken.futures.symbols import parse_instruments
from tests.unit.console.batch.running import Console, catalogue_path, home
from tests.unit.core.store.test_exporting import instrument

NOWHERE = '[venues.kraken]\nstream_url = "ws://127.0.0.1:1"\nrest_url = "http://127.0.0.1:1"\n'
PRACTICE = '[engine]\nprovider = "simulated"\nsymbols = ["BTCUSD"]\n'


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line."""
    return Console(capsys)


def settings_file() -> Path:
    """Where this test's settings are."""
    return home() / "config" / "config.toml"


def write_settings(text: str) -> None:
    """Write them."""
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(text)


def saved() -> list[str]:
    """The symbols in the settings file."""
    found: list[str] = tomllib.loads(settings_file().read_text())["engine"]["symbols"]
    return found


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server on loopback that answers everything with `body`, for the length of a block."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_venue_is_discovered(console: Console) -> None:
    """Names, currencies and exact increments of what matches a part of a name or a pattern; talk goes to stderr."""
    found = console("symbol", "discover", "--provider", "simulated", "--filter", "btcusd", "--json")
    (row,) = found.json["rows"]
    assert row == {
        "symbol": "BTCUSD", "venue": "SIM.KRAKEN", "venue_symbol": "BTC/USD", "base": "BTC", "quote": "USD",
        "settle": "USD", "product": "spot", "price_decimals": 1, "price_increment": "0.1", "quantity_decimals": 8,
        "quantity_increment": "0.00000001", "streamed_by": "",
    }  # fmt: skip
    assert "SIM.KRAKEN lists" in found.err
    rows = console("symbol", "discover", "--provider", "binance,kraken_futures", "--simulated", "--filter", "ETH*",
                   "--json").json["rows"]  # fmt: skip
    assert {row["venue"] for row in rows} == {"SIM.BINANCE", "SIM.KRAKEN_FUTURES"}
    assert {row["symbol"][:3] for row in rows} == {"ETH"}
    assert console("symbol", "discover", "--provider", "simulated", "--filter", "\x1b[", "--json").json["rows"] == []


def test_what_cannot_be_streamed_is_counted_with_its_reason(console: Console) -> None:
    """Pairs finer than a record holds and those that cannot be read are counted: no rows, no log lines."""
    pair = {"wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}
    pairs = {
        "A": pair, "B": pair | {"wsname": "B/USD", "pair_decimals": 12}, "C\x1b": pair | {"wsname": "CUSD"},
        "D": pair | {"wsname": "D/USD", "pair_decimals": 11},
    }  # fmt: skip
    with answering(json.dumps({"error": [], "result": pairs}).encode()) as url:
        write_settings(f'[venues.kraken]\nstream_url = "ws://127.0.0.1:1"\nrest_url = "{url}"\n')
        found = console("symbol", "discover", "--json")
        assert [row["symbol"] for row in found.json["rows"]] == ["BTCUSD"]
        assert found.json["refused"] == [
            {"venue": "KRAKEN", "reason": "price increment finer than 1e-9", "count": 2, "example": "B"},
            {"venue": "KRAKEN", "reason": "cannot be read", "count": 1, "example": "C\\x1b"},
        ]
        assert "left out" not in found.err
        assert "2 left out: price increment finer than 1e-9" in console("symbol", "discover").err


def test_an_interrupted_question_ends_quietly() -> None:
    """SIGINT while a venue does not answer: 130 and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        write_settings(f'[venues.kraken]\nstream_url = "ws://{address}"\nrest_url = "http://{address}"\n')
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "--batch", "symbol", "discover"], stderr=subprocess.PIPE, text=True
        )
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "asking kraken what it lists\n"


def test_venues_tell_what_they_refuse() -> None:
    """Binance's halted pairs and a future's impossible steps stand in the map of what cannot be streamed."""
    listing = {"symbol": "AB", "status": "BREAK", "baseAsset": "A", "quoteAsset": "B", "filters": []}
    fine = {"filterType": "PRICE_FILTER", "tickSize": "0.00000000001"}
    bad = listing | {"symbol": "CD", "baseAsset": "C", "quoteAsset": "D", "filters": [fine]}
    symbols = read_catalogue(json.dumps({"symbols": [listing, bad]}).encode(), "BINANCE").symbols
    assert symbols.refused == {"AB": "not trading: BREAK", "CD": "cannot be read"}
    refused: dict[str, str] = {}
    body = {"result": "success", "instruments": [{"symbol": "PF_X", "type": "flexible_futures", "tickSize": 0}]}
    assert parse_instruments(json.dumps(body).encode(), refused=refused) == []
    assert refused == {"PF_X": "cannot be read"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["discover", "--provider", "mtgox"], 2, "mtgox"),
        (["discover", "--provider", "databento"], 2, "--symbols"),
        (["discover", "--provider", "simulated", "--symbols", "BTCUSD"], 2, "--filter"),
        (["discover", "--provider", "kraken", "--dataset", "GLBX.MDP3", "-c", "/nowhere.toml"], 3, "/nowhere.toml"),
        (["add"], 2, "no symbol"),
        (["add", "BTC USD\x1b[2J"], 2, "bad symbol"),
        (["add", "BTCUSD", "--provider", "mtgox"], 2, "mtgox"),
        (["add", "BTCUSD", "--instance", "ghost"], 4, "ghost"),
        (["add", "BTCUSD", "--instance", "a/\x1b[2J"], 4, "no such engine"),
        (["add", "BTCUSD", "--instance", "ghost", "--only-save"], 2, "ghost"),
        (["add", "BTCUSD", "--no-save"], 4, "no such feed runs"),
        (["remove", "BTCUSD", "--no-save"], 4, "no such feed runs"),
        (["remove", "ETHUSDD"], 4, "did you mean ETHUSD"),
        (["remove", "BTCUSD,ETHUSD", "--symbols", "SOLUSD"], 8, "nothing would be left"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    arguments: list[str], code: int, message: str, console: Console
) -> None:
    """Each refusal has its exit code, says what it refused, and writes no settings."""
    found = console("symbol", *arguments)
    assert found.code == code
    assert message in found.err
    assert "\x1b" not in found.err
    assert not settings_file().exists()


def test_options_that_contradict_each_other_end_with_2(console: Console) -> None:
    """Neither everywhere nor nowhere can be changed by halves."""
    assert console("symbol", "add", "BTCUSD", "--no-save", "--only-save").code == 2


def test_symbols_are_saved_under_the_venues_symbol(console: Console) -> None:
    """Typed in lower case, by alias or as the venue writes it, once each; what was there stays."""
    write_settings(PRACTICE)
    found = console("symbol", "add", "eth/usd,xbtusd", "--symbols", "ETHUSD", "--only-save", "--json")
    assert found.code == 0, found.err
    assert [(row["symbol"], row["result"]) for row in found.json["rows"]] == [
        ("ETHUSD", "added"), ("BTCUSD", "unchanged"), ("ETHUSD", "added"),
    ]  # fmt: skip
    assert saved() == ["BTCUSD", "ETHUSD"]
    assert console("symbol", "remove", "ethusd", "--only-save").code == 0
    assert saved() == ["BTCUSD"]


def test_without_an_engine_the_settings_alone_are_changed(console: Console) -> None:
    """It is said, and it is no failure."""
    write_settings(PRACTICE)
    found = console("symbol", "add", "ETHUSD")
    assert (found.code, saved()) == (0, ["BTCUSD", "ETHUSD"])
    assert "the settings alone are changed" in found.err


def test_a_list_that_was_not_written_down_is_begun_with_the_default(console: Console) -> None:
    """Adding to the default keeps it; adding what is in it writes nothing."""
    write_settings(NOWHERE)
    assert console("symbol", "add", "BTCUSD", "--only-save").code == 0
    assert settings_file().read_text() == NOWHERE
    assert console("symbol", "add", "XRPUSD", "--only-save").code == 0
    assert saved() == ["BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD"]


def test_a_typo_is_not_saved_and_the_rest_is(console: Console) -> None:
    """One unknown of two: 9 with the reason in its row. Alone: 4, with what is near."""
    write_settings(PRACTICE)
    found = console("symbol", "add", "ETHUSD,SOLUSDD", "--only-save", "--json")
    assert found.code == 9
    bad = next(row for row in found.json["rows"] if row["result"] == "failed")
    assert "did you mean SOLUSD" in bad["problem"]
    assert saved() == ["BTCUSD", "ETHUSD"]
    found = console("symbol", "add", "SOLUSDD", "--only-save", "--json")
    assert (found.code, found.json["error"]["category"]) == (4, "not_found")


def test_every_provider_of_the_settings_must_have_it(console: Console) -> None:
    """What one of them lacks would end its feed, and is not saved."""
    with answering(b'{"error":[],"result":{}}') as url:
        write_settings(
            f'[engine]\nprovider = "simulated,kraken"\n[venues.kraken]\nstream_url = "{url}"\nrest_url = "{url}"\n'
        )
        before = settings_file().read_text()
        found = console("symbol", "add", "XRPUSD", "--provider", "simulated", "--only-save")
    assert found.code == 4
    assert "XRPUSD on KRAKEN" in found.err
    assert settings_file().read_text() == before


@pytest.mark.parametrize("body", [None, b"<html>maintenance</html>"])
def test_a_venue_that_does_not_answer_stops_no_saving(body: bytes | None, console: Console) -> None:
    """Nothing can be checked then, which is said; discovering ends with the venue's error instead."""
    with answering(body or b"") as url:
        address = url if body else "http://127.0.0.1:1"
        write_settings(f'[venues.kraken]\nstream_url = "ws://127.0.0.1:1"\nrest_url = "{address}"\n')
        found = console("symbol", "add", "XRPUSD", "--only-save")
        assert found.code == 0
        assert "not checked with kraken" in found.err
        assert saved()[-1] == "XRPUSD"
        assert console("symbol", "discover").code == 7
        found = console("symbol", "discover", "--provider", "kraken,simulated", "--filter", "BTCUSD", "--json")
        assert (found.code, len(found.json["rows"])) == (9, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engine", "config.toml"),
        ("[engine]\nsymbols = 3\n", "must be a list"),
        ("[engine]\nsymbols = [1]\n", "must be a list"),
        ("[engine]\nsimbols = []\n", "did you mean"),
        ('[engine]\nprovider = "mtgox"\n', "mtgox"),
    ],
)
def test_broken_settings_are_left_alone(text: str, message: str, console: Console) -> None:
    """They end every change with 3 and words, and stay as they are."""
    write_settings(text)
    for action in ("add", "remove"):
        found = console("symbol", action, "ETHUSD")
        assert found.code == 3
        assert message in found.err
    assert settings_file().read_text() == text


def test_settings_that_cannot_be_written(console: Console) -> None:
    """The change ends with 3 and the reason; the settings are as they were."""
    write_settings(PRACTICE)
    (settings_file().parent / ".config.toml.lock").mkdir()
    found = console("symbol", "add", "ETHUSD", "--only-save")
    assert found.code == 3
    assert "cannot write" in found.err
    assert saved() == ["BTCUSD"]


def test_what_is_lost_and_what_has_no_effect_is_said(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments go into the backup, and a list in the environment goes before the file."""
    write_settings("# mine\n" + PRACTICE)
    monkeypatch.setenv("RINGSIDE__ENGINE__SYMBOLS", '["SOLUSD"]')
    found = console("symbol", "add", "ETHUSD", "--only-save")
    assert "config.toml.bak" in found.err
    assert "environment RINGSIDE__ENGINE__SYMBOLS goes before" in found.err
    assert settings_file().with_name("config.toml.bak").read_text() == "# mine\n" + PRACTICE
    assert saved() == ["BTCUSD", "ETHUSD"]


def test_the_list_is_of_the_settings_and_of_the_catalogue(console: Console) -> None:
    """One row a symbol and venue with where it is from; looking makes nothing."""
    rows = console("symbol", "list", "--json").json["rows"]
    assert [(row["symbol"], row["venue"], row["from"]) for row in rows] == [
        ("BTCUSD", "KRAKEN", "settings"), ("ETHUSD", "KRAKEN", "settings"), ("SOLUSD", "KRAKEN", "settings"),
    ]  # fmt: skip
    assert not home().exists()
    with closing(Catalogue(catalogue_path())) as catalogue:
        catalogue.describe([attrs.evolve(instrument(1), venue="KRAKEN", symbol="BTCUSD")])
    write_settings('[engine]\nprovider = "kraken,simulated"\nsymbols = ["btcusd"]\n')
    rows = console("symbol", "list", "--json").json["rows"]
    assert [(row["venue"], row["from"], row["streamed_by"]) for row in rows] == [
        ("KRAKEN", "settings,catalogue", ""), ("SIM.KRAKEN", "settings", ""),
    ]  # fmt: skip
    write_settings('[engine]\nprovider = "mtgox"\n')
    found = console("symbol", "list", "--json")
    assert (found.code, [row["from"] for row in found.json["rows"]]) == (0, ["catalogue"])
    assert "mtgox" in found.err
    catalogue_path().write_bytes(b"not a database at all, but long enough to be taken for one" * 20)
    assert console("symbol", "list").code == 3
