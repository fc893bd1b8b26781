"""What a store tells of itself as rows of an answer: series, gaps, counts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from core.flow.storefeed import SchemaCounts
from core.store.repository import Gap, SeriesKey, SeriesStats

SHOWN_GAPS: Final = 20

Row = dict[str, Any]


@attrs.define
class FoundStored:
    """What a store and what was written down beside it say; what follows a `problem` is missing. `gap_totals` counts
    what `gaps` shows the newest of: stretches that are incomplete, records recovered and records missing."""

    series: list[Row] = attrs.Factory(list)
    gaps: list[Row] = attrs.Factory(list)
    gap_totals: dict[str, int] = attrs.Factory(dict)
    quarantined: int = 0
    problem: str = ""

    def add_gaps(self, gaps: Sequence[Gap]) -> None:
        """Take up all gaps that are recorded, oldest first."""
        self.gaps = [flat_row(gap) for gap in worth_showing(gaps)]
        self.gap_totals = {
            "incomplete": sum(not gap.whole for gap in gaps),
            "recovered": sum(gap.recovered for gap in gaps),
            "missing": sum(gap.rows for gap in gaps),
        }


def worth_showing(gaps: Sequence[Gap]) -> list[Gap]:
    """`SHOWN_GAPS` of `gaps`, in their order: the newest, but what was recovered in full only where there is room."""
    places = sorted(range(len(gaps)), key=lambda place: (gaps[place].whole, -place))
    return [gaps[place] for place in sorted(places[:SHOWN_GAPS])]


def flat_row(value: Gap | SeriesStats) -> Row:
    """One of these as a row: its series by name, then its other fields."""
    series: SeriesKey = value.series
    fields = {field.name: getattr(value, field.name) for field in attrs.fields(type(value)) if field.name != "series"}
    if "segments" in fields:
        fields["days"], fields["bytes"] = fields.pop("segments"), fields.pop("stored_bytes")
    return {"venue": series.venue, "symbol": series.symbol, "schema": series.schema.value} | fields


def counts_row(*counts: SchemaCounts) -> dict[str, int]:
    """What became of the records of schemas, in sum."""
    names = [field.name for field in attrs.fields(SchemaCounts)]
    return {name: sum(getattr(each, name) for each in counts) for name in names}
