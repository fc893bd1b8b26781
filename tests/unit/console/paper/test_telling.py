"""What the log says of a desk."""

from __future__ import annotations

import logging

import pytest

from console.paper.telling import MOST_FILLS, PaperLog
from core.clock import NS_PER_S
from core.model.orders import Side
from core.sim.lines import AccountLine, ActLine, FillLine, HoleLine, LaneLine, Line

VENUE, SYMBOL = "SIM.KRAKEN", "BTCUSD"


def fill(order: int) -> FillLine:
    """A purchase."""
    return FillLine(order=order, lane="sma", account="DEFAULT", side=Side.BUY, ts_ns=1, price_e9=64_000_100_000_000,
                    quantity_e8=50_000_000, fee_e12=0, realised_e12=0, currency="USD", maker=False, reason="",
                    venue=VENUE, symbol=SYMBOL)  # fmt: skip


def account(*, halted: str = "", liquidated: bool = False) -> AccountLine:
    """An account as it stands."""
    return AccountLine(id="DEFAULT", currency="USD", leverage=1, initial_e12=1, balances_e12={}, locked_e12={},
                       positions=[], margin_e12=0, fees_e12=0, halted=halted, liquidated=liquidated, day_ns=0,
                       day_e12=0)  # fmt: skip


def said(caplog: pytest.LogCaptureFixture, log: PaperLog, *lines: Line) -> list[str]:
    """What the log says of these lines."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "ringside.paper"):
        log.hear(1, list(lines))
    return [record.getMessage() for record in caplog.records]


def test_a_few_fills_a_second_are_said_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    """With side, quantity and price in full; how many were left out is said with the first of a later second."""
    now_ns = 0
    log = PaperLog(clock=lambda: now_ns)
    lines = said(caplog, log, *(fill(number) for number in range(1, MOST_FILLS + 4)))
    assert lines[0] == "sma bought 0.5 BTCUSD at 64000.1 on DEFAULT (order 1)"
    assert len(lines) == MOST_FILLS
    now_ns = NS_PER_S
    assert said(caplog, log, fill(9))[0] == "and 3 more fills"


def test_halts_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """When they begin, when they end, and when an account is liquidated; not with every line of the account."""
    log = PaperLog()
    assert said(caplog, log, account(), account(halted="too much lost"), account(halted="too much lost")) == [
        "DEFAULT is halted: too much lost"
    ]
    assert said(caplog, log, account(), account()) == ["DEFAULT is no longer halted"]
    assert said(caplog, log, account(liquidated=True), account(liquidated=True)) == ["DEFAULT was liquidated"]


def test_acts_and_holes_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """Who did what to whom, what it changed, and what nobody saw."""
    lines = said(
        caplog,
        PaperLog(),
        ActLine(act="pause", target="sma", by="uid 1", wall_ns=1),
        ActLine(act="flatten", target="", by="uid 1", wall_ns=1),
        LaneLine(lane="sma", state="paused", reason="by an operator", ts_ns=1, venue=VENUE, symbol=SYMBOL),
        HoleLine(ts_ns=1, rows=1200, cause="overwritten", venue=VENUE, symbol=SYMBOL),
        HoleLine(ts_ns=1, rows=0, cause="restarted", venue=VENUE, symbol=SYMBOL),
    )
    assert lines == [
        "pause sma, by uid 1",
        "flatten all, by uid 1",
        "sma on BTCUSD is paused: by an operator",
        "1,200 trades of BTCUSD on SIM.KRAKEN were not seen: overwritten",
        "an unknown number of trades of BTCUSD on SIM.KRAKEN were not seen: restarted",
    ]
