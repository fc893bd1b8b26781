"""Documents as the command `backtest` prints them, small enough to be read."""

from __future__ import annotations

from typing import Any

T0_NS = 1_790_000_000_000_000_000  # 2026-09-21T14:13:20Z
MINUTE_NS = 60_000_000_000

_INSTRUMENT = {"venue": "KRAKEN", "symbol": "BTCUSD", "product": "spot", "assumed": False}
_DATA = {
    "source": "store /home/x/ticks", "rows": 12_345, "first_ns": T0_NS, "last_ns": T0_NS + 99 * MINUTE_NS,
    "duplicates": 2, "out_of_order": 0, "gaps": 3, "bars": 100, "synthetic_bars": 25, "synthetic_share": 0.25,
}  # fmt: skip
_METRICS = {
    "initial": "100000", "final": "101234.5", "realised": "1300.25", "unrealised": "0", "fees": "65.75",
    "turnover": "400000", "total_return": 0.012345, "annual_return": None, "volatility": 0.3, "sharpe": 1.25,
    "sortino": -0.5, "max_drawdown": -0.02, "max_drawdown_s": 7300.0, "exposure": 0.5, "trades": 2, "win_rate": 0.5,
    "profit_factor": 2.5, "average_trade": "617.25", "best_trade": "1500.5", "worst_trade": "-266",
    "orders": 5, "rejected": 1, "fills": 4,
}  # fmt: skip


def _curve(count: int = 100) -> dict[str, Any]:
    equity = [100_000.0 + 12.345 * number for number in range(count)]
    return {
        "ts_ns": [T0_NS + number * MINUTE_NS for number in range(count)],
        "equity": equity,
        "drawdown": [-0.02 * (number % 10) / 10 for number in range(count)],
        "price": [42_000.0 + number for number in range(count)],
    }


def _deal(number: int, profit: str, *, side: str = "buy", still_open: bool = False) -> dict[str, Any]:
    entry_ns = T0_NS + number * 20 * MINUTE_NS
    return {
        "number": number, "side": side, "entry_ns": entry_ns, "exit_ns": entry_ns + 10 * MINUTE_NS, "quantity": "0.5",
        "entry_price": "42000.1", "exit_price": "42100.25", "profit": profit, "fees": "16.4", "open": still_open,
    }  # fmt: skip


def result() -> dict[str, Any]:
    """One backtest: two trades, a gap, a warning."""
    return {
        "schema_version": 1, "kind": "backtest", "instrument": dict(_INSTRUMENT), "data": dict(_DATA),
        "strategy": {"name": "sma", "parameters": {"short": 5, "long": 20.0}, "mode": "close-bar", "bars": "1m"},
        "account": {"id": "main", "currency": "USD", "initial": "100000", "final": "101234.5"},
        "assumptions": ["Bars are stamped at their close."], "metrics": dict(_METRICS), "equity": _curve(),
        "trades": [_deal(1, "1500.5"), _deal(2, "-266", side="sell")],
        "fingerprint": {"seed": 0, "id": "2518a72a742f0c32"}, "warnings": ["3 gaps are known in this time"],
        "took_s": 1.5,
    }  # fmt: skip


def preview() -> dict[str, Any]:
    """The bars of the same data."""
    bars = [
        {"ts_event_ns": T0_NS + number * MINUTE_NS, "open": "42000", "high": f"42{100 + number}.5", "low": "41900",
         "close": "42050.25", "volume": "1.5", "trades": 3, "synthetic": 0}
        for number in range(100)
    ]  # fmt: skip
    return {
        "schema_version": 1, "kind": "preview", "instrument": dict(_INSTRUMENT), "data": dict(_DATA),
        "timeframe": "1m", "bars_each": 1, "bars": bars, "warnings": ["25% of the bars are made up"],
    }  # fmt: skip


def sweep() -> dict[str, Any]:
    """Six runs of two parameters, one of which failed."""
    runs: list[dict[str, Any]] = [
        {"parameters": {"short": str(short), "long": str(long)}, "error": None,
         "metrics": {**_METRICS, "sharpe": 2.0 - short / 10}}
        for short in (2, 4, 6)
        for long in (20, 40)
    ]  # fmt: skip
    runs[-1] |= {"metrics": {}, "error": "it took too long"}
    return {
        "schema_version": 1, "kind": "sweep", "strategy": {"name": "sma"}, "instrument": dict(_INSTRUMENT),
        "data": dict(_DATA), "parameters": ["short", "long"], "metric": "sharpe", "smaller_is_better": False,
        "combinations": 8, "refused": 2, "failed": 1, "resumed": 3, "took_s": 0.25, "warnings": [],
        "heat": {"x": "short", "y": "long", "xs": ["2", "4", "6"], "ys": ["20", "40"],
                 "values": [[1.8, 1.6, 1.4], [1.8, 1.6, None]]},
        "runs": runs,
    }  # fmt: skip


def walk_forward() -> dict[str, Any]:
    """Two folds, the second of which could not be traded."""
    stretch = {"start_ns": T0_NS, "end_ns": T0_NS + 50 * MINUTE_NS, "metrics": dict(_METRICS)}
    fold = {"in_sample": stretch, "out_of_sample": stretch, "parameters": {"short": "4"}, "error": None}
    return {
        "schema_version": 1, "kind": "walk-forward", "strategy": {"name": "sma"}, "instrument": dict(_INSTRUMENT),
        "data": dict(_DATA), "parameters": ["short"], "metric": "sharpe", "efficiency": 0.5,
        "folds": [fold, {**fold, "error": "no run has the figure"}],
        "chained": {"metrics": dict(_METRICS), "equity": _curve(50)}, "note": "Parameters are chosen before.",
        "refused": 0, "failed": 1, "resumed": 0, "took_s": 0.5, "warnings": [],
    }  # fmt: skip


ALL = (result, preview, sweep, walk_forward)
