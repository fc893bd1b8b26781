"""`fetch` and `backfill estimate` from the command line: plans that ask nobody, and every bad input in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.paths import find_paths
from console.__main__ import main

FUTURE = ("--symbols", "ESH5", "--exchange", "CME", "--start", "2024-01-01", "--end", "2024-01-31")


@pytest.fixture(autouse=True)
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, and no way to the network that would not be noticed."""
    monkeypatch.delenv("DATABENTO_API_KEY", raising=False)
    monkeypatch.setenv("RINGSIDE__VENUES__DATABENTO__REST_URL", "https://127.0.0.1:9")


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """The exit code of a command and the JSON it printed."""
    code = main(["--batch", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_dry_run_needs_no_key_and_makes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A future at CME resolves to Databento's GLBX.MDP3, day by day by its calendar, and nothing is on the disk."""
    code, plan = asked(capsys, "fetch", *FUTURE, "--dry-run", "--verbose")
    (row,) = plan["rows"]
    assert (code, row["provider"], row["dataset"], row["tier"]) == (0, "databento", "GLBX.MDP3", "asset type")
    assert (row["days_wanted"], row["days_closed"], row["days_left"]) == (26, 4, 26)
    assert {day["day"] for day in row["days"] if day["state"] == "closed"} == {
        f"2024-01-{day:02}" for day in (6, 13, 20, 27)
    }
    assert (plan["priced"], row["price_usd"], row["calendar"]) == (False, None, "CMES")
    assert not find_paths().state.exists()


def test_an_estimate_without_a_key_is_the_plan_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key there is no price and no error; asked for by name it is one, of authentication."""
    meant = ("--symbols", "AAPL", "--exchange", "NASDAQ", "--asset-type", "equity", *FUTURE[4:])
    code, plan = asked(capsys, "backfill", "estimate", *meant)
    assert (code, plan["rows"][0]["dataset"], plan["priced"]) == (0, "XNAS.ITCH", False)
    assert "DATABENTO_API_KEY" in plan["notes"][0]
    code, plan = asked(capsys, "backfill", "estimate", *meant, "--price")
    assert (code, "DATABENTO_API_KEY" in plan["rows"][0]["problem"]) == (6, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--symbols", "ESH5", "--exchange", "NOWHERE", *FUTURE[4:]), 4, "NOWHERE"),
        (("--symbols", "BHUSD", *FUTURE[4:]), 2, "equity or crypto"),
        (("--symbols", "ES\x1b[31m", "--exchange", "CME", *FUTURE[4:]), 2, "bad symbol"),
        ((*FUTURE[:4], "--start", "2124-01-01"), 2, "future"),
        ((*FUTURE[:4], "--start", "2024-02-01", "--end", "2024-01-01"), 2, "ends before it begins"),
        ((*FUTURE[:4], "--start", "yesterday"), 2, "bad time"),
        ((*FUTURE, "--max-cost", "lots"), 2, "lots"),
        ((*FUTURE, "--max-cost", "-1"), 2, "bad amount"),
        ((*FUTURE, "--faults", "429=1"), 2, "simulated"),
        (("--symbols", "BTCUSD", "--exchange", "KRAKEN", "--schema", "mbp-1", *FUTURE[4:]), 2, "afterwards"),
        ((*FUTURE, "--provider", "kraken"), 2, "cannot serve"),
        ((*FUTURE, "--dataset", "../etc"), 2, "bad dataset"),
        ((*FUTURE, "--yes"), 6, "DATABENTO_API_KEY"),
    ],
)
def test_bad_input_is_an_error_in_words(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Each mistake has its exit code and is named; nothing is fetched."""
    found, answer = asked(capsys, "fetch", *arguments)
    problem = (
        answer["error"]["message"] + answer["error"]["hint"] if "error" in answer else answer["rows"][0]["problem"]
    )
    assert found == code
    assert said in problem
    assert "\x1b" not in problem


def test_tables_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the plan, the tiers and the days are tables, and what was not asked is said beside them."""
    assert main(["--batch", "fetch", *FUTURE, "--dry-run", "--verbose"]) == 0
    printed = capsys.readouterr()
    for word in ("GLBX.MDP3", "asset type", "2024-01-06  closed", "CMES, known until"):
        assert word in printed.out
    assert "--price asks" in printed.err


def test_what_is_not_stored_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A filter that names nothing that is stored is no error, and is not silently empty."""
    for command in (["status", "--symbols", "BTCUSD"], ["fill-gaps", "--symbols", "BTCUSD", "--dry-run"]):
        assert main(["--batch", "backfill", *command]) == 0
        assert "nothing that was asked for is stored" in capsys.readouterr().err
