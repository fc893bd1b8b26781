"""A killed engine's ring, taken over by the next one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from core.flow.publish import RingPublisher
from core.model.records import TRADE, Schema
from providers.connection import ConnectionState
from providers.venue.healing import HealingSink
from ringbuf import layout
from tests.unit.providers.venue.test_healing import DEADLINE_S, Past
from tests.unit.providers.venue.test_holes import BITCOIN, trade


def _rings(directory: Path) -> RingPublisher:
    return RingPublisher(directory, instance="test", named=False)


def _publish_and_die(directory: Path, *ids: int) -> None:
    pid = os.fork()
    if pid == 0:
        channel = HealingSink(_rings(directory)).channel(BITCOIN, Schema.TRADES)
        for each in ids:
            channel.push(trade(each), each)
        os._exit(9)
    os.waitpid(pid, 0)


@pytest.mark.trio
async def test_a_killed_engine_goes_on_from_its_ring() -> None:
    """The next one finds what was missed in between, and publishes no trade twice."""
    directory = layout.directory()
    _publish_and_die(directory, 1, 2, 3)
    publisher = _rings(directory)
    sink = HealingSink(publisher)
    channel = sink.channel(BITCOIN, Schema.TRADES)
    for each in (2, 3, 6):
        channel.push(trade(each), each)
    (ring,) = publisher.rings()
    connection = ConnectionState("KRAKEN")
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.run, Past(range(20)), connection)
            while ring.writer.committed < 6:
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
    assert ring.observer.pop_batch().view(TRADE)["sequence"].tolist() == [4, 5, 6]
    assert ring.writer.newest() == (6, trade(6))
    assert [(each.cause, each.recovered) for each in sink.intervals] == [("restart", 2)]
    assert sink.counts()["BTCUSD"].duplicates == 2
    publisher.close()
