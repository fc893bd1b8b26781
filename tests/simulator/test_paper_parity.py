"""Paper trading equals the backtest: sessions on markets as they are, with all that happens to connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from perf._paper_sessions import captured, proven, simulated


def test_a_session_on_the_simulated_market_is_its_backtest(tmp_path: Path) -> None:
    """Every line of eight minutes in which connections break and operators act is the same again, for every
    strategy in every mode; and something was traded."""
    plan, records = simulated(1, minutes=8, bars=("1m", "20t"), away_s=(20, 120), act_s=(20, 120))
    proof = proven(tmp_path, plan, records)
    assert proof.parity.orders.count == proof.parity.orders.same > 100
    assert {label for label, _, _ in proof.parity.lanes} > {"sma-close-bar-20t", "ema-each-tick-1m"}


@pytest.mark.usefixtures("captures")
@pytest.mark.parametrize("day", ["20240808", "20240809"])
def test_a_session_on_a_captured_market_is_its_backtest(tmp_path: Path, day: str) -> None:
    """The same of real trades."""
    plan, records = captured(day, bars=("1m", "20t"), away_s=(10, 40), act_s=(10, 40))
    proof = proven(tmp_path, plan, records)
    assert proof.parity.trades > 5000
    assert proof.parity.orders.count == proof.parity.orders.same > 100
