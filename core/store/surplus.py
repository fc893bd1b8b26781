"""Which of some records a store does not hold yet, where they have no ids by which it would know them.

Equal records are counted, for two fills may be alike in everything: of three in the offer of which one is stored two
are new. So the same offer may be stored again and again, after any interruption, and brings nothing twice. Pure.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.records import Records, Schema
from core.store.dedupe import Mask

_SAID: Final = ("ts_event", "price", "size", "side")
# What the gateway adds differs between live data and history: flags, when it was received and sent. Our own feeds
# have a part of the quantity where Databento says how long a record was on its way, and number no trade afterwards.
_OWN: Final = (*_SAID, "ts_in_delta")
_FOREIGN: Final = (*_SAID, "publisher_id", "instrument_id", "action", "depth", "sequence")


class Surplus:
    """Tells what is new of offers that follow one another. `stored` is what the store had of their time before the
    first: records of `schema` and of one series; bars are told by their instants."""

    def __init__(self, stored: Records, schema: Schema) -> None:
        self._schema = schema
        self._keys, self._left = np.unique(_keys(stored, schema), return_counts=True)

    def take(self, offered: Records) -> Mask:
        """True for each of `offered` that is new. What of the stored was recognised is not recognised again."""
        if not len(self._keys) or not len(offered):
            return np.ones(len(offered), np.bool_)
        kinds, inverse, counts = np.unique(_keys(offered, self._schema), return_inverse=True, return_counts=True)
        at = np.minimum(np.searchsorted(self._keys, kinds), len(self._keys) - 1)
        known = np.where(self._keys[at] == kinds, np.minimum(self._left[at], counts), 0)
        np.subtract.at(self._left, at, known)
        return _occurrence(inverse) >= known[inverse]


def _keys(records: Records, schema: Schema) -> NDArray[Any]:
    if schema.is_bars or not len(records):
        return np.ascontiguousarray(records["ts_event"])
    own = int(records["publisher_id"][0]) >= OWN_PUBLISHERS
    names = list(_OWN if own else _FOREIGN)
    levels = [name for name in records.dtype.names or () if name.startswith(("bid_", "ask_"))]
    packed = np.empty(len(records), [(name, records.dtype[name]) for name in (*names, *levels)])
    for name in packed.dtype.names or ():
        packed[name] = records[name]
    # As plain bytes they are compared at once and not field by field.
    return packed.view(f"S{packed.dtype.itemsize}")


def _occurrence(kinds: NDArray[np.intp]) -> NDArray[np.intp]:
    # For each the number of equal ones before it.
    order = np.argsort(kinds, kind="stable")
    ranked = kinds[order]
    begins = np.concatenate(([True], ranked[1:] != ranked[:-1]))
    first = np.maximum.accumulate(np.where(begins, np.arange(len(ranked)), 0))
    found = np.empty(len(kinds), np.intp)
    found[order] = np.arange(len(ranked)) - first
    return found
