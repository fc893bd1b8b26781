"""From the JSON that the command `backtest` prints to frozen values. Pure.

Every text in them is safe to draw and every number finite, whatever was printed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import numpy as np

from console.backtests.heatmap import Heat
from console.tui.answers import Raw, read_count, read_list, read_mapping, read_rows, read_text
from console.tui.backtest.document import (
    Answer,
    DataFacts,
    Deal,
    Fold,
    Note,
    Preview,
    Result,
    Run,
    Series,
    Sweep,
)
from console.tui.child import UnreadableError
from console.tui.text import clean
from core.bars.candles import CANDLE
from core.errors import ConsoleError
from core.model.fixedpoint import parse_price, parse_quantity
from core.model.records import Records

_LATEST_NS: Final = 2**63 - 1
_MOST_SENTENCES: Final = 50


def read_instant(row: Raw, key: str) -> int:
    """Nanoseconds since the epoch, 0 for what is no instant."""
    value = read_count(row, key)
    return value if value <= _LATEST_NS else 0


def read_decimal(value: object) -> Decimal | None:
    """A finite number of an ordinary size, however it is written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = Decimal(str(value)[:60])
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < Decimal("1e30") else None


def read_floats(row: Raw, key: str) -> tuple[float, ...]:
    """The numbers of a list; what is none is the one before it."""
    found: list[float] = []
    for value in read_list(row, key):
        number = read_decimal(value)
        found.append(float(number) if number is not None else found[-1] if found else 0.0)
    return tuple(found)


def read_warnings(row: Raw) -> tuple[str, ...]:
    """The sentences under `warnings`."""
    return tuple(
        clean(one, limit=300) for one in read_list(row, "warnings")[:_MOST_SENTENCES] if isinstance(one, str)
    )


def read_notes(row: Raw) -> tuple[Note, ...]:
    """All there is to know of how an answer came about."""
    data, fingerprint = read_mapping(row, "data"), read_mapping(row, "fingerprint")
    facts = [
        f"{clean(str(name), limit=40).replace('_', ' ')}: {said}"
        for name, value in data.items()
        if not str(name).endswith("_ns") and (said := _said(value))
    ]
    prints = [
        f"{clean(str(name), limit=40)}: {said}" for name, value in fingerprint.items() if (said := _said(value))
    ]
    found = (
        ("Warnings", read_warnings(row)),
        (
            "How it was run",
            tuple(text for one in read_list(row, "assumptions")[:_MOST_SENTENCES] if (text := _said(one))),
        ),
        ("Note", (read_text(row, "note", limit=1000),) if read_text(row, "note") else ()),
        ("Data", tuple(facts)),
        ("Fingerprint", tuple(prints)),
    )
    return tuple((name, sentences) for name, sentences in found if sentences)


def _said(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return clean(value, limit=500) if isinstance(value, str) else f"{value:,}"[:60]


def read_metrics(row: Raw) -> dict[str, Decimal | None]:
    """Every figure of an object by its name."""
    return {clean(str(name), limit=40): read_decimal(value) for name, value in row.items()}


def parse_document(raw: Raw) -> Answer:
    """The answer in a document.

    Raises:
        UnreadableError: it is none of the kinds known.
    """
    kind = raw.get("kind")
    if kind == "backtest":
        return _result(raw)
    if kind == "preview":
        return _preview(raw)
    if kind in ("sweep", "walk-forward"):
        return parse_sweep(raw)
    shown = clean(kind, limit=30) if isinstance(kind, str) else "nothing known"
    raise UnreadableError(f"it printed a document of {shown}")


def _result(raw: Raw) -> Result:
    strategy, account = read_mapping(raw, "strategy"), read_mapping(raw, "account")
    instrument = read_mapping(raw, "instrument")
    return Result(
        name=f"{read_text(strategy, 'name')} on {_instrument(instrument)}",
        setting=f"{parameters_text(read_mapping(strategy, 'parameters'))}  {read_text(strategy, 'bars')}".strip(),
        currency=read_text(account, "currency"),
        metrics=read_metrics(read_mapping(raw, "metrics")),
        series=read_series(read_mapping(raw, "equity")),
        deals=tuple(_deal(row) for row in read_rows(raw, "trades")),
        data=_data(read_mapping(raw, "data")),
        fingerprint=read_text(read_mapping(raw, "fingerprint"), "id"),
        warnings=read_warnings(raw),
        took_s=float(read_decimal(raw.get("took_s")) or 0),
        notes=read_notes(raw),
        raw=raw,
    )


def _instrument(row: Raw) -> str:
    assumed = " (assumed)" if row.get("assumed") is True else ""
    return f"{read_text(row, 'symbol')} {read_text(row, 'venue')}{assumed}"


def parameters_text(row: Raw) -> str:
    """`short=5 long=20`."""
    words = []
    for name, value in row.items():
        number = read_decimal(value)
        words.append(f"{clean(str(name), limit=30)}={'?' if number is None else f'{number.normalize():f}'[:30]}")
    return " ".join(words)


def _deal(row: Raw) -> Deal:
    return Deal(
        side=read_text(row, "side"),
        entry_ns=read_instant(row, "entry_ns"),
        exit_ns=read_instant(row, "exit_ns"),
        quantity=read_decimal(row.get("quantity")) or Decimal(0),
        entry=read_decimal(row.get("entry_price")) or Decimal(0),
        exit=read_decimal(row.get("exit_price")) or Decimal(0),
        profit=read_decimal(row.get("profit")) or Decimal(0),
        fees=read_decimal(row.get("fees")) or Decimal(0),
        open=row.get("open") is True,
    )


def _data(row: Raw) -> DataFacts:
    return DataFacts(
        source=read_text(row, "source", limit=4096),
        rows=read_count(row, "rows"),
        first_ns=read_instant(row, "first_ns"),
        last_ns=read_instant(row, "last_ns"),
        bars=read_count(row, "bars"),
        synthetic=min(float(read_decimal(row.get("synthetic_share")) or 0), 1.0),
        gaps=read_count(row, "gaps"),
        duplicates=read_count(row, "duplicates"),
        out_of_order=read_count(row, "out_of_order"),
    )


def read_series(row: Raw) -> Series:
    """The curves of a result. Raises `UnreadableError` when they make no sense."""
    instants = [value for value in read_list(row, "ts_ns") if isinstance(value, int) and 0 <= value <= _LATEST_NS]
    equity, drawdown, price = (read_floats(row, name) for name in ("equity", "drawdown", "price"))
    if any(later < earlier for earlier, later in itertools.pairwise(instants)):
        raise UnreadableError("the instants of its curve are out of order")
    count = len(instants)
    if count != len(equity):
        raise UnreadableError("its curve has not as many values as instants")
    return Series(
        ts_ns=tuple(instants),
        equity=equity,
        drawdown=tuple(-abs(value) for value in drawdown) if len(drawdown) == count else (),
        price=price if len(price) == count else (),
    )


def _preview(raw: Raw) -> Preview:
    rows = read_rows(raw, "bars")
    return Preview(
        name=_instrument(read_mapping(raw, "instrument")),
        setting=read_text(raw, "timeframe"),
        data=_data(read_mapping(raw, "data")),
        bars=_bars(rows),
        price_decimals=max((_decimals(row.get("close")) for row in rows), default=2),
        warnings=read_warnings(raw),
        notes=read_notes(raw),
    )


def _decimals(text: object) -> int:
    return min(len(text.partition(".")[2]), 9) if isinstance(text, str) else 0


def _bars(rows: Sequence[Raw]) -> Records:
    found = np.zeros(len(rows), CANDLE)
    for bar, row in zip(found, rows, strict=True):
        bar["ts_event"] = read_instant(row, "ts_event_ns")
        try:
            for name in ("open", "high", "low", "close"):
                bar[name] = parse_price(read_text(row, name, limit=40))
            bar["volume"] = min(parse_quantity(read_text(row, "volume", limit=40)), _LATEST_NS)
        except (ValueError, ConsoleError) as error:
            raise UnreadableError(f"a bar that is none: {clean(str(error))}") from error
    return found


def parse_sweep(raw: Raw) -> Sweep:
    """A sweep or a walk-forward."""
    names = tuple(clean(one, limit=40) for one in read_list(raw, "parameters") if isinstance(one, str))
    runs = tuple(_run(row, names) for row in read_rows(raw, "runs"))
    folds, chained = tuple(_fold(row) for row in read_rows(raw, "folds")), read_mapping(raw, "chained")
    failed = tuple(
        dict.fromkeys(error for error in [one.error for one in runs] + [one.error for one in folds] if error)
    )
    return Sweep(
        name=_sweep_name(raw),
        names=names,
        metric=read_text(raw, "metric"),
        runs=runs,
        heat=_heat(read_mapping(raw, "heat"), smaller_is_better=raw.get("smaller_is_better") is True),
        combinations=read_count(raw, "combinations"),
        refused=read_count(raw, "refused"),
        failed=read_count(raw, "failed"),
        resumed=read_count(raw, "resumed"),
        took_s=float(read_decimal(raw.get("took_s")) or 0),
        folds=folds,
        series=read_series(read_mapping(chained, "equity")),
        metrics=read_metrics(read_mapping(chained, "metrics")),
        efficiency=read_decimal(raw.get("efficiency")),
        data_sha256=read_text(read_mapping(raw, "fingerprint"), "data_sha256"),
        warnings=read_warnings(raw),
        notes=((("What failed", failed[:_MOST_SENTENCES]),) if failed else ()) + read_notes(raw),
    )


def _fold(row: Raw) -> Fold:
    inside, outside = read_mapping(row, "in_sample"), read_mapping(row, "out_of_sample")
    return Fold(
        start_ns=read_instant(outside, "start_ns"),
        end_ns=read_instant(outside, "end_ns"),
        parameters=parameters_text(read_mapping(row, "parameters")),
        inside=read_metrics(read_mapping(inside, "metrics")),
        outside=read_metrics(read_mapping(outside, "metrics")),
        error=read_text(row, "error", limit=300),
    )


def _sweep_name(raw: Raw) -> str:
    return f"{read_text(read_mapping(raw, 'strategy'), 'name')} on {_instrument(read_mapping(raw, 'instrument'))}"


def _run(row: Raw, names: Sequence[str]) -> Run:
    given = read_mapping(row, "parameters")
    return Run(
        parameters=tuple(read_text(given, name, limit=30) for name in names),
        metrics=read_metrics(read_mapping(row, "metrics")),
        error=read_text(row, "error", limit=300),
    )


def _heat(row: Raw, *, smaller_is_better: bool) -> Heat | None:
    xs, ys = (
        tuple(clean(one, limit=20) for one in read_list(row, name) if isinstance(one, str)) for name in ("xs", "ys")
    )
    lines = [line for line in read_list(row, "values") if isinstance(line, list) and len(line) == len(xs)]
    if not xs or len(lines) != len(ys):
        return None
    values = tuple(tuple(_maybe_float(value) for value in line) for line in lines)
    return Heat(x=read_text(row, "x"), y=read_text(row, "y"), xs=xs, ys=ys, values=values,
                smaller_is_better=smaller_is_better)  # fmt: skip


def _maybe_float(value: object) -> float | None:
    number = read_decimal(value)
    return None if number is None else float(number)
