"""The figures of a result as people read them: a name, a text, and whether it is good. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

NONE: Final = "–"


@attrs.frozen
class Figure:
    """One figure: `sign` is 1 for good, -1 for bad, 0 for neither."""

    name: str
    text: str
    sign: int = 0


def figures(metrics: Mapping[str, Any], currency: str) -> list[Figure]:
    """Every figure of a result's `metrics`, the most wanted first."""

    def money(key: str, *, signed: bool = True) -> tuple[str, int]:
        value = metrics[key]
        if value is None:
            return NONE, 0
        return f"{amount(value, signed=signed)} {currency}", _sign(Decimal(value)) if signed else 0

    def share(key: str) -> tuple[str, int]:
        value = metrics[key]
        return (NONE, 0) if value is None else (f"{value:+.2%}" if value else "0.00%", _sign(value))

    def ratio(key: str) -> tuple[str, int]:
        value = metrics[key]
        return (NONE, 0) if value is None else (f"{value:+.2f}", _sign(value))

    def part(key: str) -> tuple[str, int]:
        value = metrics[key]
        return (NONE if value is None else f"{value:.1%}", 0)

    def count(key: str) -> tuple[str, int]:
        return f"{metrics[key]:,}", 0

    rows: list[tuple[str, Callable[[], tuple[str, int]]]] = [
        ("total return", lambda: share("total_return")),
        ("annual return", lambda: share("annual_return")),
        ("Sharpe", lambda: ratio("sharpe")),
        ("Sortino", lambda: ratio("sortino")),
        ("max drawdown", lambda: share("max_drawdown")),
        ("longest drawdown", lambda: (duration(metrics["max_drawdown_s"]), 0)),
        ("volatility", lambda: part("volatility")),
        ("time in position", lambda: part("exposure")),
        ("began with", lambda: money("initial", signed=False)),
        ("ended with", lambda: money("final", signed=False)),
        ("realised", lambda: money("realised")),
        ("unrealised", lambda: money("unrealised")),
        ("fees", lambda: money("fees", signed=False)),
        ("turnover", lambda: money("turnover", signed=False)),
        ("trades", lambda: count("trades")),
        ("win rate", lambda: part("win_rate")),
        (
            "profit factor",
            lambda: (NONE if metrics["profit_factor"] is None else f"{metrics['profit_factor']:.2f}", 0),
        ),
        ("average trade", lambda: money("average_trade")),
        ("best trade", lambda: money("best_trade")),
        ("worst trade", lambda: money("worst_trade")),
        ("orders", lambda: count("orders")),
        ("refused orders", lambda: count("rejected")),
        ("fills", lambda: count("fills")),
        ("returns taken over", lambda: (duration(metrics["return_interval_s"]), 0)),
    ]
    return [Figure(name, *make()) for name, make in rows]


def _sign(value: float | Decimal) -> int:
    return (value > 0) - (value < 0)


def amount(text: str, *, signed: bool = False) -> str:
    """Exact money as people read it: grouped, two decimals from 1 on, else four digits that count."""
    value = Decimal(text)
    sign = "+" if signed and value > 0 else ""
    if value == 0 or abs(value) >= 1:
        return f"{sign}{value:,.2f}"
    places = min(3 - value.adjusted(), 12)
    return f"{sign}{value:.{places}f}"


def number(value: float | str) -> str:
    """A parameter as people read it, whatever it is."""
    return f"{value:g}" if isinstance(value, (int, float)) else value


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    left = round(seconds)
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2]) or "0 s"
