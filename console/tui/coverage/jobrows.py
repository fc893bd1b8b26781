"""Jobs and money: what was spent against the budgets, the fetches that run or ran, what was bought last. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from console.tui.coverage.document import RUNNING, Amount, Job, Purchase, Work
from console.tui.coverage.words import money_text
from console.tui.datahead import progress_cells
from console.tui.tables import Column, fit_columns, head_row, table_row
from console.tui.text import Cell, Glyphs, Row, fit, fit_row, short_count, title_row

_JOBS: Final = (
    Column("state", "state", 13), Column("symbols", "symbols", 12, grows=True, most=26),
    Column("provider", "by", 10, least=100), Column("schema", "schema", 8, least=100),
    Column("kind", "kind", 8, least=120),
    Column("start", "from", 10, least=66), Column("end", "to", 10, least=78), Column("rows", "rows", 5, right=True),
    Column("rate", "row/s", 5, right=True), Column("share", "done", 14),
    Column("paid", "paid", 8, right=True, least=90), Column("updated", "updated", 16, least=130),
)  # fmt: skip
_PURCHASES: Final = (
    Column("time", "when", 16), Column("symbol", "symbol", 12, grows=True, most=26),
    Column("schema", "schema", 8), Column("provider", "by", 10, least=100),
    Column("dataset", "dataset", 12, least=90), Column("start", "from", 10), Column("end", "to", 10),
    Column("price", "price", 9, right=True), Column("state", "", 7, least=80),
)  # fmt: skip
_STATES: Final = {RUNNING: "accent", "done": "up", "failed": "alert", "interrupted": "warn", "cancelled": "dim"}
_DAY: Final = 10
_MINUTE: Final = 16
_BAR: Final = 40


def work_rows(work: Work | None, *, reason: str, top: int, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Exactly `height` rows; the lists are scrolled down by `top` rows."""
    title = title_row(
        (
            ("Jobs and spending", "title"),
            (f"{glyphs.warning} as last heard: {reason}" if reason and work else "", "warn"),
        ),
        width,
        glyphs,
    )
    lines: list[Row] = []
    if work is not None:
        lines = [*_spend(work, width, glyphs), *_lists(work, width, glyphs)[top:]]
    blank: Row = ((" " * width, ""),)
    return ([title, *lines] + [blank] * height)[:height]


def work_extent(work: Work | None, *, width: int, height: int, glyphs: Glyphs) -> int:
    """How far the lists can be scrolled."""
    if work is None:
        return 0
    return max(len(_lists(work, width, glyphs)) - (height - 1 - len(_spend(work, width, glyphs))), 0)


def _spend(work: Work, width: int, glyphs: Glyphs) -> list[Row]:
    spend = work.spend
    return [
        _budget("today", spend.today_usd, spend.daily_budget_usd, width, glyphs),
        _budget("this month", spend.month_usd, spend.monthly_budget_usd, width, glyphs),
    ]


def _budget(period: str, spent: Decimal, budget: Amount, width: int, glyphs: Glyphs) -> Row:
    label: Cell = (f" {period:<11}", "head")
    if budget is None:
        words = f"{money_text(spent)} spent, no budget limits it"
        return fit_row((label, (words, "text")), width)
    share = float(min(spent / budget, Decimal(1))) if budget else 1.0
    style = "alert" if spent >= budget else "warn" if share >= 0.8 else "text"
    words = f"{money_text(spent)} of {money_text(budget)}"
    left = f"{money_text(budget - spent)} left" if spent < budget else "nothing left"
    bar = progress_cells(share, max(min(_BAR, width - 46), 8), glyphs)
    return fit_row((label, *bar, (f"  {words:<22}", style), (left, "dim" if style == "text" else style)), width)


def _lists(work: Work, width: int, glyphs: Glyphs) -> list[Row]:
    jobs, recent = work.jobs, work.spend.recent
    running = sum(job.state == RUNNING for job in jobs)
    rows = [_head("Jobs", len(jobs), f"{running} running" if running else "", width, glyphs)]
    if jobs:
        columns = fit_columns(_JOBS, width)
        rows.append(head_row(columns, width=width, glyphs=glyphs))
        for job in jobs:
            rows += _job(job, columns, work.rates.get(job.job_id), width, glyphs)
    else:
        rows.append(_note("nothing was fetched yet", width, glyphs))
    rows.append(_head("Bought last", len(recent), "", width, glyphs))
    if recent:
        columns = fit_columns(_PURCHASES, width)
        rows.append(head_row(columns, width=width, glyphs=glyphs))
        rows += [_purchase(one, columns, width, glyphs) for one in recent]
    else:
        rows.append(_note("nothing was bought yet", width, glyphs))
    return rows


def _head(name: str, count: int, more: str, width: int, glyphs: Glyphs) -> Row:
    return title_row(((name, "title"), (str(count) if count else "", "dim"), (more, "accent")), width, glyphs)


def _note(text: str, width: int, glyphs: Glyphs) -> Row:
    return ((fit(f" {text}", width, ellipsis=glyphs.ellipsis), "dim"),)


def _job(job: Job, columns: tuple[Column, ...], rate: float | None, width: int, glyphs: Glyphs) -> list[Row]:
    style = _STATES.get(job.state, "text")
    sign = {RUNNING: glyphs.turning, "done": glyphs.light, "cancelled": glyphs.quiet}.get(job.state, glyphs.warning)
    cells: dict[str, Cell] = {
        "state": (f"{sign} {job.state}", style),
        "symbols": (job.symbols, "symbol"),
        "provider": (job.provider, "dim"),
        "schema": (job.schema, "text"),
        "kind": (job.kind, "dim"),
        "start": (job.start[:_DAY], "dim"),
        "end": (job.end[:_DAY], "dim"),
        "rows": (short_count(job.rows), "text"),
        "rate": (short_count(round(rate, 1)) if rate is not None else "", "text"),
        "share": (_bar(job, 14, glyphs), style if job.state == RUNNING else "dim"),
        "paid": (money_text(job.paid_usd) if job.paid_usd else glyphs.minus, "text" if job.paid_usd else "dim"),
        "updated": (_minute(job.updated), "dim"),
    }
    rows = [table_row(columns, cells, width=width, glyphs=glyphs)]
    if job.message and job.state != "done":
        rows.append(
            ((fit(f"     {job.message}", width, ellipsis=glyphs.ellipsis), "warn" if style != "accent" else "dim"),)
        )
    return rows


def _bar(job: Job, width: int, glyphs: Glyphs) -> str:
    figures = f" {int(job.share * 100):>3} %"
    return "".join(text for text, _style in progress_cells(job.share, width - len(figures), glyphs)) + figures


def _minute(written: str) -> str:
    return written[:_MINUTE].replace("T", " ")


def _purchase(one: Purchase, columns: tuple[Column, ...], width: int, glyphs: Glyphs) -> Row:
    asked = one.state == "asked"
    price = money_text(one.estimated_usd if asked or one.paid_usd is None else one.paid_usd)
    cells: dict[str, Cell] = {
        "time": (_minute(one.time), "dim"),
        "symbol": (one.symbol, "symbol"),
        "schema": (one.schema, "text"),
        "provider": (one.provider, "dim"),
        "dataset": (one.dataset, "dim"),
        "start": (one.start[:_DAY], "dim"),
        "end": (one.end[:_DAY], "dim"),
        "price": (f"~{price}" if asked and price else price or glyphs.minus, "text"),
        "state": (one.state, "warn" if asked else "dim"),
    }
    return table_row(columns, cells, width=width, glyphs=glyphs)
