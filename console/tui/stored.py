"""The engine's answer to `store` as frozen values: what is stored, how storing goes, the cache, the job."""

from __future__ import annotations

from typing import Final

import attrs

from console.tui.answers import LARGEST, Raw, read_count, read_list, read_mapping, read_number, read_rows, read_text
from console.tui.text import clean, grouped

SPILLING: Final = "spilling"
CATCHING_UP: Final = "catching up"
RUNNING: Final = "running"
JOBS: Final = ("compress", "verify")
"""Jobs that the screen can have the engine begin."""
NAMED_GAPS: Final = 20
"""Of the gaps recorded the engine names so many, the newest."""
_MOST_FINDINGS: Final = 1000
_NOT_TRADES: Final = ("quotes", "book_updates", "bars")
_PLACE: Final = ("series", "symbol", "schema", "venue", "day")
_SEVERITIES: Final = ("error", "warning", "info")

Key = tuple[str, str, str]
"""(venue, symbol, schema): what identifies a stored series."""


@attrs.frozen(kw_only=True)
class Series:
    """One stored series. `first_ns` and `last_ns` are 0 when nothing is stored, `newest_id` 0 where the venue gives
    no ids; `out_of_order` records are among the `rows`."""

    key: Key
    rows: int = 0
    days: int = 0
    stored_bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0
    newest_id: int = 0

    @property
    def name(self) -> str:
        """The series in words."""
        venue, symbol, schema = self.key
        return f"{symbol} {schema} on {venue}"


@attrs.frozen(kw_only=True)
class StoredGap:
    """A stretch of a series that is or was incomplete: `rows` are missing for `reason`, `recovered` others were
    fetched afterwards; when both are 0 nobody knows how many. `start_ns` is 0 when it has no known beginning."""

    key: Key
    start_ns: int
    end_ns: int
    rows: int
    cause: str
    recovered: int = 0
    reason: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing any more."""
        return self.recovered > 0 and not self.rows


@attrs.frozen(kw_only=True)
class GapTotals:
    """Of all gaps recorded: how many are still `incomplete`, the records `recovered` and those `missing`."""

    incomplete: int = 0
    recovered: int = 0
    missing: int = 0


@attrs.frozen(kw_only=True)
class Spill:
    """What becomes of records while the database is down. `mode` is "direct", `SPILLING` or `CATCHING_UP`;
    `queued_rows` wait in memory, `spilled_rows` of `spilled_bytes` on disk."""

    mode: str = ""
    queued_rows: int = 0
    spilled_rows: int = 0
    spilled_bytes: int = 0
    replayed_rows: int = 0
    since_ns: int = 0
    problem: str = ""
    next_try_s: float = 0.0

    @property
    def waiting(self) -> int:
        """The rows that the database does not have yet."""
        return self.queued_rows + self.spilled_rows

    @property
    def share(self) -> float:
        """How much of what was spilled the database has by now, from 0 to 1."""
        return _share(self.replayed_rows, self.replayed_rows + self.waiting)


@attrs.frozen(kw_only=True)
class CacheState:
    """The cache of recent ticks since the engine's start; `redis` is "off", "up" or "down"."""

    pushes: int = 0
    hits_memory: int = 0
    hits_redis: int = 0
    misses: int = 0
    failures: int = 0
    series: int = 0
    redis: str = "off"
    problem: str = ""


@attrs.frozen
class Finding:
    """One result of a job: "error", "warning" or "info", where, and what."""

    severity: str
    place: str
    text: str


@attrs.frozen(kw_only=True)
class Job:
    """The job under way or the last one; `state` is `RUNNING`, "done" or "failed". It had `found` results, of which
    `results` are those that the engine names, errors first."""

    name: str
    state: str
    done: int = 0
    total: int = 0
    unit: str = ""
    message: str = ""
    since_ns: int = 0
    found: int = 0
    results: tuple[Finding, ...] = ()

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return _share(self.done, self.total)


@attrs.frozen(kw_only=True)
class StoreAnswer:
    """The whole answer. `kind` is "embedded" or "postgres", `lost` counts records that were overwritten unstored,
    `gaps` are the last ones recorded, the newest first; `sync_age_s` and `gap_totals` are None where the engine does
    not tell them."""

    enabled: bool = False
    kind: str = ""
    place: str = ""
    lag_s: float = 0.0
    sync_age_s: float | None = None
    problem: str = ""
    lost: int = 0
    quarantined: int = 0
    series: tuple[Series, ...] = ()
    gaps: tuple[StoredGap, ...] = ()
    gap_totals: GapTotals | None = None
    spill: Spill | None = None
    cache: CacheState | None = None
    job: Job | None = None

    @property
    def in_trouble(self) -> bool:
        """Whether the store cannot be reached or does not take what comes in."""
        return bool(self.problem) or (self.spill is not None and self.spill.mode == SPILLING)


def parse_store(raw: Raw) -> StoreAnswer:
    """`raw` as a `StoreAnswer`; every text in it is safe to draw."""
    series = {(one := _series(row)).key: one for row in read_rows(raw, "series")}
    return StoreAnswer(
        enabled=raw.get("enabled") is True,
        kind=read_text(raw, "kind"),
        place=read_text(raw, "place", limit=4096),
        lag_s=read_number(raw, "lag_s"),
        sync_age_s=read_number(raw, "sync_age_s") if raw.get("sync_age_s") is not None else None,
        problem=read_text(raw, "problem", limit=500),
        lost=read_lost(raw),
        quarantined=read_count(raw, "quarantined"),
        series=tuple(series.values()),
        gaps=tuple(sorted((_gap(row) for row in read_rows(raw, "gaps")), key=lambda gap: -gap.end_ns)),
        gap_totals=_gap_totals(read_mapping(raw, "gap_totals")),
        spill=parse_spill(raw),
        cache=parse_cache(raw),
        job=_job(read_mapping(raw, "job")),
    )


def read_lost(store: Raw) -> int:
    """The records of every schema that were overwritten unstored; quotes and books are counted below the trades."""
    return sum(read_count(one, "lost") for one in (store, *(read_mapping(store, name) for name in _NOT_TRADES)))


def parse_spill(raw: Raw) -> Spill | None:
    """The field `spill` of an answer, None where there is none."""
    row = read_mapping(raw, "spill")
    if not row:
        return None
    return Spill(
        mode=read_text(row, "mode"),
        queued_rows=read_count(row, "queued_rows"),
        spilled_rows=read_count(row, "spilled_rows"),
        spilled_bytes=read_count(row, "spilled_bytes"),
        replayed_rows=read_count(row, "replayed_rows"),
        since_ns=read_count(row, "since_ns"),
        problem=read_text(row, "problem", limit=500),
        next_try_s=read_number(row, "next_try_s"),
    )


def parse_cache(raw: Raw) -> CacheState | None:
    """The field `cache` of an answer, None where there is none."""
    row = read_mapping(raw, "cache")
    if not row:
        return None
    return CacheState(
        pushes=read_count(row, "pushes"),
        hits_memory=read_count(row, "hits_memory"),
        hits_redis=read_count(row, "hits_redis"),
        misses=read_count(row, "misses"),
        failures=read_count(row, "failures"),
        series=read_count(row, "series"),
        redis=read_text(row, "redis") or "off",
        problem=read_text(row, "problem", limit=500),
    )


def _key(row: Raw) -> Key:
    return read_text(row, "venue"), read_text(row, "symbol"), read_text(row, "schema")


def _series(row: Raw) -> Series:
    return Series(
        key=_key(row),
        rows=read_count(row, "rows"),
        days=read_count(row, "days"),
        stored_bytes=read_count(row, "bytes"),
        first_ns=read_count(row, "first_ns"),
        last_ns=read_count(row, "last_ns"),
        duplicates=read_count(row, "duplicates"),
        out_of_order=read_count(row, "out_of_order"),
        rejected=read_count(row, "rejected"),
        newest_id=read_count(row, "newest_id"),
    )


def _gap(row: Raw) -> StoredGap:
    return StoredGap(
        key=_key(row),
        start_ns=read_count(row, "start_ns"),
        end_ns=read_count(row, "end_ns"),
        rows=read_count(row, "rows"),
        cause=read_text(row, "cause"),
        recovered=read_count(row, "recovered"),
        reason=read_text(row, "reason", limit=300),
    )


def _gap_totals(row: Raw) -> GapTotals | None:
    if not row:
        return None
    return GapTotals(
        incomplete=read_count(row, "incomplete"),
        recovered=read_count(row, "recovered"),
        missing=read_count(row, "missing"),
    )


def _job(row: Raw) -> Job | None:
    if not row:
        return None
    found = [_finding(item) for item in read_list(row, "results")[:_MOST_FINDINGS]]
    return Job(
        name=read_text(row, "name") or "job",
        state=read_text(row, "state"),
        done=read_count(row, "done"),
        total=read_count(row, "total"),
        unit=read_text(row, "unit"),
        message=read_text(row, "message", limit=500),
        since_ns=read_count(row, "since_ns"),
        found=max(read_count(row, "result_rows"), len(found)),
        results=tuple(sorted(found, key=lambda one: _SEVERITIES.index(one.severity))),
    )


def _finding(item: object) -> Finding:
    # Each kind of job has rows of its own; what a row says besides its place is shown as it comes.
    if not isinstance(item, dict):
        return Finding("info", "", clean(item, limit=500) if isinstance(item, str) else "?")
    severity = read_text(item, "severity").lower()
    place = " ".join(text for name in _PLACE if (text := _said(item.get(name))))
    parts = (read_text(item, "code"), read_text(item, "message", limit=500))
    message = ": ".join(part for part in parts if part)
    rest = [
        f"{clean(str(name), limit=30).replace('_', ' ')} {said}"
        for name, value in item.items()
        if name not in {*_PLACE, "severity", "code", "message"} and (said := _said(value))
    ]
    text = "  ".join([message, *rest] if message else rest)
    return Finding(severity if severity in _SEVERITIES else "info", place, text[:500])


def _said(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, int):
        return grouped(value) if abs(value) <= LARGEST else "?"
    return clean(value, limit=200) if isinstance(value, str) else f"{value:.6g}"


def _share(part: int, whole: int) -> float:
    return min(part / whole, 1.0) if whole else 0.0
