"""The document about a desk: exact amounts that add up, and nothing made up where nothing is known."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import numpy as np
import pytest
from msgspec.structs import replace

from console.paper.audit import AuditEntry
from console.paper.document import MOST_ACTS, Feed, Seen, accounts_document, seen_on_tape
from console.paper.tally import MOST_FILLS, Tally
from core.clock import NS_PER_S
from core.model.instruments import Product
from core.sim.lines import PositionLine
from core.sim.state import DeskState
from core.sim.tape import CONTEXT, MISSED
from core.telemetry.histograms import LatencySummary
from tests.unit.console.paper import ledgers
from tests.unit.console.paper.desks import DESK, PERPETUAL, SPOT, T0, act, beginning, head, hole, tick, traded
from tests.unit.core.sim.desks import Recorded
from tests.unit.core.sim.examples import instrument

NOW_NS = T0 + 400 * NS_PER_S


def document_of(recorded: Recorded | None = None, state: DeskState | None = None, **facts: Any) -> dict[str, Any]:
    """The document of what was recorded, or of a state after nothing was."""
    begun = head(recorded.state if recorded else state)
    tally = Tally(begun)
    tally.add(1, recorded.lines if recorded else [])
    given: dict[str, Any] = {
        "running": False, "host": None, "symbols": {}, "acts": (), "notes": (), "latency": None, "now_ns": NOW_NS,
        **facts,
    }  # fmt: skip
    after = recorded.desk.state() if recorded else begun.state
    return json.loads(json.dumps(accounts_document(begun, after, tally, **given)))  # type: ignore[no-any-return]


def test_an_account_adds_up_to_the_last_digit() -> None:
    """What an account is worth is what it began with and what it made and has not realised yet, less its fees; and it
    is the balances, the goods at the last price among them."""
    document = document_of(traded())
    for one in document["accounts"]:
        figure = {name: Decimal(one[name]) for name in ("initial", "realised", "unrealised", "fees", "equity")}
        assert figure["equity"] == (figure["initial"] + figure["realised"] + figure["unrealised"] - figure["fees"]), (
            one["id"]
        )
        assert one["return"] == pytest.approx(float(figure["equity"] / figure["initial"] - 1))
    main, margin = document["accounts"]
    assert Decimal(main["balances"]["USD"]) + 99 * Decimal(main["balances"]["BTC"]) == Decimal(main["equity"])
    held = Decimal(margin["balances"]["USD"]) - Decimal(margin["margin"])
    assert Decimal(margin["free"]) == held - Decimal(margin["locked"].get("USD", "0"))


def test_what_is_held_and_what_waits_is_told() -> None:
    """Positions, waiting orders and strategies are those of the desk, with exact numbers as text."""
    document = document_of(traded())
    assert document["positions"][0] == {
        "account": "main", "venue": SPOT[0], "symbol": SPOT[1], "currency": "USD", "quantity": "1",
        "average": "107", "mark": "99", "worth": "99", "unrealised": "-8", "realised": "-6", "margin": "0",
    }  # fmt: skip
    assert [(one["number"], one["type"], one["limit"], one["stop"]) for one in document["orders"]] == [
        (5, "limit", "50", ""),
        (7, "stop", "", "20"),
    ]
    long, short = document["strategies"]
    assert (long["held"], long["orders"], long["rejected"], long["mode"]) == ("1", 4, 1, "each-tick")
    assert (short["state"], short["last_trade_ns"]) == ("running", T0 + 69 * 5 * NS_PER_S)
    assert [one["order"] for one in document["fills"]] == [4, 3, 2, 1]
    assert document["fills"][0]["fee"] == "1.09"


def test_a_short_position_is_worth_less_than_nothing() -> None:
    """Of a short position quantity and worth are below 0, and what it gains when prices fall above."""
    document = document_of(traded(20))
    short = document["positions"][1]
    assert (short["symbol"], short["quantity"], short["worth"]) == ("ETHUSD", "-3", "-273")
    assert short["unrealised"] == str(3 * (105 - 91))


def test_today_is_counted_from_the_first_worth_of_the_day() -> None:
    """The day's result is nothing before the desk knows what an account was worth when the day began."""
    assert [one["today"] for one in document_of()["accounts"]] == ["", ""]
    recorded = traded()
    equity = [Decimal(one["equity"]) for one in document_of(recorded)["accounts"]]
    days = [Decimal(one.day_e12).scaleb(-12) for one in recorded.desk.state().accounts]
    today = [Decimal(one["today"]) for one in document_of(recorded)["accounts"]]
    assert today == [now - then for now, then in zip(equity, days, strict=True)]


def test_a_desk_that_has_seen_nothing_has_no_prices() -> None:
    """Before the first trade there are accounts as they began, and nothing that looks like a price."""
    document = document_of()
    assert [(one["equity"], one["return"], one["curve"]) for one in document["accounts"]] == [
        ("1000", 0.0, []),
        ("5000", 0.0, []),
    ]
    assert [one["last_price"] for one in document["symbols"]] == ["", ""]
    assert (document["positions"], document["orders"], document["fills"]) == ([], [], [])
    assert document["latency"] is None
    assert document["host"] is None


@pytest.mark.parametrize(
    ("product", "cost_e12"), [(Product.SPOT, 50 * 10**12), (Product.INVERSE_PERPETUAL, -2 * 10**10)]
)
def test_what_has_no_price_counts_as_what_it_cost(product: Product, cost_e12: int) -> None:
    """A position whose symbol has no last price is told without one, and makes its account neither richer nor
    poorer."""
    state = beginning()
    described = attrs.evolve(instrument(product), settle="USD")
    market = replace(state.markets[0], instrument=described)
    held = PositionLine(
        venue=SPOT[0], symbol=SPOT[1], quantity_e8=10**8, cost_e12=cost_e12, realised_e12=0, margin_e12=0
    )
    account = replace(state.accounts[0], positions=[held])
    document = document_of(state=replace(state, markets=[market, state.markets[1]], accounts=[account]))
    position = document["positions"][0]
    assert (position["mark"], position["worth"], position["unrealised"]) == ("", "", "")
    assert (position["average"], document["accounts"][0]["unrealised"]) == ("50", "0")


def test_limits_and_halts_are_told() -> None:
    """Of an account its limits are told, 0 for none, and why it is halted."""
    recorded = traded()
    recorded.act(act("halt", "margin"))
    main, margin = document_of(recorded)["accounts"]
    assert margin["limits"] == {"position": "0", "day_loss": "4000", "orders_per_minute": 100}
    assert main["limits"] == {"position": "0", "day_loss": "0", "orders_per_minute": 0}
    assert (main["halted"], margin["halted"]) == ("", "by an operator")


def test_symbols_say_what_came_and_what_did_not() -> None:
    """What the host counted stands beside what the ledger says was not seen; all trades are added up."""
    recorded = traded()
    recorded.lines.append(hole(12))
    symbols = {SPOT: Seen(ticks=80, late=2, feed="streaming"), PERPETUAL: Seen(ticks=70, late=0, feed="silent")}
    document = document_of(recorded, symbols=symbols, running=True, host={"instance": "e1", "pid": 7})
    spot, perpetual = document["symbols"]
    assert {name: spot[name] for name in ("ticks", "late", "holes", "lost", "feed", "last_price")} == {
        "ticks": 80, "late": 2, "holes": 1, "lost": 12, "feed": "streaming", "last_price": "99",
    }  # fmt: skip
    assert (perpetual["holes"], perpetual["feed"]) == (0, "silent")
    assert document["trades_seen"] == 150
    assert (document["desk"], document["running"], document["host"]) == (DESK, True, {"instance": "e1", "pid": 7})


def test_lists_are_bounded() -> None:
    """However much there was, the document has the newest fills and acts alone."""
    recorded = traded(1)
    place = {"lane": "long", "account": "main", "venue": SPOT[0], "symbol": SPOT[1]}
    recorded.lines += [ledgers.fill(number, **place) for number in range(3 * MOST_FILLS)]
    acts = [
        AuditEntry(wall_ns=number, act="pause", target="all", by="x", outcome="done") for number in range(50, 0, -1)
    ]
    document = document_of(recorded, acts=acts)
    assert [one["order"] for one in document["fills"]] == list(range(3 * MOST_FILLS))[: -MOST_FILLS - 1 : -1]
    assert [one["wall_ns"] for one in document["acts"]] == list(range(50, 50 - MOST_ACTS, -1))


def test_delays_are_told_in_microseconds() -> None:
    """Quantiles of how long a step takes, and null where nothing was measured."""
    measured = LatencySummary(count=9, p50_ns=12_500, p99_ns=90_000, max_ns=1_000_000)
    assert document_of(latency=measured)["latency"] == {"p50_us": 12.5, "p99_us": 90.0, "max_us": 1000.0, "count": 9}
    assert document_of(latency=LatencySummary(0, 0, 0, 0))["latency"] is None


def test_the_tape_tells_what_came() -> None:
    """Trades that were missed count, trades of before the session do not, and clock marks are none; a symbol streams
    while somebody trades and its last trade is fresh."""
    recorded = Recorded(beginning(), {})
    recorded.context(SPOT, tick(0))
    recorded.trades(SPOT, tick(1), MISSED)
    recorded.trades(SPOT, tick(2))
    recorded.clock(SPOT, T0 + 3600 * NS_PER_S)
    recorded.act(act("pause"))
    markets, last_ns = recorded.desk.state().markets, T0 + 10 * NS_PER_S
    assert int(np.count_nonzero(recorded.rows["kind"] & 0x7F == CONTEXT)) == 1
    cases: list[tuple[bool, int, Feed]] = [(True, 1, "streaming"), (True, 61, "silent"), (False, 1, "waiting")]
    for running, age_s, feed in cases:
        seen = seen_on_tape(recorded.rows, markets, running=running, now_ns=last_ns + age_s * NS_PER_S)
        assert seen == {SPOT: Seen(ticks=2, feed=feed), PERPETUAL: Seen(ticks=0, feed="waiting")}
    assert seen_on_tape(recorded.rows[:0], markets, running=True, now_ns=T0)[SPOT].ticks == 0
