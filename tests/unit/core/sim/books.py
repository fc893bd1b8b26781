"""Books for tests, from rows of (instant, bids, asks)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.model.fixedpoint import OWN_PUBLISHERS, split_quantity
from core.model.records import MBP10, MBP10_LEVELS, UNDEF_PRICE, Records
from core.sim.depth import Books

Side = Sequence[tuple[int, int]]


def book_records(*rows: tuple[int, Side, Side], publisher: int = OWN_PUBLISHERS + 1) -> Records:
    """`MBP10` records; levels are (price at 1e-9, quantity at 1e-8, or whole units of Databento's publishers)."""
    records = np.zeros(len(rows), MBP10)
    records["publisher_id"] = publisher
    levels = records.view(MBP10_LEVELS)["levels"]
    levels["bid_px"] = levels["ask_px"] = UNDEF_PRICE
    for number, (ts_ns, bids, asks) in enumerate(rows):
        records["ts_event"][number] = ts_ns
        for name, side in (("bid", bids), ("ask", asks)):
            for at, (price, quantity) in enumerate(side):
                low, high = split_quantity(quantity) if publisher >= OWN_PUBLISHERS else (quantity, 3)
                levels[f"{name}_px"][number, at] = price
                levels[f"{name}_sz"][number, at] = low
                levels[f"{name}_ct"][number, at] = high
    return records


def books(*rows: tuple[int, Side, Side]) -> Books:
    """Those records as `Books`."""
    return Books.of_records(book_records(*rows))
