"""A result in a terminal: figures in two columns, the worth of the account as a line, the last trades. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, Final

from console.backtests.figures import amount, figures, number

LAST_TRADES: Final = 20
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_LEVELS: Final = "_.-:=+*#"
_LINE_COLUMNS: Final = 76
_PRICE: Final = Context(prec=9)


def summary(document: Mapping[str, Any], *, plain: bool = False) -> list[str]:
    """The lines to print; `plain` draws with ASCII alone."""
    strategy, instrument, data = document["strategy"], document["instrument"], document["data"]
    given = " ".join(f"{name}={number(value)}" for name, value in strategy["parameters"].items())
    bars = f"{data['bars']:,} bars of {strategy['bars']}, {data['synthetic_share']:.1%} made up"
    lines = [
        f"{strategy['name']} on {instrument['symbol']} of {instrument['venue']}   {given}".rstrip(),
        f"{data['first'][:19]} to {data['last'][:19]}",
        f"{data['rows']:,} trades, {bars}",
        "",
    ]
    values = [value for value in document["equity"]["equity"] if value is not None]
    if values:
        lines += [sparkline(values, _LINE_COLUMNS, plain=plain), ""]
    lines += _columns(document)
    lines += ["", *_wrapped(document["execution"]["fill_rule"], first="  "), ""]
    if document["trades"]:
        lines += [*_trades(document["trades"]), ""]
    for warning in document["warnings"]:
        lines += _wrapped(warning, first="! ")
    lines.append(f"fingerprint {document['fingerprint']['id']}   {document['took_s']:.2f} s")
    found = "\n".join(lines)
    return (found.replace("–", "-") if plain else found).splitlines()


def _wrapped(text: str, *, first: str) -> list[str]:
    return textwrap.wrap(text, _LINE_COLUMNS + 4, initial_indent=first, subsequent_indent="  ")


def sparkline(values: Sequence[float], columns: int, *, plain: bool = False) -> str:
    """The values as one line of at most so many characters, from the lowest to the highest."""
    levels = _PLAIN_LEVELS if plain else _LEVELS
    count = min(columns, len(values))
    shown = [values[(at + 1) * len(values) // count - 1] for at in range(count)]
    low, high = min(shown), max(shown)
    if high == low:
        return levels[0] * count
    return "".join(levels[min(int((value - low) / (high - low) * len(levels)), len(levels) - 1)] for value in shown)


def _columns(document: Mapping[str, Any]) -> list[str]:
    found = figures(document["metrics"], document["account"]["currency"])
    half = -(-len(found) // 2)
    lines = []
    for left, right in zip(found[:half], [*found[half:], None], strict=False):
        line = f"  {left.name:<18}{left.text:>18}"
        lines.append(line if right is None else f"{line}   {right.name:<18}{right.text:>18}")
    return lines


def _trades(trades: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = trades[-LAST_TRADES:]
    one_year = len({trade[end][:4] for trade in shown for end in ("entry", "exit")}) == 1
    instant = slice(5, 19) if one_year else slice(0, 16)
    rows = [("", "side", "from", "to", "quantity", "entry", "exit", "profit")]
    rows += [
        (
            str(trade["number"]),
            "long" if trade["side"] == "buy" else "short",
            trade["entry"][instant].replace("T", " "),
            "open" if trade["open"] else trade["exit"][instant].replace("T", " "),
            trade["quantity"],
            _price(trade["entry_price"]),
            _price(trade["exit_price"]),
            amount(trade["profit"], signed=True),
        )
        for trade in shown
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    texts = [
        "  "
        + "  ".join(
            text.ljust(width) if 1 <= at <= 3 else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    left = len(trades) - len(shown)
    return texts if left <= 0 else [*texts, f"  the last {len(shown)} of {len(trades):,}: --out trades.csv has all"]


def _price(text: str) -> str:
    # The average of several fills has more digits than anybody reads.
    return f"{Decimal(text).normalize(_PRICE):f}"
