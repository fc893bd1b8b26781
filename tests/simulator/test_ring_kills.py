"""Processes killed in the middle of what they do: rings and registry go on as if they had never been.

`RINGSIDE_KILLS` sets how many producers die (60 when not set); readers and instances die in proportion.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ringbuf import discovery, layout
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

KILLS = int(os.environ.get("RINGSIDE_KILLS", "60"))
SEED = 20261122
DEADLINE_S = 20.0
CAPACITY = 1024
# A record is 48 bytes: its index in the ring six times, so that one which is torn, lost or invented shows.
WORDS = 6
IDENTITY = RingIdentity(
    schema="trades", record_bytes=48, symbol="BTCUSD", venue="KRAKEN", instrument_id=7, instance="kills"
)


def numbered(first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Records that carry the indices from `first` on."""
    return np.repeat(np.arange(first, first + count, dtype=np.uint64), WORDS).view("V48")


class Witness:
    """A reader that checks every record it gets and accounts for every other."""

    def __init__(self, path: Path, name: str, *, limit: int) -> None:
        self.reader = RingReader(path, name=name, from_oldest=True)
        self.limit = limit
        self.began = self.reader.cursor
        self.seen = 0

    def look(self) -> None:
        """Read what is there."""
        batch = self.reader.pop_batch(self.limit)
        found = batch.view(np.uint64).reshape(-1, WORDS)
        cursor = self.reader.cursor
        expected = np.arange(cursor - len(batch), cursor, dtype=np.uint64)
        assert (found == expected[:, None]).all(), (found, expected)
        self.seen += len(batch)
        assert self.began + self.seen + self.reader.lapped == cursor


class Children:
    """Processes forked from this one, to be killed."""

    def __init__(self) -> None:
        self._living: list[int] = []

    def start(self, work: Callable[[], None]) -> int:
        """Run `work` in a process of its own and return its id."""
        pid = os.fork()
        if pid == 0:
            try:
                work()
            finally:
                os._exit(70)
        self._living.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        """Kill one and see that it was the kill that ended it."""
        self._living.remove(pid)
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL

    def end(self) -> None:
        """Kill those that are left."""
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.fixture
def children() -> Iterator[Children]:
    """Processes that do not outlive the test, whatever becomes of it."""
    started = Children()
    yield started
    started.end()


def until(happened: Callable[[], bool], *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Do `meanwhile` again and again until `happened`, or fail when it takes too long."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline_s
        meanwhile()


def produce(path: Path) -> None:
    """Take the ring over and write single records and batches of every size for ever."""
    writer = RingWriter(path, IDENTITY, capacity=CAPACITY)
    choose = random.Random(os.getpid())
    while True:
        count = choose.choice((1, 1, 1, 7, 100, 900))
        batch = numbered(writer.committed, count)
        if count == 1:
            writer.push(batch.tobytes())
        else:
            writer.push_batch(batch)


def test_a_producer_may_die_at_any_point(children: Children) -> None:
    """No record is torn or invented, each loss is counted, epochs grow, the readers of the first ring go on."""
    path = layout.directory() / "kills"
    RingWriter(path, IDENTITY, capacity=CAPACITY).close(unlink=False)
    pid = children.start(lambda: produce(path))
    until(lambda: _epoch(path) == 1)
    witnesses = [Witness(path, name, limit=limit) for name, limit in (("whole", 65_536), ("slow", 50), ("odd", 333))]
    sleeper = Witness(path, "sleeper", limit=65_536)
    choose = random.Random(SEED)
    half_written = 0
    for epoch in range(1, KILLS + 1):
        start = sleeper.reader.committed
        until(lambda start=start: sleeper.reader.committed > start, meanwhile=lambda: _sleep_and_look(sleeper))  # type: ignore[misc]
        for _ in range(choose.randrange(40)):
            choose.choice(witnesses).look()
        children.kill(pid)
        assert not sleeper.reader.producer_alive
        assert sleeper.reader.epoch == epoch
        half_written += sleeper.reader._words[layout.CLAIM] > sleeper.reader.committed
        for witness in (*witnesses, sleeper):
            witness.look()
        if epoch < KILLS:
            pid = children.start(lambda: produce(path))
            until(lambda epoch=epoch: sleeper.reader.epoch == epoch + 1)  # type: ignore[misc]
    print(f"{KILLS} producers killed, {half_written} of them in the middle of a write")
    last = RingWriter(path, IDENTITY, capacity=CAPACITY)
    last.push_batch(numbered(last.committed, 2 * CAPACITY))
    for witness in (*witnesses, sleeper):
        until(lambda witness=witness: witness.reader.lag == 0, meanwhile=witness.look)  # type: ignore[misc]
        assert witness.reader.cursor == last.committed
        witness.reader.close()
    last.close()
    assert list(path.parent.iterdir()) == []


def _epoch(path: Path) -> int:
    try:
        reader = RingReader(path)
    except layout.RingError:
        return 0
    epoch = reader.epoch if not reader.closed else 0
    reader.close()
    return epoch


def _sleep_and_look(witness: Witness) -> None:
    witness.reader.wait(0.01)
    witness.look()


def follow(path: Path, name: str) -> None:
    """Read as a reader does that sleeps whenever it can."""
    witness = Witness(path, name, limit=500)
    while True:
        witness.reader.wait(1)
        witness.look()


def test_a_reader_may_die_at_any_point(children: Children) -> None:
    """The producer does not notice, the dead reader's slot and FIFO come back, the living ones are served."""
    path = layout.directory() / "kills"
    writer = RingWriter(path, IDENTITY, capacity=CAPACITY)
    steady = Witness(path, "steady", limit=65_536)
    choose = random.Random(SEED)
    for _ in range(max(KILLS * 2 // 3, 1) if KILLS < 300 else KILLS // 5):
        pids = [children.start(lambda name=name: follow(path, name)) for name in ("left", "right")]  # type: ignore[misc]

        def push() -> None:
            count = choose.choice((1, 30))
            writer.push_batch(numbered(writer.committed, count))
            steady.look()

        until(lambda: len(list(path.parent.glob("*.bell*"))) >= 1, meanwhile=push)
        for _ in range(choose.randrange(60)):
            push()
        for pid in pids:
            children.kill(pid)
            push()
        assert [state.name for state in steady.reader.readers()] == ["steady"]
    assert steady.reader.lapped == 0
    fresh = [RingReader(path, name=f"fresh {number}") for number in range(layout.READER_SLOTS - 1)]
    assert list(path.parent.glob("*.bell*")) == []
    for reader in (*fresh, steady.reader):
        reader.close()
    writer.close()
    assert list(path.parent.iterdir()) == []


def announce_for_ever(name: str) -> None:
    """Announce, then change the entry as fast as it goes."""
    announced = discovery.Announcement(name, providers=["kraken"], symbols={"KRAKEN": ["BTCUSD"]})
    length = 0
    while True:
        length = (length + 37) % 300
        announced.update(symbols={"KRAKEN": [f"S{number:05d}" for number in range(length)]})


@pytest.mark.parametrize("name", ["same", ""])
def test_an_instance_may_die_while_it_writes_its_entry(children: Children, name: str) -> None:
    """Whatever is read is whole, the dead are known as dead at once, and the registry never fills with them."""
    choose = random.Random(SEED)
    for number in range(max(KILLS // 3, 1)):
        mine = name or f"engine-{number}"
        pid = children.start(lambda mine=mine: announce_for_ever(mine))  # type: ignore[misc]
        until(lambda mine=mine: any(state.instance == mine and state.alive for state in discovery.instances()))  # type: ignore[misc]
        for _ in range(choose.randrange(20)):
            for state in discovery.instances():
                (symbols,) = state.symbols.values()
                assert symbols == ("BTCUSD",) or symbols == tuple(f"S{index:05d}" for index in range(len(symbols)))
        children.kill(pid)
        assert [state.instance for state in discovery.instances() if state.alive] == []
        assert len(discovery.instances()) <= 1
    survivor = discovery.Announcement("survivor", providers=[], symbols={"KRAKEN": ["BTCUSD"]})
    assert [state.instance for state in discovery.instances()] == ["survivor"]
    survivor.close()
    assert discovery.instances() == []
