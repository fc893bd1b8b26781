"""Answers of an engine about what is stored day by day, as the tests of the map use them."""

from __future__ import annotations

import random
from typing import Any

from console.tui.coverage.place import day_text
from core.clock import DAY_NS, NS_PER_S

HOUR_NS = 3600 * NS_PER_S
TODAY = 20_780  # 2026-11-23
NOW_NS = TODAY * DAY_NS + 9 * HOUR_NS
BTC = {"venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades"}
KEY = ("KRAKEN", "BTCUSD", "trades")


def coverage(*states: str, days: int = 365, today: int = TODAY, **fields: Any) -> dict[str, Any]:
    """An answer to `coverage` with one series for each of `states`, which end today."""
    named = [("KRAKEN", "BTCUSD", "trades"), ("KRAKEN", "BTCUSD", "mbp-1"), ("SIM.BINANCE", "ETHUSD", "trades"),
             ("GLBX.MDP3", "ESZ6", "trades")]  # fmt: skip
    rows = [
        {"venue": key[0], "symbol": key[1], "schema": key[2], "states": one.rjust(days, "."), "rows": 1000 * number}
        for number, (key, one) in enumerate(zip(named, states, strict=False), start=1)
    ]  # fmt: skip
    first = day_text(today - days + 1)
    return {"first_day": first, "days": days, "schemas": ["trades"], "rows": rows, "truncated": False, **fields}


def many(series: int, days: int = 365, *, seed: int = 1) -> dict[str, Any]:
    """An answer to `coverage` with so many series, each of its own history."""
    generator = random.Random(seed)
    rows = []
    for number in range(series):
        weekly = number % 3 == 2
        states = "".join(_state(generator, (TODAY - days + 1 + at) % 7, weekly=weekly) for at in range(days))
        begun = generator.randrange(days // 2)
        states = "." * begun + states[begun:]
        venue = ("KRAKEN", "BINANCE", "GLBX.MDP3")[number % 3]
        coin = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT")[number % 6]
        symbol = f"ES{number:02d}" if weekly else f"{coin}{number:02d}USD"
        rows.append(
            {"venue": venue, "symbol": symbol, "schema": ("trades", "mbp-1", "mbp-10")[number // 3 % 3],
             "states": states, "rows": generator.randrange(10**8)}
        )  # fmt: skip
    return {"first_day": day_text(TODAY - days + 1), "days": days, "rows": rows, "truncated": False}


def _state(generator: random.Random, weekday: int, *, weekly: bool) -> str:
    if weekly and weekday == 2:  # day 0 was a Thursday: this is a Saturday
        return "c"
    return generator.choices("#p.bg", (90, 3, 2, 4, 1))[0]


def day(number: int = TODAY - 3, **fields: Any) -> dict[str, Any]:
    """An answer to `coverage_day` with a stretch of most kinds."""
    begin_ns = number * DAY_NS
    spans = [
        (0.0, 6.5, "live", 0, ""),
        (6.5, 7.75, "disconnect", 1240, "connection reset by peer"),
        (7.75, 12.0, "live", 0, ""),
        (12.0, 12.5, "recovered", 0, "fetched from kraken"),
        (12.5, 20.0, "live", 0, ""),
        (20.0, 20.05, "lost", 7, "the venue keeps a day"),
        (20.05, 22.0, "bought", 0, "order X-1"),
        (22.0, 24.0, "never subscribed", None, ""),
    ]
    stretches = [
        {"start_ns": begin_ns + round(start * HOUR_NS), "end_ns": begin_ns + round(end * HOUR_NS), "kind": kind,
         "missing": missing, "detail": detail}
        for start, end, kind, missing, detail in spans
    ]  # fmt: skip
    return {
        **BTC, "day": day_text(number), "rows": 2_345_678,
        "first_ns": begin_ns + 1, "last_ns": begin_ns + 22 * HOUR_NS,
        "state": "partial", "stretches": stretches, "calendar": "ALWAYS", "calendar_ends": None, **fields,
    }  # fmt: skip


def work(**spend: Any) -> dict[str, Any]:
    """An answer to `backfill`: a job in each state, and two purchases."""
    jobs = [
        {"job_id": f"job-{state}", "kind": "fetch", "state": state, "symbols": ["BTCUSD", "ETHUSD"],
         "provider": "kraken", "start": "2026-10-01", "end": "2026-11-01", "rows": 120_000, "share": share,
         "paid_usd": "1.25", "message": message, "updated": "2026-11-23T08:59:30Z"}
        for state, share, message in (
            ("running", 0.42, "page 12 of BTCUSD"), ("interrupted", 0.8, "the process has ended"), ("done", 1.0, ""),
            ("failed", 0.1, "the venue does not answer"),
        )
    ]  # fmt: skip
    bought = {"provider": "databento", "dataset": "GLBX.MDP3", "schema": "trades", "symbol": "ESZ6",
              "start": "2026-10-01", "end": "2026-10-08", "estimated_usd": "1.5"}  # fmt: skip
    return {
        "jobs": jobs,
        "spend": {
            "today_usd": "2.75", "month_usd": "41", "daily_budget_usd": "10", "monthly_budget_usd": "50",
            "recent": [
                {**bought, "time": "2026-11-23T08:00:00Z", "paid_usd": "1.25", "state": "bought"},
                {**bought, "time": "2026-11-23T08:30:00Z", "paid_usd": "0", "state": "asked"},
            ],
            **spend,
        },
    }  # fmt: skip


def plan(**fields: Any) -> dict[str, Any]:
    """What `fetch --dry-run --price` prints of a free venue."""
    row = {"symbol": "BTCUSD", "exchange": "KRAKEN", "provider": "kraken", "dataset": "", "days_wanted": 1,
           "days_stored": 0, "days_closed": 0, "days_left": 1, "records": None, "bytes": None, "price_usd": "0",
           "bought": False, "clamped": "", "problem": ""}  # fmt: skip
    own = {name: value for name, value in fields.items() if name in row}
    whole = {"priced": True, "price_usd": "0", "records": None, "bytes": None, "notes": [],
             "budget": {"max_cost_usd": None, "left_today_usd": None, "left_month_usd": None}}  # fmt: skip
    head = {name: fields[name] for name in whole if name in fields}
    return {"schema_version": 1, "kind": "plan", "store": "embedded", **whole, **head, "rows": [{**row, **own}]}


def outcome(**fields: Any) -> dict[str, Any]:
    """What a fetch of one symbol prints."""
    row = {"symbol": "BTCUSD", "stored": 1240, "duplicates": 3, "rejected": 0, "paid_usd": "0", "state": "done",
           "problem": "", **fields}  # fmt: skip
    return {"schema_version": 1, "kind": "fetch", "rows": [row]}
