"""From a status to series: every value where it belongs, nothing undeclared, nothing declared and forgotten."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from console.metrics.collect import EDGES, collect
from console.metrics.facts import MachineFacts, Space
from core.telemetry.frame import Column, Frame, Labels
from core.telemetry.series import COLUMNS, PREFIX
from tests.unit.console.metrics.documents import (
    NOW_NS,
    a_connection,
    a_feed,
    a_ring,
    a_small_status,
    a_status,
    a_store,
)

FACTS = MachineFacts(
    disks={"data": Space(30, 120)},
    shm=Space(1, 4),
    resident_bytes=1 << 20,
    cpu_s=1.5,
    open_files=80,
    spent={"day": 0.5},
)
BY_OTHERS = {f"{PREFIX}{name}" for name in ("alerts_firing", "alert_handler_up", "alert_messages_total",
                                           "alert_failures_total", "connection_down_seconds", "stale_seconds",
                                           "book_invalid_seconds")}  # fmt: skip
"""What those who watch over the engine, and over what lasts, add themselves."""
BTC: Labels = ("KRAKEN", "BTCUSD")
ETH: Labels = ("KRAKEN", "ETHUSD")


def frame_of(status: dict[str, Any], facts: MachineFacts = FACTS, extra: Mapping[str, Column] | None = None) -> Frame:
    """What is measured of an engine with that status."""
    more = {PREFIX + name: column for name, column in (extra or {}).items()}
    return collect(status, facts, now_ns=NOW_NS, version="1", extra=more)


def found(frame: Frame, name: str, *labels: str) -> float | None:
    """The value of a series, None where there is none."""
    column = frame.columns.get(PREFIX + name)
    if column is None or labels not in column.labels:
        return None
    return float(column.values[column.labels.index(labels)])


def test_what_is_declared_is_measured() -> None:
    """An engine that does everything has every column, but for those that others add."""
    assert set(frame_of(a_status()).columns) == set(COLUMNS) - BY_OTHERS


@pytest.mark.parametrize("status", [a_status(), a_small_status()], ids=["everything", "nothing yet"])
def test_a_frame_keeps_its_contract(status: dict[str, Any]) -> None:
    """Every column is declared, has the declared labels, none of them twice, and numbers."""
    for name, column in frame_of(status).columns.items():
        assert len(column.labels) == len(column.values) == len(set(column.labels))
        assert {len(labels) for labels in column.labels} == {len(COLUMNS[name])}, name
        assert column.values.dtype == np.float64


def test_an_engine_that_has_only_begun_measures_itself_alone() -> None:
    """What there is not is not there, and no zero stands for it."""
    frame = frame_of(a_small_status(), MachineFacts())
    present = {name.removeprefix(PREFIX) for name, one in frame.columns.items() if not np.isnan(one.values).all()}
    assert present == {"engine_uptime_seconds", "engine_info"}
    assert found(frame, "engine_info", "1", "desk", "daemon", "live") == 1
    assert found(frame, "engine_uptime_seconds") == 90


def test_connections_and_their_legs() -> None:
    """Up, rings, counts, the clock that is ahead, and legs where there are several."""
    frame = frame_of(a_status())
    names = ("connection_up", "ipc_up", "messages_total", "malformed_total", "reconnects_total", "restarts_total")
    assert [found(frame, name, "KRAKEN") for name in names] == [1, 1, 120, 2, 3, 1]
    assert found(frame, "clock_skew_seconds", "KRAKEN") == 0.25
    assert (found(frame, "legs", "KRAKEN"), found(frame, "legs_up", "KRAKEN")) == (2, 1)
    frame = frame_of(a_status(connections=[a_connection(status="reconnecting", ipc=False)]))
    assert (found(frame, "connection_up", "KRAKEN"), found(frame, "ipc_up", "KRAKEN")) == (0, 0)
    assert found(frame, "legs", "KRAKEN") is None


def test_symbols() -> None:
    """Counts and states by venue and symbol."""
    frame = frame_of(a_status())
    names: tuple[str, ...]
    names = ("trades", "quotes", "book_updates", "duplicates", "out_of_order", "gaps", "recovered", "lost")
    assert [found(frame, f"{name}_total", *BTC) for name in names] == [40, 50, 60, 1, 2, 9, 4, 5]
    names = ("book_breaks", "checksums_ok", "checksums_bad", "rejected", "skewed")
    assert [found(frame, f"{name}_total", *BTC) for name in names] == [6, 58, 7, 8, 9]
    names = ("stale", "broken", "book_invalid", "book_crossed", "silent_seconds", "price")
    assert [found(frame, name, *BTC) for name in names] == [0, 0, 0, 0, 2, 64_213.4]
    assert [found(frame, name, *ETH) for name in names[:3]] == [1, 0, 1]
    assert math.isnan(found(frame, "book_crossed", *ETH) or 0)


def test_a_broken_symbol_is_stale_as_well() -> None:
    """Whoever watches for old data hears of worse, too."""
    frame = frame_of(a_status(feeds=[a_feed(health="broken", crossed=True)]))
    assert [found(frame, name, *BTC) for name in ("stale", "broken", "book_crossed")] == [1, 1, 1]


def test_before_the_watchdog_looks_nothing_is_known_of_health() -> None:
    """A feed that begins again is not well because nobody has looked at it yet."""
    frame = frame_of(a_status(feeds=[a_feed(health="")]))
    assert all(math.isnan(found(frame, name, *BTC) or 0) for name in ("stale", "broken"))


def test_gaps_count_where_nobody_can_be_asked() -> None:
    """A recording's gaps are neither recovered nor lost, and count all the same."""
    frame = frame_of(a_status(feeds=[a_feed(gaps=3, recovered=0, lost=0)]))
    assert found(frame, "gaps_total", *BTC) == 3


def test_a_recording_is_neither_silent_nor_invalid_at_its_end() -> None:
    """It was received long ago, and nothing is wrong when it is over; a venue that is lost is another matter."""
    ended = a_connection(status="disconnected", reason="end of recording")
    feeds = [a_feed(book_state="withheld", last_recv_ns=5)]
    frame = frame_of(a_status(source="recording", connections=[ended], feeds=feeds))
    assert found(frame, "book_invalid", *BTC) == 0
    assert math.isnan(found(frame, "silent_seconds", *BTC) or 0)
    lost = a_connection(status="disconnected", reason="stopped")
    assert found(frame_of(a_status(connections=[lost], feeds=feeds)), "book_invalid", *BTC) == 1


def test_a_symbol_that_was_left_keeps_its_counts_alone() -> None:
    """Nobody is to be woken because it is silent."""
    frame = frame_of(a_status(feeds=[a_feed(streaming=False, health="stale")]))
    assert found(frame, "trades_total", *BTC) == 40
    assert found(frame, "stale", *BTC) is None
    assert found(frame, "silent_seconds", *BTC) is None


def test_readers_of_one_name_are_told_as_the_slowest() -> None:
    """Two screens are one series, whatever they call themselves; what they missed is added up."""
    frame = frame_of(a_status(rings=[a_ring(readers=(("screen", 8, 1), ("screen", 32, 2), ("e\x1b[2J\n", 0, 0)))]))
    key = (*BTC, "trades")
    assert found(frame, "ring_fill_ratio", *key, "screen") == 0.5
    assert found(frame, "ring_lag_records", *key, "screen") == 32
    assert found(frame, "ring_lapped_total", *key, "screen") == 3
    assert found(frame, "ring_lag_records", *key, r"e\x1b[2J\n") == 0
    assert found(frame, "ring_records_total", *key) == 1000


def test_delays() -> None:
    """Buckets by bound, sum and count, and the quantiles of the last minute; without any these are not known."""
    frame = frame_of(a_status())
    hop = "received_to_ring"
    buckets = [found(frame, "delay_seconds_bucket", hop, edge) for edge in EDGES]
    assert (buckets[0], buckets[1], buckets[-2], buckets[-1]) == (0, 1, 2, 3)
    assert found(frame, "delay_seconds_count", hop) == 3
    assert found(frame, "delay_seconds_sum", hop) == pytest.approx(40, rel=1 / 32)
    assert found(frame, "recent_delay_seconds", hop, "1") == 40
    quiet = {hop: {"counts": [0] * len(EDGES), "sum_ns": 0, "p50_ns": 0, "p99_ns": 0, "max_ns": 0}}
    assert math.isnan(found(frame_of(a_status(delays=quiet)), "recent_delay_seconds", hop, "0.5") or 0)


def test_store_and_cache() -> None:
    """Rows by schema, losses of all kinds, what waits; a tier that is not there has no series."""
    frame = frame_of(a_status())
    names = ("store_up", "store_lag_seconds", "store_lost_total", "store_duplicates_total", "spill_waiting")
    assert [found(frame, name) for name in names] == [1, 0.25, 8, 4, 12]
    assert found(frame, "store_rows_total", "mbp-1") == 20
    assert [found(frame, name, "redis") for name in ("cache_updates_total", "cache_failures_total", "cache_up")] == [
        30,
        4,
        0,
    ]
    assert found(frame, "cache_up", "memory") == 1
    frame = frame_of(a_status(store=a_store(spill=None), cache={"pushes": 1, "unshared": 0, "redis": "off"}))
    assert found(frame, "spill_waiting") is None
    assert found(frame, "cache_up", "redis") is None


@pytest.mark.parametrize("changes", [{"problem": "disk full"}, {"spill": {"problem": "no answer"}}])
def test_a_store_that_fails_is_down(changes: dict[str, Any]) -> None:
    """Whether the disk refuses or the database is away."""
    assert found(frame_of(a_status(store=a_store(**changes))), "store_up") == 0


def test_accounts_are_told_while_somebody_trades() -> None:
    """While nobody does they are still there, and nobody knows what they are worth; one that is removed is gone."""
    frame = frame_of(a_status())
    assert (found(frame, "paper_up"), found(frame, "paper_strategies_stopped")) == (1, 1)
    assert found(frame, "account_equity", "DEFAULT", "USD") == 99_000.5
    assert found(frame, "account_drawdown_ratio", "DEFAULT") == 0.01
    assert found(frame, "account_halted", "DEFAULT") == 1
    paper = a_status()["paper"] | {"state": "failed"}
    frame = frame_of(a_status(paper=paper))
    assert found(frame, "paper_up") == 0
    assert math.isnan(found(frame, "paper_strategies_stopped") or 0)
    assert math.isnan(found(frame, "account_equity", "DEFAULT", "USD") or 0)
    assert math.isnan(found(frame, "account_drawdown_ratio", "DEFAULT") or 0)
    assert math.isnan(found(frame, "account_halted", "DEFAULT") or 0)
    frame = frame_of(a_status(paper=a_status()["paper"] | {"worth": []}))
    assert found(frame, "account_halted", "DEFAULT") is None


def test_the_machine() -> None:
    """Free space, the process, and what is spent."""
    frame = frame_of(a_status())
    assert (found(frame, "disk_free_ratio", "data"), found(frame, "disk_free_bytes", "data")) == (0.25, 30)
    assert (found(frame, "shm_free_ratio"), found(frame, "shm_free_bytes")) == (0.25, 1)
    names = ("process_resident_bytes", "process_cpu_seconds_total", "process_open_files")
    assert [found(frame, name) for name in names] == [1 << 20, 1.5, 80]
    assert found(frame, "budget_spent_ratio", "day") == 0.5
    assert found(frame, "budget_spent_ratio", "month") is None


def test_others_add_what_is_declared_and_nothing_else() -> None:
    """A series that nobody declared, or one with other labels, is a programming error."""
    firing = Column((("critical",),), np.array([2.0]))
    assert found(frame_of(a_status(), extra={"alerts_firing": firing}), "alerts_firing", "critical") == 2
    for name, column in (("alerts_flying", firing), ("alerts_firing", Column((("a", "b"),), np.array([1.0])))):
        with pytest.raises(AssertionError):
            frame_of(a_status(), extra={name: column})
