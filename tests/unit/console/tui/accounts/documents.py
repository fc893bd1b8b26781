"""A desk as an engine tells of it, for the tests of the Accounts screen."""

from __future__ import annotations

import math
from typing import Any

from core.clock import NS_PER_S

NOW_NS = 1_790_000_000 * NS_PER_S  # 2026-09-21T14:13:20Z
MINUTE_NS = 60 * NS_PER_S


def document(now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """Two accounts, three strategies on two symbols, one of them stopped; `fields` in the place of others."""
    whole = {
        "schema_version": 1, "desk": "default", "session": "20260921T120000Z-7f3a", "running": True,
        "host": {"instance": "test", "pid": 4711}, "created_ns": now_ns - 133 * MINUTE_NS, "now_ns": now_ns,
        "trades_seen": 84_123, "accounts": [main(now_ns), futures(now_ns)], "positions": positions(),
        "strategies": strategies(now_ns), "orders": orders(now_ns), "fills": fills(now_ns),
        "symbols": symbols(now_ns),
        "acts": [
            {"wall_ns": now_ns - 9 * MINUTE_NS, "act": "pause", "target": "breakout", "by": "ringside screen",
             "outcome": "done"},
        ],
        "notes": [], "latency": {"p50_us": 41.2, "p99_us": 95.7, "max_us": 812.0, "count": 84_123},
    }  # fmt: skip
    return {**whole, **fields}


def curve(now_ns: int, *, start: float, swing: float, drift: float) -> list[list[Any]]:
    """Two hours of worth, a point a minute."""
    points = []
    for minute in range(120):
        waves = math.sin(minute / 9) + 0.6 * math.sin(minute / 3.7 + 1) + 0.25 * math.sin(minute * 1.9)
        worth = start + swing * waves * min(minute / 20, 1) + drift * minute
        points.append([now_ns - (120 - minute) * MINUTE_NS, f"{worth:.4f}"])
    return points


def main(now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """The account of most strategies, which wins."""
    own = {
        "id": "main", "currency": "USD", "leverage": 1, "initial": "100000", "equity": "101234.567890123",
        "today": "1234.567890123", "return": 0.01234567890123, "free": "54216.297890123", "margin": "0",
        "fees": "212.4418",
        "realised": "1233.929690123", "unrealised": "213.08",
        "balances": {"USD": "58216.297890123", "BTC": "0.9271", "ETH": "1.75"},
        "locked": {"USD": "4000"}, "halted": "", "liquidated": False,
        "limits": {"position": "50000", "day_loss": "2500", "orders_per_minute": 30},
        "curve": curve(now_ns, start=100_000, swing=260, drift=9.4),
    }  # fmt: skip
    return {**own, **fields}


def futures(now_ns: int = NOW_NS, **fields: Any) -> dict[str, Any]:
    """An account with leverage that lost, and was halted."""
    own = {
        "id": "futures", "currency": "USDT", "leverage": 3, "initial": "20000", "equity": "18931.04",
        "today": "-1068.96", "return": -0.053448, "free": "16207.1", "margin": "2723.94", "fees": "88.12",
        "realised": "-980.11", "unrealised": "-0.73", "balances": {"USDT": "18931.77"}, "locked": {},
        "halted": "the day's loss reached its limit", "liquidated": False,
        "limits": {"position": "", "day_loss": "1000", "orders_per_minute": 0},
        "curve": curve(now_ns, start=20_000, swing=90, drift=-8.9),
    }  # fmt: skip
    return {**own, **fields}


def positions() -> list[dict[str, Any]]:
    """Two of the first account and a short one of the second."""
    rows = [
        ("main", "KRAKEN", "BTCUSD", "USD", "0.9271", "42018.55", "42150.2", "39077.45", "122.05", "811.4", "0"),
        ("main", "KRAKEN", "ETHUSD", "USD", "1.75", "2199.88", "2251.9", "3940.82", "91.03", "210.1", "0"),
        ("futures", "BINANCE", "BTCUSDT.PERP", "USDT", "-0.194", "42144.1", "42147.86", "-8176.68", "-0.73",
         "-980.11", "2723.94"),
    ]  # fmt: skip
    names = ("account", "venue", "symbol", "currency", "quantity", "average", "mark", "worth", "unrealised",
             "realised", "margin")  # fmt: skip
    return [dict(zip(names, row, strict=True)) for row in rows]


def strategies(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """Three of the first account and one of the second, each in another state."""
    rows = [
        ("sma", "sma", "main", "KRAKEN", "BTCUSD", "running", "", "0.9271", 41, 44, 52, 0, 12),
        ("sma", "sma", "main", "KRAKEN", "ETHUSD", "running", "", "1.75", 63, 63, 80, 2, 181),
        ("breakout", "donchian", "main", "KRAKEN", "BTCUSD", "paused", "by an operator", "0", 9, 9, 11, 0, 2903),
        ("mine", "strategies/mine.py", "futures", "BINANCE", "BTCUSDT.PERP", "stopped",
         "ZeroDivisionError in on_bar: division by zero (mine.py line 31)", "-0.194", 17, 17, 17, 0, 1440),
    ]  # fmt: skip
    return [
        {"label": label, "strategy": strategy, "sha256": "3f9a1c" * 10, "account": account, "venue": venue,
         "symbol": symbol, "bars": "1m", "mode": "close-bar", "state": state, "reason": reason, "held": held,
         "signals": signals, "orders": given, "fills": filled, "rejected": rejected,
         "last_signal_ns": now_ns - age_s * NS_PER_S, "last_trade_ns": now_ns - age_s * NS_PER_S}
        for label, strategy, account, venue, symbol, state, reason, held, signals, given, filled, rejected, age_s
        in rows
    ]  # fmt: skip


def orders(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """A limit order and a stop of the first account."""
    rows = [(211, "sma", "ETHUSD", "buy", "limit", "1.8", "0", "2222.22", ""),
            (207, "breakout", "BTCUSD", "sell", "stop", "0.25", "0.05", "", "41500")]  # fmt: skip
    return [
        {"number": number, "strategy": label, "account": "main", "venue": "KRAKEN", "symbol": symbol, "side": side,
         "type": kind, "quantity": quantity, "filled": filled, "limit": limit, "stop": stop,
         "state": "partly_filled" if filled != "0" else "working", "given_ns": now_ns - 312 * NS_PER_S, "reason": ""}
        for number, label, symbol, side, kind, quantity, filled, limit, stop in rows
    ]  # fmt: skip


def fills(now_ns: int = NOW_NS, *, count: int = 24) -> list[dict[str, Any]]:
    """Fills of the first account, newest first, bought and sold in turn."""
    quantities = (0.1042, 1.75)
    prices = [(42150.2 - 11.7 * number, 2251.9 - 0.6 * number)[number % 2] for number in range(count)]
    return [
        {"order": 206 - number, "strategy": ("sma", "breakout")[number % 3 == 2], "account": "main",
         "venue": "KRAKEN", "symbol": ("BTCUSD", "ETHUSD")[number % 2], "side": ("buy", "sell")[number // 2 % 2],
         "ts_ns": now_ns - (12 + 171 * number) * NS_PER_S,
         "price": f"{prices[number]:.1f}", "quantity": str(quantities[number % 2]),
         "fee": f"{prices[number] * quantities[number % 2] * 0.0026:.8f}",
         "realised": ("0", "0", "31.8812", "-7.4")[number % 4], "currency": "USD", "maker": number % 5 == 0,
         "reason": "signal"}
        for number in range(count)
    ]  # fmt: skip


def symbols(now_ns: int = NOW_NS) -> list[dict[str, Any]]:
    """One that streams, one that is silent, one that waits."""
    rows = [("KRAKEN", "BTCUSD", "42150.2", 1, 61_020, 3, 0, 0, "streaming"),
            ("KRAKEN", "ETHUSD", "2251.9", 94, 23_103, 0, 1, 212, "silent"),
            ("BINANCE", "BTCUSDT.PERP", "", 0, 0, 0, 0, 0, "waiting")]  # fmt: skip
    return [
        {"venue": venue, "symbol": symbol, "last_price": last, "last_ns": now_ns - age_s * NS_PER_S if last else 0,
         "ticks": ticks, "late": late, "holes": holes, "lost": lost, "feed": feed}
        for venue, symbol, last, age_s, ticks, late, holes, lost, feed in rows
    ]  # fmt: skip
