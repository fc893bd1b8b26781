"""What a sweep brought, as JSON and as rows, which are copied from the log: they are never all in memory."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TextIO

import attrs
import numpy as np

from console.backtests.document import SCHEMA_VERSION, instrument_facts
from console.backtests.execution import assumptions
from console.backtests.facts import described
from console.backtests.heatmap import Heat
from console.backtests.prepared import Prepared
from console.backtests.sweep import Row
from console.backtests.sweep_log import SweepLog
from console.backtests.sweep_standing import Standing, metric_names
from core.flow.printable import printable

KIND: Final = "sweep"
_CELL: Final = 300
_SHOWN: Final = ("total_return", "sharpe", "max_drawdown", "win_rate", "trades", "final")

Document = dict[str, Any]


@attrs.frozen(kw_only=True, eq=False)
class Sweep:
    """A finished sweep: `resumed` of its combinations were found in the log. `name` is its fingerprint."""

    prepared: Prepared
    standing: Standing
    log: SweepLog
    name: str
    resumed: int
    took_s: float

    def row(self, number: int) -> Row:
        """The row of one combination."""
        return self.log.row(self.standing.place(number))

    def lines(self, most: int | None) -> Iterator[str]:
        """The rows as JSON, the best first, `most` of them or all."""
        for number in self.standing.ranked()[:most]:
            yield self.log.text(self.standing.place(number))


def head_of(prepared: Prepared, *, kind: str, name: str) -> Document:
    """What is said of every sweep before its rows."""
    strategy = prepared.loaded.strategy
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "command": prepared.command,
        "strategy": {
            "name": strategy.name,
            "parameters": dict(prepared.parameters),
            "bars": str(prepared.bar_type or strategy.preferred_bar_type()),
            "file": str(prepared.loaded.source_path) if prepared.loaded.source_path else None,
            "sha256": prepared.loaded.sha256,
        },
        "instrument": instrument_facts(prepared.instrument, assumed=prepared.assumed),
        "data": described(prepared.data),
        "assumptions": assumptions(prepared.execution, prepared.instrument.product, depth=prepared.books is not None),
        "fingerprint": {
            "data_sha256": prepared.data_sha256,
            "code_sha256": prepared.code_sha256,
            "seed": prepared.seed,
            "id": name[:16],
        },
        "warnings": list(prepared.warnings),
    }


def counted(count: int) -> str:
    """So many runs, in words."""
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def document(sweep: Sweep) -> Document:
    """Everything but the rows."""
    standing = sweep.standing
    heat = heat_of(standing)
    best = None if standing.best is None else sweep.row(standing.best)
    return {
        **head_of(sweep.prepared, kind=KIND, name=sweep.name),
        "parameters": standing.grid.names,
        "metric": standing.metric.name,
        "smaller_is_better": standing.metric.smaller_is_better,
        "combinations": len(standing.grid),
        "refused": standing.refused,
        "failed": standing.failed,
        "resumed": sweep.resumed,
        "best": best,
        "heat": None if heat is None else heat.document(),
        "took_s": round(sweep.took_s, 6),
    }


def heat_of(standing: Standing) -> Heat | None:
    """The metric over the two parameters with the most values, at each place the best of all others; None when only
    one is varied."""
    axes = standing.grid.axes
    if len(axes) < 2:
        return None
    chosen = sorted(sorted(range(len(axes)), key=lambda at: -len(axes[at].values))[:2])
    smaller = standing.metric.smaller_is_better
    values = standing.values.reshape([len(axis.values) for axis in axes])
    others = tuple(at for at in range(len(axes)) if at not in chosen)
    if others:
        values = (np.fmin if smaller else np.fmax).reduce(values, axis=others)
    x, y = axes[chosen[0]], axes[chosen[1]]
    rows = values.T.tolist()
    return Heat(
        x=x.name,
        y=y.name,
        xs=x.values,
        ys=y.values,
        values=[[None if math.isnan(value) else value for value in row] for row in rows],
        smaller_is_better=smaller,
    )


def write_json(file: TextIO, head: Document, lines: Iterable[str]) -> None:
    """One object on one line, with the rows last."""
    file.write(json.dumps(head, separators=(",", ":"), allow_nan=False)[:-1] + ',"runs":[')
    for count, line in enumerate(lines):
        file.write(("," if count else "") + line)
    file.write("]}\n")


def write_csv(file: TextIO, names: Sequence[str], lines: Iterable[str]) -> None:
    """A column for each parameter in `names`, for each figure, and for the error."""
    writer = csv.writer(file, lineterminator="\n")
    figures = metric_names()
    writer.writerow([*names, *figures, "error"])
    for line in lines:
        row = json.loads(line)
        values = [row["parameters"][name] for name in names] + [row["metrics"].get(name) for name in figures]
        writer.writerow("" if value is None else printable(str(value), _CELL) for value in [*values, row["error"]])


def table_rows(sweep: Sweep, most: int | None) -> list[Row]:
    """The best as short rows for people."""
    metric = sweep.standing.metric.name
    figures = [metric, *(name for name in _SHOWN if name != metric)]
    found = []
    for place, line in enumerate(sweep.lines(most), 1):
        row = json.loads(line)
        found.append(
            {
                "#": place,
                **row["parameters"],
                **{name: short(row["metrics"].get(name)) for name in figures},
                "error": row["error"] or "",
            }
        )
    return found


def short(value: Any) -> Any:
    """A figure in as many digits as are read."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, str) and "." in value:
        whole, _, fraction = value.partition(".")
        return f"{whole}.{fraction[:2]}"
    return value


def summary(sweep: Sweep) -> str:
    """How it went, in one line."""
    standing, prepared = sweep.standing, sweep.prepared
    ran = standing.done + standing.failed + standing.refused - sweep.resumed
    where = f"{prepared.loaded.strategy.name} on {prepared.instrument.venue} {prepared.instrument.symbol}"
    parts = [f"{where}: {standing.done:,} of {len(standing.grid):,} combinations"]
    parts += [f"{standing.refused:,} refused"] if standing.refused else []
    parts += [f"{standing.failed:,} failed"] if standing.failed else []
    parts += [f"{sweep.resumed:,} from before"] if sweep.resumed else []
    parts += [f"{sweep.took_s:.1f} s, {ran / max(sweep.took_s, 1e-9):,.0f}/s"] if ran else []
    return ", ".join(parts)
