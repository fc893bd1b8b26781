"""A result as one HTML page that needs nothing else: plots as SVG, no scripts, light and dark. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from console.backtests.figures import amount, figures, number
from console.backtests.markup import bullets, card, heads, page, warning_box
from console.backtests.plots import Mark, Point, area_plot, bar_plot, line_plot

MOST_TRADES: Final = 1000
MOST_MARKED: Final = 300
_HEADS: Final = ("total return", "Sharpe", "max drawdown", "trades", "win rate", "ended with")


def report(document: Mapping[str, Any]) -> str:
    """The page of a result, as `document` makes one."""
    strategy, instrument, data = document["strategy"], document["instrument"], document["data"]
    title = f"{strategy['name']} on {instrument['symbol']} ({instrument['venue']})"
    given = ", ".join(f"{name} {number(value)}" for name, value in strategy["parameters"].items())
    span = f"{data['first'][:19]} to {data['last'][:19]} UTC"
    facts = [span, f"{data['rows']:,} trades", f"{strategy['bars']} bars", *([given] if given else [])]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{escape(" · ".join(facts))}</p>',
        _heads(document),
        warning_box(document["warnings"]),
        _plots(document),
        "<h2>Run</h2>" + _run(document),
        "<h2>Figures</h2>" + _figures(document),
        "<h2>Assumptions</h2>" + bullets(document["assumptions"]),
        "<h2>Data</h2>" + _data(data),
        "<h2>Trades</h2>" + _trades(document["trades"]),
        "<h2>Fingerprint</h2>" + _fingerprint(document),
    ]
    return page(title, "\n".join(parts))


def _heads(document: Mapping[str, Any]) -> str:
    known = {one.name: one for one in figures(document["metrics"], document["account"]["currency"])}
    return heads((name, known[name].text, _tone(known[name].sign)) for name in _HEADS)


def _tone(sign: int) -> str:
    return {1: "gain-text", -1: "loss-text"}.get(sign, "")


def _plots(document: Mapping[str, Any]) -> str:
    curve, quote = document["equity"], document["instrument"]["quote"]
    stamps: list[int] = curve["ts_ns"]
    trades = document["trades"]
    marks = [mark for trade in trades[:MOST_MARKED] for mark in _marks(trade)]
    periods = [(one["start_ns"], one["return"]) for one in document["periods"]]
    price = line_plot(_points(stamps, curve["price"]), title="price", marks=marks, height=300)
    left = f", the first {MOST_MARKED} trades" if len(trades) > MOST_MARKED else ""
    legend = f"▲ long, ▼ short, × closed{left}"
    return "".join(
        card(f'<p class="faint">{escape(heading)}</p>{plot}')
        for heading, plot in (
            (f"Price in {quote} ({legend})", price),
            (
                f"Worth of the account in {document['account']['currency']}",
                line_plot(_points(stamps, curve["equity"]), title="worth of the account"),
            ),
            ("Drawdown", area_plot(_points(stamps, curve["drawdown"]), title="drawdown")),
            ("Return of each period", bar_plot(periods, until_ns=stamps[-1] if stamps else 0, title="periods")),
        )
    )


def _points(stamps: Sequence[int], values: Sequence[float | None]) -> list[Point]:
    return [(ts_ns, value) for ts_ns, value in zip(stamps, values, strict=True) if value is not None]


def _marks(trade: Mapping[str, Any]) -> list[Mark]:
    what = f"{trade['quantity']} at"
    entry = Mark(
        trade["entry_ns"],
        float(trade["entry_price"]),
        trade["side"],
        f"{trade['number']}: {trade['side']} {what} {trade['entry_price']}, {trade['entry'][:19]}",
    )
    if trade["open"]:
        return [entry]
    told = f"{trade['number']}: closed {what} {trade['exit_price']}, {trade['exit'][:19]}, {trade['profit']}"
    return [entry, Mark(trade["exit_ns"], float(trade["exit_price"]), "exit", told)]


def _pairs(pairs: Iterable[tuple[str, str, str]]) -> str:
    lines = (
        f'<div><span>{escape(name)}</span><span class="number {tone}">{escape(text)}</span></div>'
        for name, text, tone in pairs
    )
    return card(f'<div class="pairs">{"".join(lines)}</div>')


def _figures(document: Mapping[str, Any]) -> str:
    found = figures(document["metrics"], document["account"]["currency"])
    return _pairs((one.name, one.text, _tone(one.sign)) for one in found)


def _run(document: Mapping[str, Any]) -> str:
    strategy, instrument, account = document["strategy"], document["instrument"], document["account"]
    execution = document["execution"]
    fraction = "" if "quantity" in execution else f"{execution['fraction_ppm'] / 10_000:g}% of the account"
    texts = {
        "strategy": strategy["file"] or strategy["name"],
        "asked": f"{strategy['mode']}, {strategy['events']:,} times",
        "product": instrument["product"].replace("_", " ") + (", assumed" if instrument["assumed"] else ""),
        "settled in": instrument["settle"],
        "price steps": instrument["price_increment"],
        "quantity steps": instrument["quantity_increment"],
        "account": f"{account['id']}, {amount(account['initial'])} {account['currency']}",
        "a signal is about": fraction or execution["quantity"],
        "a sell goes": "short" if execution["shorts"] else "flat",
        "books": "yes" if execution["depth"] else "no",
    }
    return _pairs((name, text, "") for name, text in texts.items())


def _data(data: Mapping[str, Any]) -> str:
    names = {
        "source": "source",
        "rows": "trades",
        "first": "first",
        "last": "last",
        "bars": "bars",
        "synthetic_bars": "made up bars",
        "duplicates": "duplicates left out",
        "out_of_order": "out of order",
        "no_price": "without a price or a time",
        "not_positive": "with a price of 0 or below",
        "zero_quantities": "without a quantity",
        "outliers": "outliers",
        "gaps": "known gaps",
        "silent_stretches": "silent stretches",
    }
    texts = {name: data[name] for name in names}
    return _pairs(
        (names[name], f"{value:,}" if isinstance(value, int) else value, "") for name, value in texts.items()
    )


def _trades(trades: Sequence[Mapping[str, Any]]) -> str:
    if not trades:
        return '<p class="faint">None.</p>'
    heads = ("", "side", "from", "to", "quantity", "entry", "exit", "profit", "fees")
    head = "".join(f'<th class="{"number" if at > 3 else ""}">{name}</th>' for at, name in enumerate(heads))
    rows = "".join(_row(trade) for trade in trades[:MOST_TRADES])
    left = len(trades) - MOST_TRADES
    more = f'<p class="faint">… and {left:,} more, which --out trades.csv has.</p>' if left > 0 else ""
    return f'<div class="card"><table><tr>{head}</tr>{rows}</table>{more}</div>'


def _row(trade: Mapping[str, Any]) -> str:
    side = "long" if trade["side"] == "buy" else "short"
    entry, closed = (trade[end][:19].replace("T", " ") for end in ("entry", "exit"))
    plain = (str(trade["number"]), side, entry, "open" if trade["open"] else closed)
    numbers = (trade["quantity"], trade["entry_price"], trade["exit_price"])
    tone = "loss-text" if trade["profit"].startswith("-") else "gain-text"
    cells = [f"<td>{escape(text)}</td>" for text in plain]
    cells += [f'<td class="number">{escape(text)}</td>' for text in numbers]
    cells += [
        f'<td class="number {tone}">{escape(amount(trade["profit"], signed=True))}</td>',
        f'<td class="number">{escape(amount(trade["fees"]))}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _fingerprint(document: Mapping[str, Any]) -> str:
    pairs = [(name.replace("_", " "), str(value), "") for name, value in document["fingerprint"].items()]
    pairs.append(("strategy sha256", str(document["strategy"]["sha256"]), ""))
    command = f'<div class="card"><code>{escape(document["command"])}</code></div>'
    return _pairs(pairs) + command
