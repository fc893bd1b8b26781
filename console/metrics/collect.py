"""From the status of an engine and the facts of its machine to all series at one moment. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from console.metrics.facts import MachineFacts, Space
from core.clock import NS_PER_S
from core.flow.printable import printable
from core.telemetry.frame import Column, Frame, Labels
from core.telemetry.histograms import EDGES_NS
from core.telemetry.series import COLUMNS, DELAY, PREFIX

NAN: Final = math.nan
ENDED: Final = "end of recording"
EDGES: Final = (*(repr(edge_ns / NS_PER_S) for edge_ns in EDGES_NS), "+Inf")
"""The bounds of a histogram's buckets, as Prometheus writes them: in seconds."""
_QUANTILES: Final = (("0.5", "p50_ns"), ("0.99", "p99_ns"), ("1", "max_ns"))

_COUNTS: Final = (
    ("trades", "trades_total"),
    ("quotes", "quotes_total"),
    ("book_updates", "book_updates_total"),
    ("duplicates", "duplicates_total"),
    ("out_of_order", "out_of_order_total"),
    ("recovered", "recovered_total"),
    ("lost", "lost_total"),
    ("book_breaks", "book_breaks_total"),
    ("checksum_ok", "checksums_ok_total"),
    ("checksum_bad", "checksums_bad_total"),
    ("rejected", "rejected_total"),
    ("skewed", "skewed_total"),
)
"""What a feed counts in its row of the status, and the series of it."""

Row = Mapping[str, Any]
Values = Iterable[float | None]


def collect(
    status: Row, facts: MachineFacts, *, now_ns: int, version: str = "", extra: Mapping[str, Column] | None = None
) -> Frame:
    """All series of an engine that says `status` of itself, at the wall instant `now_ns`. `extra` are columns that
    somebody else has measured, by their names."""
    columns = _Columns()
    _add_connections(columns, status)
    _add_symbols(columns, status, now_ns)
    _add_rings(columns, status["rings"])
    _add_delays(columns, status["delays"])
    _add_cache(columns, status["cache"])
    _add_store(columns, status["store"])
    _add_paper(columns, status["paper"])
    _add_machine(columns, facts)
    _add_engine(columns, status, now_ns, version)
    for name, column in (extra or {}).items():
        columns.put(name, column)
    return Frame(now_ns, columns.found)


class _Columns:
    # What was measured, by the series' whole name; a series that is not declared is a programming error.
    def __init__(self) -> None:
        self.found: dict[str, Column] = {}

    def put(self, name: str, column: Column) -> None:
        assert name in COLUMNS, name
        assert len(column.labels) == len(column.values), name
        assert not column.labels or len(column.labels[0]) == len(COLUMNS[name]), name
        if len(column.labels):
            self.found[name] = column

    def add(self, name: str, labels: tuple[Labels, ...], values: Values) -> None:
        numbers = np.array([NAN if value is None else value for value in values], np.float64)
        self.put(PREFIX + name, Column(labels, numbers))

    def one(self, name: str, value: float | None) -> None:
        self.add(name, ((),), [value])

    def by_labels(self, name: str, found: Mapping[Labels, float | None]) -> None:
        self.add(name, tuple(found), found.values())


def _add_connections(columns: _Columns, status: Row) -> None:
    rows = {row["venue"]: row for row in status["connections"]}
    labels = tuple((venue,) for venue in rows)
    found = rows.values()
    columns.add("connection_up", labels, [row["status"] == "connected" for row in found])
    columns.add("ipc_up", labels, [row.get("ipc") for row in found])
    for name in ("reconnects", "restarts", "messages", "malformed"):
        columns.add(f"{name}_total", labels, [row[name] for row in found])
    columns.add("clock_skew_seconds", labels, [row["clock_ahead_ns"] / NS_PER_S for row in found])
    legs = {(venue,): row["legs"] for venue, row in rows.items() if len(row.get("legs", ())) > 1}
    columns.by_labels("legs", {venue: len(each) for venue, each in legs.items()})
    columns.by_labels(
        "legs_up", {venue: sum(leg["status"] == "connected" for leg in each) for venue, each in legs.items()}
    )


def _add_symbols(columns: _Columns, status: Row, now_ns: int) -> None:
    rows = {(row["venue"], row["symbol"]): row for row in status["feeds"]}
    labels, found = tuple(rows), list(rows.values())
    for field, name in _COUNTS:
        columns.add(name, labels, [row.get(field, 0) for row in found])
    columns.add("gaps_total", labels, [max(row.get("recovered", 0) + row["lost"], row["gaps"]) for row in found])
    # Of a symbol that was left its counts stay, and nothing else is to be said of it.
    rows = {key: row for key, row in rows.items() if row.get("streaming", True)}
    labels, found = tuple(rows), list(rows.values())
    ended = {row["venue"] for row in status["connections"] if _is_ended(row)}
    # Before the watchdog has looked for the first time nothing is known of it.
    columns.add("stale", labels, [row["health"] in {"stale", "broken"} if row["health"] else None for row in found])
    columns.add("broken", labels, [row["health"] == "broken" if row["health"] else None for row in found])
    columns.add("silent_seconds", labels, _silences(found, now_ns, recorded=status["source"] == "recording"))
    columns.add(
        "book_invalid", labels, [row["book_state"] == "withheld" and row["venue"] not in ended for row in found]
    )
    columns.add("book_crossed", labels, [row.get("crossed") for row in found])
    prices = [row.get("price_e9") for row in found]
    columns.add("price", labels, [None if price_e9 is None else price_e9 / 1e9 for price_e9 in prices])


def _is_ended(connection: Row) -> bool:
    return (connection["status"], connection["reason"]) == ("disconnected", ENDED)


def _silences(rows: Iterable[Row], now_ns: int, *, recorded: bool) -> list[float | None]:
    # What a recording plays was received long ago.
    heard = [0 if recorded else row["last_recv_ns"] for row in rows]
    return [max(now_ns - recv_ns, 0) / NS_PER_S if recv_ns else None for recv_ns in heard]


def _add_rings(columns: _Columns, rings: Sequence[Row]) -> None:
    lags: dict[Labels, int] = {}
    fills: dict[Labels, float] = {}
    lapped: dict[Labels, int] = {}
    records: dict[Labels, int] = {}
    names: dict[str, str] = {}  # another process may call itself anything
    for ring in rings:
        key = ring["venue"], ring["symbol"], ring["schema"]
        records[key] = ring["committed"]
        capacity = ring["capacity"]
        for reader in ring["readers"]:
            name = names.get(reader["name"])
            if name is None:
                name = names[reader["name"]] = printable(reader["name"])
            of_reader = (*key, name)
            lag = max(reader["lag"], lags.get(of_reader, 0))
            lags[of_reader], fills[of_reader] = lag, lag / capacity
            lapped[of_reader] = reader["lapped"] + lapped.get(of_reader, 0)
    labels = tuple(lags)
    columns.add("ring_fill_ratio", labels, fills.values())
    columns.add("ring_lag_records", labels, lags.values())
    columns.add("ring_lapped_total", labels, lapped.values())
    columns.by_labels("ring_records_total", records)


def _add_delays(columns: _Columns, delays: Mapping[str, Row]) -> None:
    buckets: dict[Labels, float] = {
        (hop, edge): count for hop, row in delays.items() for edge, count in zip(EDGES, row["counts"], strict=True)
    }
    columns.put(f"{DELAY}_bucket", _column(buckets))
    columns.put(f"{DELAY}_sum", _column({(hop,): row["sum_ns"] / NS_PER_S for hop, row in delays.items()}))
    columns.put(f"{DELAY}_count", _column({(hop,): row["counts"][-1] for hop, row in delays.items()}))
    columns.by_labels(
        "recent_delay_seconds",
        {
            (hop, quantile): row[field] / NS_PER_S if row["max_ns"] else None
            for hop, row in delays.items()
            for quantile, field in _QUANTILES
        },
    )


def _column(found: Mapping[Labels, float]) -> Column:
    return Column(tuple(found), np.array(list(found.values()), np.float64))


def _add_cache(columns: _Columns, cache: Row | None) -> None:
    if cache is None:
        return
    tiers = {("memory",): (cache["pushes"], 0, True)}
    if cache["redis"] != "off":
        tiers["redis",] = (cache["pushes"], cache["unshared"], cache["redis"] == "up")
    for place, name in enumerate(("cache_updates_total", "cache_failures_total", "cache_up")):
        columns.by_labels(name, {tier: found[place] for tier, found in tiers.items()})


def _add_store(columns: _Columns, store: Row) -> None:
    if not store["enabled"]:
        return
    spill = store["spill"]
    kinds = [store, store["quotes"], store["book_updates"], store["bars"]]
    columns.one("store_up", not (store["problem"] or (spill is not None and spill["problem"])))
    columns.one("store_lag_seconds", store["lag_s"])
    columns.by_labels("store_rows_total", {(schema,): rows for schema, rows in store["rows_by_schema"].items()})
    columns.one("store_lost_total", sum(kind["lost"] for kind in kinds))
    columns.one("store_duplicates_total", sum(kind["duplicates"] for kind in kinds))
    if spill is not None:
        columns.one("spill_waiting", store["waiting"])


def _add_paper(columns: _Columns, paper: Row) -> None:
    if not paper["enabled"]:
        return
    trading = paper["state"] == "trading"
    columns.one("paper_up", trading)
    # While nobody trades the accounts are still there, and what is known of them is old.
    accounts = paper["worth"]

    def known(value: float) -> float | None:
        return value if trading else None

    columns.one("paper_strategies_stopped", known(paper["stopped"]))
    columns.by_labels("account_equity", {(one["id"], one["currency"]): known(one["equity"]) for one in accounts})
    columns.by_labels("account_drawdown_ratio", {(one["id"],): known(one["drawdown"]) for one in accounts})
    columns.by_labels("account_halted", {(one["id"],): known(one["halted"]) for one in accounts})


def _add_machine(columns: _Columns, facts: MachineFacts) -> None:
    columns.by_labels("disk_free_ratio", {(place,): _ratio(space) for place, space in facts.disks.items()})
    columns.by_labels("disk_free_bytes", {(place,): _bytes(space) for place, space in facts.disks.items()})
    columns.one("shm_free_ratio", _ratio(facts.shm))
    columns.one("shm_free_bytes", _bytes(facts.shm))
    columns.by_labels("budget_spent_ratio", {(period,): share for period, share in facts.spent.items()})
    columns.one("process_resident_bytes", facts.resident_bytes)
    columns.one("process_cpu_seconds_total", facts.cpu_s)
    columns.one("process_open_files", facts.open_files)


def _ratio(space: Space | None) -> float | None:
    return None if space is None else space.free_ratio


def _bytes(space: Space | None) -> float | None:
    return None if space is None else space.free_bytes


def _add_engine(columns: _Columns, status: Row, now_ns: int, version: str) -> None:
    columns.one("engine_uptime_seconds", max(now_ns - status["started_ns"], 0) / NS_PER_S)
    columns.by_labels("engine_info", {(version, status["instance_id"], status["host"], status["source"]): 1})
