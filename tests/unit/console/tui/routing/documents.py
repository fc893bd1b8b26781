"""What `fetch` prints, as a test needs it."""

from __future__ import annotations

import datetime
from typing import Any


def days(count: int = 30, *, end: str = "2026-11-22", condition: str | None = None) -> list[dict[str, Any]]:
    """Days before `end`: Saturdays are closed, those before the ninth stored, the ninth is partial."""
    found = []
    for back in range(count, 0, -1):
        day = datetime.date.fromisoformat(end) - datetime.timedelta(days=back)
        state = "stored" if day.day < 9 else "partial" if day.day == 9 else "left"
        state = "closed" if day.weekday() == 5 else state
        found.append({"day": day.isoformat(), "state": state, "condition": condition})
    return found


def row(**fields: Any) -> dict[str, Any]:
    """One symbol's plan."""
    listed = fields.get("days", days())

    def count(*states: str) -> int:
        return sum(one["state"] in states for one in listed)

    return {
        "symbol": "ESH5", "exchange": "CME", "asset_type": "futures", "provider": "databento",
        "dataset": "GLBX.MDP3", "venue": "GLBX.MDP3", "schema": "trades", "tier": "asset type", "reason": "said",
        "start": "2026-10-23T00:00:00Z", "end": "2026-11-22T00:00:00Z", "start_ns": 0, "end_ns": 0, "clamped": "",
        "days_wanted": count("stored", "partial", "left"), "days_stored": count("stored"),
        "days_closed": count("closed"), "days_left": count("partial", "left"), "records": None, "bytes": None,
        "price_usd": None, "bought": False, "calendar": "CMES", "calendar_ends": "2027-11-23", "spans": [],
        "considered": [], "days": listed, "problem": "", **fields,
    }  # fmt: skip


def plan(*, price: str | None = None, left_today: str | None = "48.75", **fields: Any) -> dict[str, Any]:
    """What a dry run prints, with a price if there is one."""
    known = {"records": 1_234_567, "bytes": 59_259_216, "price_usd": price} if price is not None else {}
    return {
        "schema_version": 1, "kind": "plan", "store": "/x", "priced": price is not None, "price_usd": price,
        "records": known.get("records"), "bytes": known.get("bytes"),
        "budget": {"max_cost_usd": None, "left_today_usd": left_today, "left_month_usd": "480"},
        "notes": [] if price is not None else ["no price was asked for; --price asks"],
        "rows": [row(**known, **fields)],
    }  # fmt: skip


def outcome(**fields: Any) -> dict[str, Any]:
    """What a fetch prints."""
    ended = {"stored": 1_234_567, "duplicates": 120, "rejected": 0, "paid_usd": "1.25", "state": "done", **fields}
    return {**plan(price="1.25"), "kind": "fetch", "rows": [row(**ended)]}
