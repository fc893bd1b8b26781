"""Our own publishers: one number and one DBN dataset name a venue, beyond the range Databento gives out.

Data from the market generator gets publishers and venue names of its own (`SIM.KRAKEN`), so that it can never
be taken for a venue's; so does data from the place where a venue lets its customers practise. A recording of a
venue keeps the venue's.
"""

from __future__ import annotations

from typing import Final

import attrs

from core.model.fixedpoint import OWN_PUBLISHERS

SIMULATED_PREFIX: Final = "SIM."


@attrs.frozen
class Publisher:
    """Who sent a record: `publisher_id` as in the record, `dataset` as in the file's header (15 characters)."""

    venue: str
    publisher_id: int
    dataset: str


_VENUES = (
    ("KRAKEN", "KRAKEN.SPOT"),
    ("KRAKEN_FUTURES", "KRAKEN.FUT"),
    ("BINANCE", "BINANCE.SPOT"),
    ("KRAKEN_FUTURES_DEMO", "KRAKEN.FUT.DEMO"),
)
_SIMULATED_OFFSET = 256

PUBLISHERS: Final[dict[str, Publisher]] = {
    publisher.venue: publisher
    for number, (venue, dataset) in enumerate(_VENUES, start=1)
    for publisher in (
        Publisher(venue, OWN_PUBLISHERS + number, dataset),
        Publisher(
            SIMULATED_PREFIX + venue,
            OWN_PUBLISHERS + _SIMULATED_OFFSET + number,
            (SIMULATED_PREFIX + dataset.replace(".SPOT", ""))[:15],
        ),
    )
}
"""Publisher by venue name."""
