"""What was done to the days of a store, and found in them, as rows to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.clock import DAY_NS, iso_ns, utc_day

if TYPE_CHECKING:
    from core.store.postgres.packing import PackResult
    from core.store.repository import SeriesKey
    from core.store.retention import RemovedDay
    from core.store.sealing import SealResult
    from core.store.verify import Finding

Row = dict[str, Any]


def day_name(day: int | None) -> str | None:
    """A day since the epoch as `YYYY-MM-DD`; None stays None."""
    return None if day is None else utc_day(day * DAY_NS)


def _head(series: SeriesKey | None, day: int | None) -> Row:
    # Of a day of all series together there are no names.
    names = (None, None, None) if series is None else (series.venue, series.symbol, series.schema.value)
    return dict(zip(("venue", "symbol", "schema"), names, strict=True)) | {"day": day_name(day)}


def sealed_row(result: SealResult) -> Row:
    """A day that was compressed."""
    return _head(result.series, result.day) | {
        "rows": result.rows,
        "bytes_before": result.plain_bytes,
        "bytes_after": result.sealed_bytes,
        "seconds": round(result.seconds, 3),
        "done": "sealed",
    }


def packed_row(result: PackResult) -> Row:
    """A day of a database that was compressed."""
    return _head(result.series, result.day) | {
        "rows": result.rows,
        "bytes_before": result.plain_bytes,
        "bytes_after": result.packed_bytes,
        "seconds": round(result.seconds, 3),
        "done": result.method,
    }


def removed_row(removed: RemovedDay) -> Row:
    """A day that was removed."""
    return _head(removed.series, removed.day) | {"rows": removed.rows, "bytes": removed.stored_bytes}


def finding_row(finding: Finding) -> Row:
    """Something that is wrong, or worth knowing."""
    return {
        "severity": finding.severity,
        **_head(finding.series, finding.day),
        "code": finding.code,
        "message": finding.message,
        "count": finding.count,
        "start": _instant(finding.start_ns),
        "end": _instant(finding.end_ns),
    }


def _instant(instant_ns: int | None) -> str | None:
    return None if instant_ns is None else iso_ns(instant_ns)
