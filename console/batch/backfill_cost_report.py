"""`backfill cost-report`: what was paid for data, by month or otherwise, and what is left of the budgets."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.db_target import Target, add_store_option, find_target
from console.batch.times import FOREVER_NS, parse_instant
from core.errors import UsageError

if TYPE_CHECKING:
    from core.store.spending import Purchase, Spent

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "month": ("month",),
    "day": ("day",),
    "dataset": ("provider", "dataset"),
    "symbol": ("dataset", "symbol"),
    "job": ("job_id",),
}
"""What purchases are added up by, and the columns that say so."""
SUMS: Final = (
    "purchases", "open", "rows", "bytes", "estimated_usd", "paid_usd", "difference_usd", "share",
)  # fmt: skip
LONGEST_DAYS: Final = 36_600
BAR: Final = 12
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_DETAILS: Final = (
    "time",
    "provider",
    "dataset",
    "schema",
    "symbol",
    "start",
    "end",
    "state",
    "estimated_usd",
    "paid_usd",
)

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "Days and months are those of UTC, and a purchase is of the time at which it was asked for. What is asked "
        "for and not settled is open: it counts against the budgets with its estimate. With --detailed the "
        "purchases follow one by one, and are all that CSV and NDJSON have."
    )
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--month", metavar="MONTH", help="only this month, like 2026-11")
    time.add_argument("--days", type=int, metavar="N", help="only the last N days, today being one of them")
    parser.add_argument("--by", choices=tuple(GROUPS), default="month", help="what to add up (default: month)")
    parser.add_argument("--provider", help="only what was bought from this one, like databento")
    parser.add_argument("--detailed", action="store_true", help="each purchase as well, those not made included")
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was paid; that nothing was is no error."""
    from console.batch.settings_options import settings_from
    from console.spending import budget_of, plain, purchase_row, spend_state
    from core.clock import wall_ns
    from core.store.spending import ASKED, VOID

    now_ns = wall_ns()
    start_ns, end_ns = _meant(arguments, now_ns)
    target = find_target(arguments)
    budget = budget_of(settings_from(arguments).settings.backfill)
    found, spent = _read(target, start_ns, now_ns)
    wanted = [one for one in found if one.spent_ns < end_ns and _is_of(one, arguments.provider)]
    counted = [one for one in wanted if one.state != VOID]
    listed = [purchase_row(one) for one in wanted] if arguments.detailed else None
    open_usd = [one.counted_usd for one in counted if one.state == ASKED]
    envelope = {
        "schema_version": 1,
        "kind": target.kind,
        "store": target.place,
        "by": arguments.by,
        **spend_state(spent, budget),
        "total_usd": plain(_paid(counted)),
        "open_usd": plain(sum(open_usd, Decimal(0))),
        **({} if listed is None else {"purchases": listed}),
    }
    _print(added_up(counted, arguments.by), listed, envelope, form=arguments.format)
    if not counted:
        output.talk("nothing was bought")
    if arguments.format == "table":
        output.talk(told(envelope))
    return 0


def _meant(arguments: argparse.Namespace, now_ns: int) -> tuple[int, int]:
    # The (start, end) of the time that the options name.
    from core.clock import DAY_NS
    from core.store.spending import day_and_month_ns

    if arguments.days is not None:
        if not 1 <= arguments.days <= LONGEST_DAYS:
            raise UsageError("bad number", str(arguments.days)[:40], hint=f"from 1 to {LONGEST_DAYS}")
        return max(day_and_month_ns(now_ns)[0] - (arguments.days - 1) * DAY_NS, 0), FOREVER_NS
    if arguments.month is None:
        return 0, FOREVER_NS
    if not _MONTH.fullmatch(arguments.month):
        raise UsageError("bad month", ascii(arguments.month)[:40], hint="like 2026-11")
    start_ns = parse_instant(f"{arguments.month}-01")
    return start_ns, day_and_month_ns(start_ns + 31 * DAY_NS)[1]


def _read(target: Target, start_ns: int, now_ns: int) -> tuple[list[Purchase], Spent]:
    from console.spending import ledger_to_read
    from core.store.spending import ASKED, BOUGHT, VOID, Spent

    with ledger_to_read(target.url, target.catalogue) as ledger:
        if ledger is None:
            return [], Spent(today_usd=Decimal(0), month_usd=Decimal(0))
        return ledger.purchases(since_ns=start_ns, states=(ASKED, BOUGHT, VOID)), ledger.spent(now_ns)


def _is_of(purchase: Purchase, provider: str | None) -> bool:
    return provider is None or provider.lower() == purchase.provider.lower()


def _paid(purchases: Sequence[Purchase]) -> Decimal:
    return sum((one.paid_usd for one in purchases), Decimal(0))


def added_up(purchases: Sequence[Purchase], by: str) -> list[Row]:
    """The purchases added up by a key of `GROUPS`, in its order: amounts in USD as text, `share` of all that was paid
    from 0 to 1, None when nothing was. `difference_usd` is of the purchases that cost another price than estimated.
    """
    total = _paid(purchases)
    groups: dict[tuple[str, ...], list[Purchase]] = {}
    for purchase in purchases:
        groups.setdefault(_key(purchase, by), []).append(purchase)
    return [
        {**dict(zip(GROUPS[by], (name or None for name in key), strict=True)), **_sums(group, total)}
        for key, group in sorted(groups.items())
    ]


def _key(purchase: Purchase, by: str) -> tuple[str, ...]:
    from core.clock import utc_day

    day = utc_day(purchase.spent_ns)
    of_time = {"day": day, "month": day[:7]}
    return tuple(of_time[name] if name in of_time else getattr(purchase, name) for name in GROUPS[by])


def _sums(group: Sequence[Purchase], total: Decimal) -> Row:
    from console.spending import difference_of, plain
    from core.store.spending import ASKED

    paid = _paid(group)
    differences = [difference for one in group if (difference := difference_of(one)) is not None]
    return {
        "purchases": len(group),
        "open": sum(one.state == ASKED for one in group),
        "rows": sum(one.rows for one in group),
        "bytes": sum(one.billed_bytes for one in group),
        "estimated_usd": plain(sum((one.estimated_usd for one in group), Decimal(0))),
        "paid_usd": plain(paid),
        "difference_usd": plain(sum(differences, Decimal(0))) if differences else None,
        "share": round(float(paid / total), 4) if total else None,
    }


def _print(rows: list[Row], listed: list[Row] | None, envelope: Mapping[str, Any], *, form: str) -> None:
    groups = GROUPS[envelope["by"]]
    if form == "json" or (listed is None and form != "table"):
        output.write_rows(rows, form=form, envelope=envelope, columns=(*groups, *SUMS))
    elif form != "table":
        output.write_rows(listed or [], form=form, columns=_detail_columns())
    else:
        core = (*groups, *(name for name in SUMS if name not in {"open", "difference_usd"}))
        output.write_rows(_aligned([row | {"share": bar(row["share"])} for row in rows]), form=form, core=core)
        if listed:
            with output.writing():
                sys.stdout.write("\n")
        output.write_rows(_aligned([_short(row) for row in listed or []]), form=form, core=_DETAILS)


def _detail_columns() -> tuple[str, ...]:
    from console.spending import purchase_row
    from core.store.spending import Purchase

    nothing = Purchase(
        job_id="", provider="", dataset="", schema="", symbol="", start_ns=0, end_ns=0, estimated_usd=Decimal(0)
    )
    return tuple(purchase_row(nothing))


def bar(share: float | None) -> str:
    """A share from 0 to 1 as a bar and in percent, in ASCII; empty when there is none."""
    if share is None:
        return ""
    return f"{'#' * round(share * BAR):<{BAR}} {share:4.0%}"


def _aligned(rows: list[Row]) -> list[Row]:
    # Amounts are text, which a table puts to the left.
    names = [name for name in (rows[0] if rows else {}) if name.endswith("_usd")]
    widths = {name: max(len(name), *(len(row[name] or "") for row in rows)) for name in names}
    return [row | {name: row[name] and row[name].rjust(widths[name]) for name in names} for row in rows]


def _short(row: Row) -> Row:
    # Times to the second.
    return row | {name: f"{row[name][:19]}Z" for name in ("time", "start", "end")}


def told(state: Mapping[str, str | None]) -> str:
    """What was spent, and what is left of the budgets, in a sentence. `state` is as of `spend_state`."""
    from core.store.spending import dollars

    parts = []
    for name, budget, spent, left in (
        ("today", "daily_budget_usd", "today_usd", "left_today_usd"),
        ("this month", "monthly_budget_usd", "month_usd", "left_month_usd"),
    ):
        used, limit, rest = (Decimal(state[key] or 0) for key in (spent, budget, left))
        room = "no limit" if state[budget] is None else f"{dollars(rest)} of {dollars(limit)} left"
        parts.append(f"{name} {dollars(used)} ({room})")
    return f"spent {', '.join(parts)}"
