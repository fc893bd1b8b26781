"""When markets are open: the trading calendars of venues and datasets, from a table that comes with the program.

A calendar is that of a whole exchange. Where its products differ it has the longest hours that are known, so that
what it calls closed is seldom missed. Pure; `make_sessions.py` writes the table.
"""

from __future__ import annotations

import functools
import importlib.resources
import io
from typing import Final

import attrs
import numpy as np

from core.clock import NS_PER_S
from core.model.publishers import SIMULATED_PREFIX
from core.model.spans import NO_SPANS, Spans, clip, spans_of, union

_MINUTE_NS: Final = 60 * NS_PER_S
_FILE: Final = "sessions.npz"

_TITLES: Final = {
    "XNYS": "US equities, 04:00 to 20:00 New York",
    "CMES": "CME Globex, 17:00 to 16:00 Chicago",
    "IEPA": "ICE, 20:00 (Sundays 18:00) to 18:00 New York",
    "XEUR": "Eurex, 01:10 to 22:00 Frankfurt",
}
_EQUITIES: Final = (
    "ARCX", "BATS", "BATY", "DBEQ", "EDGA", "EDGX", "EPRL", "EQUS", "FINN", "FINY", "IEXG", "MEMX", "XASE", "XBOS",
    "XCHI", "XCIS", "XNAS", "XNYS", "XPSX",
)  # fmt: skip
_BY_PLACE: Final = {
    **dict.fromkeys(_EQUITIES, "XNYS"),
    "GLBX": "CMES",
    "IFEU": "IEPA",
    "IFUS": "IEPA",
    "XEUR": "XEUR",
}
"""Calendar by what a dataset's name begins with, up to its dot."""
_NEVER_CLOSED: Final = ("KRAKEN", "BINANCE")


@attrs.frozen(kw_only=True)
class Calendar:
    """When a market is open. From `begins_ns` to `expires_ns` it is known (to no end: None), `title` says how."""

    name: str
    title: str
    begins_ns: int = 0
    expires_ns: int | None = None
    _sessions: Spans = attrs.field(default=NO_SPANS, eq=False, repr=False)

    def open_spans(self, start_ns: int, end_ns: int) -> Spans:
        """When it is open in [`start_ns`, `end_ns`). All time of which the calendar knows nothing counts as open."""
        if self.expires_ns is None:
            return spans_of([(start_ns, end_ns)])
        unknown = spans_of([(start_ns, min(end_ns, self.begins_ns)), (max(start_ns, self.expires_ns), end_ns)])
        known = clip(self._sessions, start_ns, end_ns)
        return union(known, unknown) if len(unknown) else known


ALWAYS: Final = Calendar(name="24/7", title="always open")
UNKNOWN: Final = Calendar(name="unknown", title="hours not known: counted as always open")


def calendar_of(venue: str) -> Calendar:
    """The calendar of a venue, or of a dataset, by its name; one that is simulated keeps the hours of the real one.
    Of what is not known `UNKNOWN`."""
    place = venue.removeprefix(SIMULATED_PREFIX).partition(".")[0]
    name = _BY_PLACE.get(place)
    if name is not None:
        return _loaded()[name]
    return ALWAYS if place.startswith(_NEVER_CLOSED) else UNKNOWN


@functools.cache
def _loaded() -> dict[str, Calendar]:
    content = importlib.resources.files("core.model").joinpath(_FILE).read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as steps:
        return {
            name: _calendar(name, spans_of(np.cumsum(steps[name], dtype=np.int64) * _MINUTE_NS)) for name in steps
        }


def _calendar(name: str, sessions: Spans) -> Calendar:
    sessions.setflags(write=False)  # everybody has the same
    return Calendar(
        name=name,
        title=_TITLES[name],
        begins_ns=int(sessions[0, 0]),
        expires_ns=int(sessions[-1, 1]),
        sessions=sessions,
    )
