"""A sweep as rows: the best set of parameters, and a heat map or a table of all that were run. Pure."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from console.backtests import heatmap
from console.tui.backtest.document import Fold, Run, Sweep
from console.tui.backtest.figures import BY_NAME, FIGURES, Figure, figure_cell, figure_rows, number_text, style_of
from console.tui.backtest.resultrows import equity_rows, took_text
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, grouped, moment_text, title_row

_COLUMNS = ("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor", "fees", "final")
_HEADS = {"total_return": "return", "profit_factor": "profit f.", "max_drawdown": "drawdown"}
_BEST = 3
_LEAST = 4


def sweep_rows(sweep: Sweep, *, plots: bool, top: int, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """At most `height` rows of `width` cells; the table of runs or folds begins with its row `top`."""
    above = above_table(sweep, plots=plots, width=width, height=height, glyphs=glyphs)
    left = height - len(above)
    if sweep.folds:
        return [*above, *_fold_rows(sweep, top=top, width=width, height=left, glyphs=glyphs)][:height]
    hint = "" if sweep.heat is None or plots else "h: heat map"
    return [*above, *_table_rows(sweep, top=top, hint=hint, width=width, height=left, glyphs=glyphs)][:height]


@lru_cache(maxsize=2)
def above_table(sweep: Sweep, *, plots: bool, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """What stands above the table, and still while that is scrolled."""
    rows = _summary_rows(sweep, width, glyphs)
    if sweep.folds:
        if sweep.efficiency is not None:
            text = number_text(sweep.efficiency, 2, signed=True, glyphs=glyphs)
            line: Row = ((" efficiency ", "dim"),)
            rows.append(fit_row((*line, (text, style_of(sweep.efficiency))), width))
        left = max((height - len(rows)) // 2, 0)
        return [*rows, *_forward_rows(sweep, width, left, plots=plots, glyphs=glyphs)]
    if sweep.runs and not sweep.runs[0].error:
        rows += figure_rows(sweep.runs[0].metrics, width=width, most=_BEST, glyphs=glyphs)
    if plots and sweep.heat is not None:
        rows += _heat_rows(sweep, width=width, height=height - len(rows), glyphs=glyphs)
    return rows


def _summary_rows(sweep: Sweep, width: int, glyphs: Glyphs) -> list[Row]:
    count = max(sweep.combinations, len(sweep.runs))
    what = f"{grouped(len(sweep.folds))} folds" if sweep.folds else f"{grouped(count)} combinations"
    counts: list[Cell] = [(f" {what}", "text")]
    counts += [(f"  {grouped(sweep.refused)} refused", "dim")] if sweep.refused else []
    counts += [(f"  {glyphs.warning} {grouped(sweep.failed)} failed", "warn")] if sweep.failed else []
    counts += [(f"  {grouped(sweep.resumed)} known before", "dim")] if sweep.resumed else []
    counts += [(f"  took {took_text(sweep.took_s)}", "dim")] if sweep.took_s else []
    rows = [fit_row(tuple(counts), width)]
    best = sweep.runs[0] if sweep.runs and not sweep.runs[0].error else None
    if best is not None and not sweep.folds:
        figure = _figure(sweep.metric)
        text, style = figure_cell(figure, best.metrics, glyphs)
        line = [(" best ", "dim"), (_parameters_text(sweep, best), "accent"), (f"  {figure.label} ", "dim")]
        rows.append(fit_row((*line, (text, style)), width))
    rows += [
        ((fit(f" {glyphs.warning} {one}", width, ellipsis=glyphs.ellipsis), "warn"),) for one in sweep.warnings[:2]
    ]
    return rows


def _figure(metric: str) -> Figure:
    return BY_NAME.get(metric, Figure(metric, metric.replace("_", " "), "ratio"))


def _parameters_text(sweep: Sweep, run: Run) -> str:
    return "  ".join(f"{name}={value}" for name, value in zip(sweep.names, run.parameters, strict=False))


def _heat_rows(sweep: Sweep, *, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    if sweep.heat is None or height < 3:
        return []
    figure = _figure(sweep.metric)
    span = _span_text(sweep.heat, figure, glyphs)
    others = ", ".join(name for name in sweep.names if name not in (sweep.heat.x, sweep.heat.y))
    best = f"best {others}" if others else ""
    parts = (("Heat map", "title"), (figure.label, "accent"), (best, "dim"), (span, "dim"), ("h: table", "dim"))
    rows = [title_row(parts, width, glyphs)]
    found = heatmap.heat_rows(sweep.heat, width=width - 2, height=height - 1, plain=not glyphs.braille)
    for line in found[: height - 1]:
        cells: list[Cell] = [(" ", "")]
        cells += [(cell.text, f"heat_{cell.level}" if cell.level >= 0 else "dim") for cell in line]
        rows.append(fit_row(tuple(cells), width))
    return rows


def _span_text(heat: heatmap.Heat, figure: Figure, glyphs: Glyphs) -> str:
    known = [value for row in heat.values for value in row if value is not None]
    if not known:
        return ""
    # From the worst to the best.
    ends = sorted((min(known), max(known)), reverse=heat.smaller_is_better)
    first, last = (figure_cell(figure, {figure.name: Decimal(str(value))}, glyphs)[0] for value in ends)
    return f"{first} to {last}"


def _table_rows(sweep: Sweep, *, top: int, hint: str, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    if height < _LEAST:
        return []
    room = height - 2
    top = min(top, max(len(sweep.runs) - room, 0))
    last = min(top + room, len(sweep.runs))
    span = f"{top + 1} to {last} of {grouped(len(sweep.runs))}" if last - top < len(sweep.runs) else ""
    parts = (("Runs", "title"), (f"by {_figure(sweep.metric).label}", "accent"), (span, "dim"), (hint, "dim"))
    columns = fit_columns(_columns(sweep, width), width)
    rows = [title_row(parts, width, glyphs), head_row(columns, width=width, glyphs=glyphs)]
    for number, run in enumerate(sweep.runs[top:last], start=top):
        if run.error:
            line = (f" {glyphs.warning} {_parameters_text(sweep, run)}: {run.error}", "warn")
            rows.append(((fit(line[0], width, ellipsis=glyphs.ellipsis), line[1]),))
            continue
        cells: dict[str, Cell] = {
            f"parameter {name}": (value, "accent" if number == 0 else "text")
            for name, value in zip(sweep.names, run.parameters, strict=False)
        }
        cells |= {name: figure_cell(_figure(name), run.metrics, glyphs) for name in _named(sweep)}
        rows.append(table_row(columns, cells, width=width, glyphs=glyphs))
    return rows


def _named(sweep: Sweep) -> list[str]:
    names = [sweep.metric, *_COLUMNS] if sweep.metric else [*_COLUMNS]
    return list(dict.fromkeys(names))


def _columns(sweep: Sweep, width: int) -> list[Column]:
    columns = []
    for at, name in enumerate(sweep.names):
        values = [run.parameters[at] for run in sweep.runs[:200] if at < len(run.parameters)]
        most = max((len(value) for value in [name, *values]), default=6)
        columns.append(Column(f"parameter {name}", name, min(most, 12), right=True))
    used = 1 + sum(column.width + 1 for column in columns)
    for name in _named(sweep):
        figure = _figure(name)
        each = 12 if figure.kind == "money" else 9
        used += each + 1
        if used > width and len(columns) > len(sweep.names):
            break
        columns.append(Column(name, _HEADS.get(name, figure.label), each, right=True))
    return columns


def _forward_rows(sweep: Sweep, width: int, height: int, *, plots: bool, glyphs: Glyphs) -> list[Row]:
    rows = [title_row((("Walk forward", "title"), ("what was traded on data not chosen from", "dim")), width, glyphs)]
    rows += figure_rows(sweep.metrics, FIGURES, width=width, most=_BEST, glyphs=glyphs)
    left = height - len(rows)
    if plots and len(sweep.series.ts_ns) > 1 and left >= 4:
        initial = sweep.metrics.get("initial")
        base = float(initial) if initial is not None else None
        rows += equity_rows(sweep.series, base=base, equity=left - 2, drawdown=2, width=width, glyphs=glyphs)
    return rows


def _fold_rows(sweep: Sweep, *, top: int, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    if height < 3:
        return []
    label = _figure(sweep.metric).label
    columns = fit_columns(
        (
            Column("from", "from", 14),
            Column("inside", "chosen on", 9, right=True),
            Column("outside", "traded", 9, right=True),
            Column("return", "return", 9, right=True, least=70),
            Column("trades", "trades", 6, right=True, least=60),
            Column("parameters", "parameters", 8, grows=True, most=60),
        ),
        width,
    )  # fmt: skip
    count, room = len(sweep.folds), height - 2
    top = min(top, max(count - room, 0))
    span = f"{top + 1} to {top + room} of {count}" if count > room else ""
    rows = [title_row((("Folds", "title"), (f"by {label}", "accent"), (span, "dim")), width, glyphs)]
    rows.append(head_row(columns, width=width, glyphs=glyphs))
    rows += [
        table_row(columns, _fold_cells(fold, _figure(sweep.metric), glyphs), width=width, glyphs=glyphs)
        for fold in sweep.folds[top : top + room]
    ]
    return rows


def _fold_cells(fold: Fold, figure: Figure, glyphs: Glyphs) -> dict[str, Cell]:
    return {
        "from": (moment_text(fold.start_ns, decimals=0)[5:], "dim"),
        "inside": figure_cell(figure, fold.inside, glyphs),
        "outside": figure_cell(figure, fold.outside, glyphs),
        "return": figure_cell(BY_NAME["total_return"], fold.outside, glyphs),
        "trades": figure_cell(BY_NAME["trades"], fold.outside, glyphs),
        "parameters": (fold.error, "warn") if fold.error else (fold.parameters, "accent"),
    }
