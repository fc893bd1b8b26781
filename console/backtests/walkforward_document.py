"""What a walk-forward run brought: as JSON, as rows, as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import attrs

from console.backtests.document import CURVE_POINTS
from console.backtests.markup import card, page, warning_box
from console.backtests.plots import line_plot
from console.backtests.prepared import Prepared
from console.backtests.sweep import Row
from console.backtests.sweep_document import Document, head_of, short
from console.backtests.sweep_page import colophon, range_line, table
from console.backtests.sweep_standing import Standing, metric_names
from console.backtests.walkforward import Fold, Plan, Traded, chained, efficiency
from core.clock import iso_ns
from core.sim import performance
from core.sim.result import EquityCurve
from core.sim.thinning import thin

KIND: Final = "walk-forward"
NOTE: Final = (
    "Parameters are chosen on trades before the stretch that is traded with them. Each stretch begins flat and with "
    "the same money; averages are warm from what came before; what is open at its end is valued at the last price. "
    "The chained worth puts their returns one after the other."
)


@attrs.frozen(kw_only=True, eq=False)
class Step:
    """One fold: the row that was chosen, None when no run had the figure, and what trading with it brought."""

    fold: Fold
    chosen: Row | None
    traded: Traded | None
    error: str | None = None

    def efficiency(self) -> float | None:
        """What was gained a day while trading over what was gained a day where it was chosen."""
        if self.chosen is None or self.traded is None:
            return None
        return efficiency(
            gained=self.traded.metrics.total_return,
            traded_ns=self.fold.end_ns - self.fold.cut_ns,
            promised=self.chosen["metrics"]["total_return"],
            chosen_ns=self.fold.cut_ns - self.fold.start_ns,
        )

    def document(self, names: Sequence[str]) -> Document:
        """As JSON has it; `names` are the parameters that were varied."""
        fold = self.fold
        return {
            "fold": fold.number,
            "in_sample": {
                "start_ns": fold.start_ns,
                "start": iso_ns(fold.start_ns),
                "end_ns": fold.cut_ns,
                "end": iso_ns(fold.cut_ns),
                "metrics": {} if self.chosen is None else self.chosen["metrics"],
            },
            "out_of_sample": {
                "start_ns": fold.cut_ns,
                "start": iso_ns(fold.cut_ns),
                "end_ns": fold.end_ns,
                "end": iso_ns(fold.end_ns),
                "metrics": {} if self.traded is None else self.traded.row,
            },
            "parameters": {} if self.chosen is None else {name: self.chosen["parameters"][name] for name in names},
            "efficiency": self.efficiency(),
            "error": self.error,
        }


@attrs.frozen(kw_only=True, eq=False)
class WalkForward:
    """A finished run: `names` are the parameters that were varied."""

    prepared: Prepared
    plan: Plan
    standing: Standing
    names: Sequence[str]
    steps: Sequence[Step]
    name: str
    resumed: int
    took_s: float

    @property
    def failed(self) -> int:
        """How many runs failed, those that traded included."""
        return self.standing.failed + sum(step.error is not None for step in self.steps)

    def curve(self) -> EquityCurve:
        """The worth of the account over all stretches."""
        return chained([step.traded for step in self.steps], self.initial)

    @property
    def initial(self) -> float:
        """What the account begins with."""
        return self.prepared.accounts.by_id(self.prepared.account).initial_e12 / 10**12


def document(run: WalkForward) -> Document:
    """Everything there is to say."""
    curve = run.curve()
    steps = [step.document(run.names) for step in run.steps]
    return {
        **head_of(run.prepared, kind=KIND, name=run.name),
        "parameters": list(run.names),
        "metric": run.standing.metric.name,
        "share": float(run.plan.share),
        "anchored": run.plan.anchored,
        "note": NOTE,
        "folds": steps,
        "efficiency": overall_efficiency(run),
        "chained": {"metrics": curve_figures(curve, run.initial), "equity": _equity(curve, run.initial)},
        "refused": run.standing.refused,
        "failed": run.failed,
        "resumed": run.resumed,
        "took_s": round(run.took_s, 6),
    }


def overall_efficiency(run: WalkForward) -> float | None:
    """What was gained a day in all stretches over what was gained a day where their parameters were chosen."""
    pairs = [(step.fold, step.chosen, step.traded) for step in run.steps]
    known = [(fold, chosen, traded) for fold, chosen, traded in pairs if chosen is not None and traded is not None]
    return efficiency(
        gained=sum(traded.metrics.total_return for _fold, _chosen, traded in known),
        traded_ns=sum(fold.end_ns - fold.cut_ns for fold, _chosen, _traded in known),
        promised=sum(chosen["metrics"]["total_return"] for _fold, chosen, _traded in known),
        chosen_ns=sum(fold.cut_ns - fold.start_ns for fold, _chosen, _traded in known),
    )


def curve_figures(curve: EquityCurve, initial: float) -> dict[str, float | None]:
    """The figures of the chained worth, defined as those of a single run."""
    lasted_ns = performance.range_ns(curve)
    interval_ns = performance.return_interval_ns(lasted_ns)
    returns = performance.interval_returns(curve, initial=initial, interval_ns=interval_ns)
    per_year = performance.YEAR_NS / interval_ns
    under = performance.drawdowns(curve.equity, initial=initial)
    final = float(curve.equity[-1]) if len(curve.equity) else initial
    money = {"initial_e12": round(initial * 10**12), "final_e12": round(final * 10**12)}
    return {
        "initial": initial,
        "final": final,
        "total_return": performance.total_return(**money),
        "annual_return": performance.annual_return(**money, lasted_ns=lasted_ns),
        "volatility": None if returns is None else performance.volatility(returns, per_year=per_year),
        "sharpe": None if returns is None else performance.sharpe(returns, per_year=per_year),
        "sortino": None if returns is None else performance.sortino(returns, per_year=per_year),
        "max_drawdown": performance.max_drawdown(under),
        "max_drawdown_s": performance.max_drawdown_s(curve.ts_ns, under),
    }


def _equity(curve: EquityCurve, initial: float) -> dict[str, list[Any]]:
    if not len(curve.ts_ns):
        return {"ts_ns": [], "equity": [], "drawdown": []}
    kept = thin(curve.ts_ns, curve.equity, most=CURVE_POINTS)
    under = performance.drawdowns(curve.equity, initial=initial)[kept].tolist()
    return {
        "ts_ns": curve.ts_ns[kept].tolist(),
        "equity": curve.equity[kept].tolist(),
        "drawdown": [value if math.isfinite(value) else None for value in under],
    }


def fold_rows(run: WalkForward) -> list[dict[str, Any]]:
    """One short row a fold, for people."""
    metric = run.standing.metric.name
    figures = [metric] if metric == "total_return" else [metric, "total_return"]
    found = []
    for step in (one.document(run.names) for one in run.steps):
        before, after = step["in_sample"], step["out_of_sample"]
        row = {
            "fold": step["fold"],
            "from": before["start"][:19],
            "cut": after["start"][:19],
            "to": after["end"][:19],
        }
        row |= {name: step["parameters"].get(name) for name in run.names}
        for name in figures:
            row |= {
                f"{name} in": short(before["metrics"].get(name)),
                f"{name} out": short(after["metrics"].get(name)),
            }
        row |= {"trades": after["metrics"].get("trades"), "efficiency": short(step["efficiency"])}
        found.append({**row, "error": step["error"] or ""})
    return found


def flat_rows(run: WalkForward) -> list[dict[str, Any]]:
    """One row a fold with all figures, for CSV."""
    return [_flat(step.document(run.names), run.names) for step in run.steps]


def _flat(step: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    before, after = step["in_sample"], step["out_of_sample"]
    row = {"fold": step["fold"], "start": before["start"], "cut": after["start"], "end": after["end"]}
    row |= {name: step["parameters"].get(name) for name in names}
    row |= {f"in_{name}": before["metrics"].get(name) for name in metric_names()}
    row |= {f"out_{name}": after["metrics"].get(name) for name in metric_names()}
    return {**row, "efficiency": step["efficiency"], "error": step["error"]}


def walk_forward_page(run: WalkForward) -> str:
    """The page of a finished run."""
    head = document(run)
    title = f"Walk-forward of {head['strategy']['name']} on {head['instrument']['symbol']}"
    equity = head["chained"]["equity"]
    points = list(zip(equity["ts_ns"], equity["equity"], strict=True))
    figures = {**head["chained"]["metrics"], "efficiency": head["efficiency"]}
    parts = [
        f"<h1>{escape(title)}</h1>",
        range_line(head, f"{len(run.steps)} folds, {float(run.plan.share):.0%} to choose on"),
        warning_box(head["warnings"]),
        f"<p>{escape(NOTE)}</p>",
        card(line_plot(points, title="chained worth")),
        f"<h2>Chained</h2>{card(table([{name: short(value) for name, value in figures.items()}]))}",
        f"<h2>Folds</h2>{card(table(fold_rows(run)))}",
        colophon(head),
    ]
    return page(title, "\n".join(parts))
