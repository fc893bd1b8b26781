"""Readers beside a writer whose batch fails in the middle and is taken back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import ResourceExhaustedError, TransientError
from core.model.records import Records
from core.store import lock
from core.store.catalogue import Catalogue
from core.store.days import map_plain
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from tests.conformance.ticks import T0, TRADES, prices, ticks

EVER = 2**64 - 1


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """An empty catalogue."""
    made = Catalogue(tmp_path / "catalogue.sqlite3")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path, catalogue: Catalogue) -> Iterator[EmbeddedTickStore]:
    """An empty store."""
    made = EmbeddedTickStore(tmp_path / "ticks", catalogue)
    yield made
    made.close()


def test_a_reader_outlives_a_batch_taken_back(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reader has mapped of a batch that fails stays readable; it is cut off when the reader has let go."""
    monkeypatch.setattr(lock, "CUT_TIMEOUT_S", 0.0)
    store.append(TRADES, ticks([1]), 1)
    path = next((tmp_path / "ticks").rglob("*.dbn"))
    seen: list[Records] = []
    write = os.pwrite

    def torn(fd: int, content: memoryview, at: int) -> int:
        if seen:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = write(fd, content[: len(content) // 2], at)
        seen.append(map_plain(path, TRADES)[1])
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", torn)
        with pytest.raises(ResourceExhaustedError):
            store.append(TRADES, ticks(range(2, 2002)), 2001)
    assert seen[0]["price"].tolist() == list(range(1, 1002))
    with pytest.raises(TransientError, match="taking a batch back"):
        store.append(TRADES, ticks([2]), 2)
    with pytest.raises(TransientError, match="taking a batch back"):
        store.sync()
    assert seen.pop()["price"].tolist() == list(range(1, 1002))
    assert store.append(TRADES, ticks([2]), 2).rows == 1
    assert prices(store.read(TRADES, 0, EVER)) == [1, 2]


def test_order_is_not_remembered_of_what_was_taken_back(
    store: EmbeddedTickStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that saw a batch in order before it failed does not take what came in its place to be in order too."""
    history = EmbeddedHistory(tmp_path / "ticks")
    store.append(TRADES, ticks([1], stamps=[T0]), 1)
    write, seen = os.pwrite, list[int]()

    def torn(fd: int, content: memoryview, at: int) -> int:
        if seen:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = write(fd, content[: 3 * 48], at)
        seen.extend(prices(history.read(TRADES, 0, EVER)))
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", torn)
        with pytest.raises(ResourceExhaustedError):
            store.append(TRADES, ticks([2, 3, 4, 5]), 5)
    assert seen == [1, 2, 3, 4]
    store.append(TRADES, ticks([8, 7, 6], stamps=[T0 + 8, T0 + 7, T0 + 6]), 8)
    assert prices(history.read(TRADES, T0 + 6, T0 + 9)) == [6, 7, 8]
