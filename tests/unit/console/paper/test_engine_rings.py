"""When those who trade on paper are given the rings of an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from console.paper.engine_rings import PATIENCE_S, AwaitedRings, missing_venues
from console.storage import StoredRing
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from core.store.repository import SeriesKey


def status_of(*venues: str, rings: tuple[tuple[str, str], ...] = (), **standing: str) -> dict[str, Any]:
    """A status with these connections, and rings by (venue, schema)."""
    connections = [{"venue": venue, "status": standing.get(venue, "connected")} for venue in venues]
    return {"connections": connections, "rings": [{"venue": on, "schema": schema} for on, schema in rings]}


def ring(schema: Schema) -> StoredRing:
    """A ring of one symbol."""
    instrument = Instrument(
        venue="A",
        symbol="BTCUSD",
        venue_symbol="BTC/USD",
        canonical="BTC/USD",
        base="BTC",
        quote="USD",
        settle="",
        product=Product.SPOT,
        price_decimals=1,
        quantity_decimals=8,
        price_increment_e9=10**8,
        quantity_increment_e8=1,
    )
    return StoredRing(Path("/ring"), 7, SeriesKey("A", "BTCUSD", schema), instrument)


def test_every_venue_that_was_not_given_up_is_waited_for() -> None:
    """A venue counts once it has a ring of trades; before there is any connection one without a name is missing."""
    assert missing_venues({}) == [""]
    assert missing_venues(status_of("A", "B", rings=(("A", "trades"), ("B", "mbp-1")))) == ["B"]
    assert missing_venues(status_of("A", "B", rings=(("A", "trades"),), B="error")) == []


@pytest.mark.trio
async def test_no_ring_is_listed_before_there_is_one_of_each_venue() -> None:
    """Then those of trades are, and go on to be when a venue has none any more."""
    said = status_of("A", "B", rings=(("A", "trades"),))
    rings = AwaitedRings(lambda: said, lambda: [ring(Schema.TRADES), ring(Schema.QUOTES)])
    assert (rings(), rings.waits_for) == ([], ["B"])
    said = status_of("A", "B", rings=(("A", "trades"), ("B", "trades")))
    (found,) = rings()
    assert (found.path, found.inode, found.instrument.symbol, rings.waits_for) == (Path("/ring"), 7, "BTCUSD", [])
    said = status_of("A", "B")
    assert len(rings()) == 1


@pytest.mark.trio
async def test_a_venue_that_does_not_answer_is_not_waited_for_for_ever(autojump_clock: MockClock) -> None:
    """After a while what the others have is listed."""
    rings = AwaitedRings(lambda: status_of("A", "B"), lambda: [ring(Schema.TRADES)])
    assert rings() == []
    autojump_clock.jump(PATIENCE_S)
    assert len(rings()) == 1
