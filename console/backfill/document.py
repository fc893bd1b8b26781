"""A plan, and what became of it, as the JSON that commands print and screens read."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from console.backfill.plan import CLOSED, LEFT, PARTIAL, STORED, Planned, Price, total_price
from console.backfill.run import Outcome
from console.spending import plain
from core.clock import DAY_NS, iso_ns, utc_day
from core.errors import ConsoleError
from core.store.spending import Budget, Spent

Row = dict[str, Any]
NOTHING_TO_DO: Final = "nothing to do"
_NOTHING_SPENT: Final = Spent(today_usd=Decimal(0), month_usd=Decimal(0))


@attrs.frozen(kw_only=True)
class Limits:
    """What may be spent: by one command, and of the budgets of a day and a month, of which some is `spent`."""

    max_usd: Decimal | None = None
    budget: Budget = attrs.Factory(Budget)
    spent: Spent = _NOTHING_SPENT

    @property
    def left(self) -> tuple[Decimal | None, Decimal | None]:
        """What is left of the day's budget and of the month's; None where there is no limit."""
        return self.budget.left(self.spent)

    @property
    def row(self) -> Row:
        """The same as texts."""
        today, month = self.left
        return {
            "max_cost_usd": plain(self.max_usd),
            "left_today_usd": plain(today),
            "left_month_usd": plain(month),
        }


def plan_document(
    plans: Sequence[Planned], *, store: str, limits: Limits, notes: Sequence[str], kind: str = "plan"
) -> Row:
    """The head of the document; `rows` are the caller's."""
    price = total_price(plans)
    return {
        "schema_version": 1,
        "kind": kind,
        "store": store,
        "priced": price is not None,
        **_price(price),
        "budget": limits.row,
        "notes": list(notes),
    }


def plan_row(planned: Planned, *, verbose: bool = True) -> Row:
    """One symbol's plan; days and what else was considered only when `verbose`."""
    route, series, calendar = planned.route, planned.series, planned.calendar
    ends = calendar.expires_ns if calendar is not None else None
    row: Row = {
        "symbol": planned.symbol,
        "exchange": route.exchange if route else "",
        "asset_type": route.asset_type.value if route else "",
        "provider": route.provider if route else "",
        "dataset": route.dataset if route else "",
        "venue": series.venue if series else "",
        "schema": planned.schema.value,
        "tier": route.tier.value if route else "",
        "reason": route.reason if route else "",
        "start": _instant(planned.start_ns),
        "end": _instant(planned.end_ns),
        "start_ns": planned.start_ns,
        "end_ns": planned.end_ns,
        "clamped": "; ".join(planned.clamped),
        "days_wanted": planned.count(STORED, PARTIAL, LEFT),
        "days_stored": planned.count(STORED),
        "days_closed": planned.count(CLOSED),
        "days_left": planned.count(PARTIAL, LEFT),
        **_price(planned.price),
        "bought": bool(planned.price and planned.price.bought),
        "calendar": calendar.name if calendar is not None else "",
        "calendar_ends": utc_day(ends) if ends is not None else None,
        "spans": [_span(start_ns, end_ns) for start_ns, end_ns in planned.spans.tolist()],
    }
    if verbose:
        row["considered"] = [_plain(each) for each in planned.decision.considered]
        row["days"] = [
            {"day": utc_day(day.day * DAY_NS), "state": day.state, "condition": day.condition} for day in planned.days
        ]
    return row | {"problem": _said(planned.problem)}


def outcome_row(outcome: Outcome, *, verbose: bool = False) -> Row:
    """What became of one symbol's plan."""
    row = plan_row(outcome.planned, verbose=verbose)
    nothing = outcome.problem is None and not len(outcome.planned.spans)
    return row | {
        "stored": outcome.stored.rows,
        "duplicates": outcome.stored.duplicates,
        "rejected": outcome.stored.rejected + outcome.rejected,
        "paid_usd": plain(outcome.paid_usd),
        "share": round(outcome.share, 4),
        "state": NOTHING_TO_DO if nothing else outcome.state,
        "problem": _said(outcome.problem),
    }


def _price(price: Price | None) -> Row:
    if price is None:
        return {"price_usd": None, "records": None, "bytes": None}
    return {"price_usd": plain(price.usd), "records": price.records, "bytes": price.size_bytes}


def _span(start_ns: int, end_ns: int) -> Row:
    return {"start": _instant(start_ns), "end": _instant(end_ns), "start_ns": start_ns, "end_ns": end_ns}


def _instant(instant_ns: int) -> str:
    text = iso_ns(instant_ns)
    return f"{text[:19]}Z" if text.endswith(".000000000Z") else text


def _plain(value: Any) -> Row:
    return {name: getattr(item, "value", item) for name, item in attrs.asdict(value).items()}


def _said(problem: ConsoleError | None) -> str:
    return "" if problem is None else str(problem)
