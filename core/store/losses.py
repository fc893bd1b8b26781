"""Records that a damaged file held and that cannot be read any more: how many, of which time, and whether they are in
the store again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs

from core.clock import DAY_NS
from core.errors import ConsoleError
from core.model.records import UNDEF_TIMESTAMP
from core.store.days import DayReader
from core.store.paths import day_of_path, days_of_folder, is_segment_name
from core.store.repository import DAMAGED_FILE, Gap, SeriesKey
from core.store.sealed import read_seal_facts
from core.store.segment import SegmentFacts

_ASIDE: Final = re.compile(r"(.+)\.damaged-\d+")


@attrs.frozen(kw_only=True)
class Loss:
    """`rows` records of a series with `start_ns <= ts_event < end_ns`, 0 when it is not known how many, of which the
    damaged file is kept as `aside`, if any. `beside` counts the records of that time that were stored besides."""

    series: SeriesKey
    start_ns: int
    end_ns: int
    rows: int
    beside: int = 0
    aside: Path | None = None

    @property
    def gap(self) -> Gap:
        """The same as a gap."""
        return Gap(series=self.series, start_ns=self.start_ns, end_ns=self.end_ns, rows=self.rows, cause=DAMAGED_FILE)

    def missing(self, folder: Path) -> int:
        """How many of its records the series' `folder` does not hold now. Of other records that came for the same
        time meanwhile it takes so many for these."""
        now = _stored_between(folder, self.series, self.start_ns, self.end_ns)
        return max(self.rows - max(now - self.beside, 0), 0)


def is_put_aside(path: Path) -> bool:
    """Whether a file has the name of a damaged segment that was put aside."""
    match = _ASIDE.fullmatch(path.name)
    return match is not None and is_segment_name(match[1])


def asides_of(segment: Path, strays: list[Path]) -> list[Path]:
    """Those of `strays` that were put aside under the name of a segment."""
    found = [(path, _ASIDE.fullmatch(path.name)) for path in strays]
    return [path for path, match in found if match is not None and match[1] == segment.name]


def loss_of(
    path: Path, series: SeriesKey, *, known: SegmentFacts | None, left: SegmentFacts | None, aside: Path | None
) -> Loss | None:
    """What was lost of the segment at `path`, of which the catalogue said `known` and of which there is `left` what
    could be used, the damaged file as `aside`; None when nothing was."""
    if known is None and left is None and aside is not None:
        return loss_of_aside(aside, series) or _unknown(path, series, aside)
    if known is None or (left is not None and left.generation != known.generation):
        return None  # what the catalogue said was of another file
    rows = known.rows - (0 if left is None else left.rows)
    if rows <= 0:
        return None
    return _counted(path.parent, series, attrs.evolve(known, rows=rows), aside)


def loss_of_aside(aside: Path, series: SeriesKey) -> Loss | None:
    """What a sealed day that was put aside held by its own header; None when that does not say."""
    try:
        facts = read_seal_facts(aside, series)
    except ConsoleError:
        return None
    return Loss(series=series, start_ns=facts.first_ns, end_ns=facts.last_ns + 1, rows=facts.rows, aside=aside)


def _counted(folder: Path, series: SeriesKey, facts: SegmentFacts, aside: Path | None) -> Loss:
    start_ns, end_ns = facts.first_ns, facts.last_ns + 1
    beside = _stored_between(folder, series, start_ns, end_ns)
    return Loss(series=series, start_ns=start_ns, end_ns=end_ns, rows=facts.rows, beside=beside, aside=aside)


def _unknown(path: Path, series: SeriesKey, aside: Path) -> Loss:
    day = day_of_path(path)
    return Loss(series=series, start_ns=day * DAY_NS, end_ns=(day + 1) * DAY_NS, rows=0, aside=aside)


def _stored_between(folder: Path, series: SeriesKey, start_ns: int, end_ns: int) -> int:
    # What cannot be read does not count.
    reader, rows = DayReader(0), 0
    start_ns, end_ns = max(start_ns, 0), min(max(end_ns, 0), UNDEF_TIMESTAMP)
    for files in days_of_folder(folder):
        if start_ns // DAY_NS <= files.day <= (end_ns - 1) // DAY_NS:
            try:
                pieces = reader.pieces(files, series, settled=True)
            except ConsoleError:
                continue
            rows += sum(len(piece.between(start_ns, end_ns).records) for piece in pieces)
    return rows
