"""From answers of the engine and of the command to frozen values. Pure.

Every text in them is safe to draw and every list of a bounded length, whatever was answered.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from console.tui.answers import Raw, read_count, read_list, read_mapping, read_number, read_rows, read_text
from console.tui.backtest.parsing import read_decimal, read_instant
from console.tui.coverage.document import (
    OUTSIDE,
    STATES,
    Amount,
    CoverageMap,
    DayDetail,
    Job,
    MapRow,
    Outcome,
    Plan,
    PlanRow,
    Purchase,
    Spend,
    Stretch,
    Work,
)
from console.tui.stored import Key
from console.tui.text import clean, moment_text
from core.clock import DAY_NS, parse_date

MOST_SERIES: Final = 5000
MOST_DAYS: Final = 3660
MOST_STRETCHES: Final = 500
_MOST_ROWS: Final = 200
_MOST_SYMBOLS: Final = 50
_LATEST_DAY: Final = (2**63 - 1) // DAY_NS
_MESSAGE: Final = 500
_LATEST_NS: Final = 2**63 - 1
_NANOSECONDS: Final = range(15, 20)


def read_day(row: Raw, key: str) -> int | None:
    """The day since the epoch that is written like 2026-11-22, None for anything else."""
    value = row.get(key)
    try:
        found = parse_date(value) if isinstance(value, str) else -1
    except ValueError:
        return None
    return found if 0 <= found <= _LATEST_DAY else None


def parse_map(raw: Raw) -> CoverageMap:
    """The answer to `coverage`. A day that is not told is outside of what is known.

    Raises:
        ValueError: it does not say which days it is of.
    """
    first_day = read_day(raw, "first_day")
    if first_day is None:
        raise ValueError("no first day")
    days = min(read_count(raw, "days"), MOST_DAYS, _LATEST_DAY - first_day)
    told = read_rows(raw, "rows")
    rows = {(one := _map_row(row, days)).key: one for row in told[:MOST_SERIES]}
    truncated = raw.get("truncated") is True or len(told) > MOST_SERIES
    return CoverageMap(first_day=first_day, days=days, rows=tuple(rows.values()), truncated=truncated)


def _map_row(row: Raw, days: int) -> MapRow:
    written = row.get("states")
    states = written[:days] if isinstance(written, str) else ""
    for unknown in set(states).difference(STATES):
        states = states.replace(unknown, OUTSIDE)
    return MapRow(
        key=_key(row),
        states=states.ljust(days, OUTSIDE),
        rows=read_count(row, "rows"),
    )


def _key(row: Raw) -> Key:
    return (
        read_text(row, "venue", limit=40),
        read_text(row, "symbol", limit=40),
        read_text(row, "schema", limit=20),
    )


def parse_day(raw: Raw, key: Key) -> DayDetail:
    """The answer to `coverage_day` about a series.

    Raises:
        ValueError: it does not say which day it is of.
    """
    day = read_day(raw, "day")
    if day is None:
        raise ValueError("no day")
    stretches = [_stretch(row) for row in read_rows(raw, "stretches")[:MOST_STRETCHES]]
    return DayDetail(
        key=key,
        day=day,
        rows=read_count(raw, "rows"),
        first_ns=read_instant(raw, "first_ns"),
        last_ns=read_instant(raw, "last_ns"),
        state=read_text(raw, "state", limit=20),
        stretches=tuple(one for one in stretches if one.start_ns < one.end_ns),
        calendar=read_text(raw, "calendar", limit=60),
        calendar_ends=read_day(raw, "calendar_ends"),
    )


def _stretch(row: Raw) -> Stretch:
    return Stretch(
        start_ns=read_instant(row, "start_ns"),
        end_ns=read_instant(row, "end_ns"),
        kind=read_text(row, "kind", limit=40),
        missing=_count(row, "missing"),
        detail=read_text(row, "detail", limit=200),
    )


def _count(row: Raw, key: str) -> int | None:
    return read_count(row, key) if row.get(key) is not None else None


def parse_work(raw: Raw) -> Work:
    """The answer to `backfill`, without rates."""
    spend = read_mapping(raw, "spend")
    return Work(
        jobs=tuple(_job(row) for row in read_rows(raw, "jobs")[:_MOST_ROWS]),
        spend=Spend(
            today_usd=_usd(spend, "today_usd") or Decimal(0),
            month_usd=_usd(spend, "month_usd") or Decimal(0),
            daily_budget_usd=_usd(spend, "daily_budget_usd"),
            monthly_budget_usd=_usd(spend, "monthly_budget_usd"),
            recent=tuple(_purchase(row) for row in read_rows(spend, "recent")[:_MOST_ROWS]),
        ),
    )


def _usd(row: Raw, key: str) -> Amount:
    # The beginning of a number that is too long would be another number.
    value = row.get(key)
    found = read_decimal(value) if not isinstance(value, str) or len(value) <= 40 else None
    return found if found is not None and 0 <= found < 10**12 else None


def _job(row: Raw) -> Job:
    named = [clean(one, limit=40) for one in read_list(row, "symbols")[:_MOST_SYMBOLS] if isinstance(one, str)]
    return Job(
        job_id=read_text(row, "job_id", limit=64),
        kind=read_text(row, "kind", limit=20),
        state=read_text(row, "state", limit=20),
        symbols=", ".join(named) or read_text(row, "symbols", limit=200),
        provider=read_text(row, "provider", limit=40),
        schema=read_text(row, "schema", limit=20),
        start=_moment(row, "start"),
        end=_moment(row, "end"),
        rows=read_count(row, "rows"),
        share=min(read_number(row, "share"), 1.0),
        paid_usd=_usd(row, "paid_usd"),
        message=read_text(row, "message", limit=_MESSAGE),
        updated=read_text(row, "updated", limit=40),
    )


def _moment(row: Raw, key: str) -> str:
    # As it was asked for: a date and perhaps a time, or nanoseconds since the epoch.
    written = read_text(row, key, limit=40)
    if written.isdecimal() and written.isascii() and len(written) in _NANOSECONDS and int(written) < _LATEST_NS:
        return moment_text(int(written), decimals=0)
    return written


def _purchase(row: Raw) -> Purchase:
    return Purchase(
        time=read_text(row, "time", limit=40),
        provider=read_text(row, "provider", limit=40),
        dataset=read_text(row, "dataset", limit=40),
        schema=read_text(row, "schema", limit=20),
        symbol=read_text(row, "symbol", limit=40),
        start=_moment(row, "start"),
        end=_moment(row, "end"),
        paid_usd=_usd(row, "paid_usd"),
        estimated_usd=_usd(row, "estimated_usd"),
        state=read_text(row, "state", limit=20),
    )


def parse_plan(raw: Raw) -> Plan:
    """What `fetch --dry-run` prints of one symbol.

    Raises:
        ValueError: it is no plan, or not of one symbol.
    """
    row = _only_row(raw, "plan")
    budget = read_mapping(raw, "budget")
    return Plan(
        row=PlanRow(
            symbol=read_text(row, "symbol", limit=40),
            provider=read_text(row, "provider", limit=40),
            dataset=read_text(row, "dataset", limit=40),
            reason=read_text(row, "reason", limit=200),
            days_wanted=read_count(row, "days_wanted"),
            days_stored=read_count(row, "days_stored"),
            days_closed=read_count(row, "days_closed"),
            days_left=read_count(row, "days_left"),
            bought=row.get("bought") is True,
            clamped=read_text(row, "clamped", limit=200),
            problem=read_text(row, "problem", limit=_MESSAGE),
        ),
        priced=raw.get("priced") is True,
        price_usd=_usd(raw, "price_usd"),
        records=_count(raw, "records"),
        size_bytes=_count(raw, "bytes"),
        left_today_usd=_usd(budget, "left_today_usd"),
        left_month_usd=_usd(budget, "left_month_usd"),
        notes=tuple(clean(one, limit=300) for one in read_list(raw, "notes")[:20] if isinstance(one, str)),
    )


def parse_outcome(raw: Raw) -> Outcome:
    """What a fetch of one symbol prints.

    Raises:
        ValueError: it is no such answer.
    """
    row = _only_row(raw, "fetch")
    return Outcome(
        state=read_text(row, "state", limit=20),
        stored=read_count(row, "stored"),
        duplicates=read_count(row, "duplicates"),
        rejected=read_count(row, "rejected"),
        paid_usd=_usd(row, "paid_usd"),
        problem=read_text(row, "problem", limit=_MESSAGE),
    )


def _only_row(raw: Raw, kind: str) -> Raw:
    rows = read_rows(raw, "rows")
    if raw.get("kind") != kind or len(rows) != 1:
        raise ValueError(f"not the answer of a {kind} of one symbol")
    return rows[0]
