"""Which records are already stored, by full 64-bit id: exact, vectorised, and nearly free while ids only grow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.model.records import Records
from core.store.repository import Ids

Mask = NDArray[np.bool_]

_NO_IDS: Ids = np.empty(0, np.int64)
_LATE_LIMIT = 65_536  # beyond this the late ids are merged into the main run, so that inserting stays cheap


def full_ids(sequences: NDArray[np.uint32], reference: int) -> Ids:
    """The full ids whose low 32 bits are `sequences`, each the one nearest to the full id `reference`."""
    distances = sequences.astype(np.int64) - (reference & 0xFFFF_FFFF)
    return distances.astype(np.int32).astype(np.int64) + reference  # int32 wraps them to the nearest


def sorted_unique(ids: Ids) -> Ids:
    """The different ones among `ids`, ascending; nearly free when they are so already."""
    if len(ids) < 2 or bool((ids[1:] > ids[:-1]).all()):
        return ids
    ordered = np.sort(ids, kind="stable")
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]


class SeenIds:
    """The ids stored in one segment.

    As long as each batch only goes up from `newest`, nothing but `newest` is kept. The first batch that does not
    makes it `load` the stored ids; they are kept from then on: an ascending run, and those that came late.
    """

    def __init__(self, newest: int | None, load: Callable[[], Ids]) -> None:
        self.newest = newest
        self._load = load
        self._run: Ids | None = None
        self._used = 0
        self._late = _NO_IDS

    def fresh(self, ids: Ids) -> Mask | None:
        """Which of `ids` are not stored and not a repetition within `ids`; None when all of them are new."""
        if not len(ids):
            return None
        ascending = len(ids) == 1 or bool((ids[1:] > ids[:-1]).all())
        newest = self.newest
        if ascending and (newest is None or int(ids[0]) > newest):
            return None
        mask = np.full(len(ids), ascending, np.bool_)
        if not ascending:
            mask[np.unique(ids, return_index=True)[1]] = True
        if newest is not None and int(ids.min()) <= newest:
            mask &= ~self._contains(ids)
        return mask

    def add(self, ids: Ids) -> None:
        """Note ids that are now stored; each must have been fresh."""
        if not len(ids):
            return
        if self._run is not None:
            self._insert(ids)
        highest = int(ids.max())
        self.newest = highest if self.newest is None else max(self.newest, highest)

    def forget(self) -> None:
        """Free the memory; the ids are loaded again when they are needed."""
        self._run, self._used, self._late = None, 0, _NO_IDS

    def _contains(self, ids: Ids) -> Mask:
        if self._run is None:
            self._run = sorted_unique(self._load())
            self._used = len(self._run)
        return _within(self._run[: self._used], ids) | _within(self._late, ids)

    def _insert(self, ids: Ids) -> None:
        assert self._run is not None
        late = np.zeros(len(ids), np.bool_) if self.newest is None else ids <= self.newest
        if late.any():
            self._late = _merged(self._late, ids[late])
        above = np.sort(ids[~late])
        needed = self._used + len(above)
        if needed > len(self._run):
            grown = np.empty(max(2 * needed, 4096), np.int64)
            grown[: self._used] = self._run[: self._used]
            self._run = grown
        self._run[self._used : needed] = above
        self._used = needed
        if len(self._late) > _LATE_LIMIT:
            self._run = _merged(self._run[:needed], self._late)
            self._used, self._late = len(self._run), _NO_IDS


def _merged(first: Ids, second: Ids) -> Ids:
    # The stable sort takes two ascending runs for what they are and merges them in one pass.
    return np.sort(np.concatenate((first, second)), kind="stable")


def _within(ascending: Ids, ids: Ids) -> Mask:
    if not len(ascending):
        return np.zeros(len(ids), np.bool_)
    at = np.searchsorted(ascending, ids)
    at[at == len(ascending)] = 0
    return np.asarray(ascending[at] == ids)


class SeenRecords:
    """Digests of the whole bytes of records stored in one segment, for those that an id does not tell apart."""

    def __init__(self, load: Callable[[], Records]) -> None:
        self._load = load
        self._digests: set[bytes] | None = None

    def fresh(self, records: Records) -> Mask:
        """Which of `records` differ from every stored one and from those before them."""
        if self._digests is None:
            self._digests = set(_digests(self._load()))
        batch: set[bytes] = set()
        mask = np.zeros(len(records), np.bool_)
        for index, digest in enumerate(_digests(records)):
            mask[index] = digest not in self._digests and digest not in batch
            batch.add(digest)
        return mask

    def add(self, records: Records) -> None:
        """Note records that are now stored."""
        if self._digests is not None:
            self._digests.update(_digests(records))

    def forget(self) -> None:
        """Free the memory; the digests are made again when they are needed."""
        self._digests = None


def _digests(records: Records) -> list[bytes]:
    raw, size = records.tobytes(), records.dtype.itemsize
    return [hashlib.blake2b(raw[at : at + size], digest_size=16).digest() for at in range(0, len(raw), size)]
