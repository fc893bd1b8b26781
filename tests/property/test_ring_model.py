"""The ring against a plain list, and against a producer in another process."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.model.records import TRADE
from ringbuf import layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingWriter
from tests.unit.ringbuf.test_ring import IDENTITY, trades

CAPACITY = 64


class RingMachine(RuleBasedStateMachine):
    """Pushes and pops in any order; a list of everything pushed says what each reader must have seen."""

    @initialize()
    def open(self) -> None:
        """A fresh ring with two readers."""
        self.path = layout.directory() / "machine"
        self.writer = RingWriter(self.path, IDENTITY, capacity=CAPACITY)
        self.pushed = 0
        self.readers = [RingReader(self.path, name=name, dtype=TRADE) for name in "ab"]
        self.accounted = [0, 0]

    @rule(count=st.integers(1, 3 * CAPACITY), packed=st.booleans())
    def push(self, count: int, packed: bool) -> None:
        """Append records numbered on."""
        batch = trades(self.pushed, count)
        if packed:
            self.writer.push(batch.tobytes())
        else:
            self.writer.push_batch(batch)
        self.pushed += count

    @rule(which=st.integers(0, 1), limit=st.integers(1, 2 * CAPACITY))
    def pop(self, which: int, limit: int) -> None:
        """What comes is consecutive and ends where the cursor says; read plus lapped is everything."""
        reader = self.readers[which]
        lapped_before = reader.lapped
        got = reader.pop_batch(limit)["price"].tolist()
        self.accounted[which] += len(got) + reader.lapped - lapped_before
        assert self.accounted[which] == reader.cursor
        assert got == list(range(reader.cursor - len(got), reader.cursor))
        if self.pushed > 0 and lapped_before == reader.lapped and got:
            assert len(got) <= limit

    @invariant()
    def table_is_true(self) -> None:
        """The reader table shows each reader's lag and losses."""
        if hasattr(self, "readers"):
            by_name = {state.name: state for state in self.readers[0].readers()}
            for reader, name in zip(self.readers, "ab", strict=True):
                assert (by_name[name].lag, by_name[name].lapped) == (reader.lag, reader.lapped)

    def teardown(self) -> None:
        """Close everything."""
        if hasattr(self, "readers"):
            for reader in self.readers:
                reader.close()
            self.writer.close()


RingMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRing = RingMachine.TestCase


def test_no_torn_record_between_processes() -> None:
    """A reader beside a producer that laps it never sees a half-written record, and accounts for every one."""
    path = layout.directory() / "race"
    total = 200_000
    writer_ready, parent_writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        _produce(path, total, parent_writes)
    assert os.read(writer_ready, 1) == b"r"
    reader = RingReader(path, dtype=TRADE, from_oldest=True)
    seen, previous, start = 0, -1, reader.cursor
    while reader.cursor < total:
        batch = reader.pop_batch()
        if len(batch):
            assert (batch["price"] == batch["ts_event"]).all()
            assert (batch["price"] == batch["ts_recv"]).all()
            assert (np.diff(batch["price"]) == 1).all()
            assert batch["price"][0] > previous
            previous = int(batch["price"][-1])
            seen += len(batch)
    assert seen + reader.lapped == total - start
    reader.close()
    assert os.waitpid(pid, 0)[1] == 0
    os.close(writer_ready)
    os.close(parent_writes)


def _produce(path: Path, total: int, ready: int) -> None:
    # Runs in the child: whole records carry one number three times, so that a torn one shows.
    writer = RingWriter(path, IDENTITY, capacity=1024)
    os.write(ready, b"r")
    for first in range(0, total, 100):
        batch = trades(first, 100)
        batch["ts_event"] = batch["ts_recv"] = batch["price"]
        if first % 300:
            writer.push_batch(batch)
        else:
            for number in range(100):
                writer.push(batch[number : number + 1].tobytes())
    os._exit(0)
