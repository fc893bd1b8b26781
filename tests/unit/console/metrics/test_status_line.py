"""The status line and the metrics of one moment are the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from console.metrics.collect import collect
from console.status import connection_delays, latency_row
from console.tui.health import HealthBook
from console.tui.snapshot import Snapshot
from console.tui.status import parse_status
from console.tui.statusline import status_rows
from console.tui.text import UNICODE
from core.clock import NS_PER_S
from core.telemetry.delays import RECEIVED_TO_RING, VENUE_TO_RECEIVED
from core.telemetry.frame import Frame
from core.telemetry.series import PREFIX
from providers.connection import ConnectionState
from tests.unit.console.metrics.documents import NOW_NS, a_connection, a_ring, a_status, a_store
from tests.unit.console.metrics.test_collect import FACTS, found

STEP_NS = 2 * NS_PER_S


def a_moment(*, messages: int, now_ns: int) -> dict[str, Any]:
    """A status made by what makes the status of an engine, with delays, lags and losses."""
    state = ConnectionState("KRAKEN")
    state.publish_delay.record_all([200_000, 900_000, 7_300_000])
    state.venue_delay.record_all([15_000_000, 48_000_000])
    return a_status(
        now_ns=now_ns,
        connections=[a_connection(messages=messages, restarts=0)],
        latency=latency_row(state),
        delays=connection_delays(state),
        rings=[a_ring(readers=(("store", 12, 3), ("paper", 37, 0))), a_ring("ETHUSD", readers=(("store", 1, 5),))],
        store=a_store(kind="postgres", place="db", repairs=[], lag_s=2.5),
    )


def total(frame: Frame, name: str) -> float:
    """The sum over all that a series tells apart."""
    return float(np.nansum(frame.columns[PREFIX + name].values))


@pytest.fixture
def moments() -> tuple[str, Frame, Frame]:
    """What the line shows after two answers, and what is measured at both."""
    before, now = a_moment(messages=1000, now_ns=NOW_NS), a_moment(messages=1084, now_ns=NOW_NS + STEP_NS)
    book = HealthBook()
    for answer in (before, now):
        status = parse_status(answer)
        book.answered(status)
    health = book.health(status, lag=0, lost=0, problems=())
    snapshot = Snapshot(now_ns=NOW_NS, status=status, health=health)
    rows = status_rows(snapshot, width=200, height=2, glyphs=UNICODE)
    line = "  ".join("".join(text for text, _ in row) for row in rows)
    frames = [collect(answer, FACTS, now_ns=answer["now_ns"]) for answer in (before, now)]
    return line, frames[0], frames[1]


def test_delays_are_the_same(moments: tuple[str, Frame, Frame]) -> None:
    """Median, 99th percentile and longest, from the socket to the ring and from the venue to the socket."""
    line, _, frame = moments

    def shown(hop: str, quantile: str) -> str:
        return f"{(found(frame, 'recent_delay_seconds', hop, quantile) or 0) * 1e3:.1f}"

    ring = [shown(RECEIVED_TO_RING, quantile) for quantile in ("0.5", "0.99", "1")]
    assert f"lat {ring[0]}/{ring[1]} ms max {ring[2]}" in line
    venue = [shown(VENUE_TO_RECEIVED, quantile) for quantile in ("0.5", "0.99")]
    assert f"venue {venue[0]}/{venue[1]} ms" in line
    assert ring[2] == "7.3"


def test_messages_lag_and_losses_are_the_same(moments: tuple[str, Frame, Frame]) -> None:
    """Messages a second from the growth of the counter, the slowest reader, what all readers missed, the store."""
    line, before, frame = moments
    grown = total(frame, "messages_total") - total(before, "messages_total")
    assert f"kraken up {grown / (STEP_NS / NS_PER_S):.0f}/s" in line
    assert f"lag {np.max(frame.columns[f'{PREFIX}ring_lag_records'].values):.0f} " in line
    assert f"lost {total(frame, 'ring_lapped_total'):.0f} " in line
    assert total(frame, "ring_lapped_total") == 8
    assert f"store {found(frame, 'store_lag_seconds')} s" in line
    assert f"store lost {found(frame, 'store_lost_total'):.0f} " in line
