"""Seals closed days: compresses them beside what is there, reads that back, and only then lets the plain file go.

At no point is a record in no file, and the generations of the files say which to read: killed anywhere, nothing is
lost and nothing doubled.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

import attrs
import numpy as np

from core.errors import ConsoleError, PermanentError
from core.store.days import DayReader, Piece, merged
from core.store.dedupe import full_ids
from core.store.faults import storage_error
from core.store.logs import SeriesLogs
from core.store.paths import DayFiles, day_of_path, is_sealed, plain_path, sealed_path, sync_folder
from core.store.repository import SeriesKey
from core.store.sealed import write_seal
from core.store.segment import SegmentFacts, facts_of
from core.store.serieslog import SeriesLog

_ATTEMPTS: Final = 3
_numbers = itertools.count(1)


@attrs.frozen(kw_only=True)
class SealResult:
    """One day, since the epoch, that was sealed: how many rows it has, and its bytes plain and sealed."""

    series: SeriesKey
    day: int
    rows: int
    plain_bytes: int
    sealed_bytes: int
    seconds: float


SealProgress = Callable[[int, int, SealResult | None], None]
"""Is told (days done, days in all, what became of the last one: None when it was left for the next time)."""


@attrs.frozen
class _Work:
    # One day to seal: its files, and what its plain segment held when it was looked at.
    log: SeriesLog
    files: DayFiles
    plain: Path
    facts: SegmentFacts


def seal_days(
    logs: SeriesLogs, guard: Lock, *, before_day: int, progress: SealProgress | None = None
) -> list[SealResult]:
    """Seal every day before `before_day` that has a plain segment. `guard` is held only to look and to swap.

    Raises:
        TransientError, ResourceExhaustedError: the disk failed or is full; the days sealed so far are sealed.
        PermanentError: a day cannot be sealed, or the store was closed meanwhile; all others are sealed.
    """
    with guard:
        todo = [
            (log.series, day_of_path(path))
            for log in logs.logs.values()
            for path in sorted(log.facts)
            if not is_sealed(path) and day_of_path(path) < before_day
        ]
    results: list[SealResult] = []
    failed: PermanentError | None = None
    for done, (series, day) in enumerate(todo, start=1):
        result = None
        try:
            result = _seal_or_mend(logs, guard, series, day)
        except PermanentError as error:
            failed = failed or error  # one bad day does not keep the others from being sealed
        if result is not None:
            results.append(result)
        if progress is not None:
            progress(done, len(todo), result)
    if failed is not None:
        raise failed
    return results


def _seal_or_mend(logs: SeriesLogs, guard: Lock, series: SeriesKey, day: int) -> SealResult | None:
    try:
        return _seal_day(logs, guard, series, day)
    except PermanentError:
        with guard:
            log = logs.logs.get(series)
            if log is None or not logs.drop_damaged_seals(log, [day]):
                raise
        return _seal_day(logs, guard, series, day)


def _seal_day(logs: SeriesLogs, guard: Lock, series: SeriesKey, day: int) -> SealResult | None:
    began_s = time.monotonic()
    for _ in range(_ATTEMPTS):
        with guard:
            work = _freeze(logs, series, day)
        if work is None:
            return None
        target = sealed_path(work.log.folder, day)
        part = target.with_name(f"{target.name}.{os.getpid()}-{next(_numbers)}.part")
        try:
            made = _write(work, part, series)
            if made is None:
                return None
            with guard:
                swapped = _swap(logs, work, part, made)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        if swapped:
            return SealResult(
                series=series,
                day=day,
                rows=made.rows,
                plain_bytes=made.rows * series.schema.dtype.itemsize,
                sealed_bytes=made.stored_bytes,
                seconds=time.monotonic() - began_s,
            )
    return None


def _freeze(logs: SeriesLogs, series: SeriesKey, day: int) -> _Work | None:
    # What there is to seal of a day, durable; the guard is held.
    log = logs.logs.get(series)
    if log is None:
        raise PermanentError("sealing", "the store is closed")
    plain, seal = plain_path(log.folder, day), sealed_path(log.folder, day)
    if day in log.open:
        logs.secure(log.open[day])
    facts = log.facts.get(plain)
    if facts is None:
        return None
    if not facts.rows:
        _remove_plain(logs, log, plain)
        _save(logs)
        return None
    sealed = seal if seal in log.facts else None
    return _Work(log, DayFiles(day, plain, sealed), plain, attrs.evolve(facts))


def _write(work: _Work, part: Path, series: SeriesKey) -> SegmentFacts | None:
    # The new seal, aside; None when the ids of its parts are too far from each other for one header.
    pieces = DayReader(0).pieces(work.files, series, settled=True)
    plain = attrs.evolve(pieces[-1], records=pieces[-1].records[: work.facts.rows])
    piece = merged([*pieces[:-1], plain])
    if not _one_header_will_do(piece):
        return None
    records = np.ascontiguousarray(piece.records)
    facts = facts_of(records, series, first_id=piece.first_id, stored_bytes=0)
    facts.generation = work.facts.generation
    return write_seal(part, series, records, facts, day=work.files.day)


def _one_header_will_do(piece: Piece) -> bool:
    if piece.known_ids is None:
        return True
    if not piece.first_id:
        return not piece.known_ids.any()  # what was sealed has no ids and what came late has
    near = full_ids(piece.records["sequence"], piece.first_id)
    return bool(((near == piece.known_ids) | (piece.known_ids == 0)).all())


def _swap(logs: SeriesLogs, work: _Work, part: Path, made: SegmentFacts) -> bool:
    # Put the seal in the place of the plain segment; False when that changed meanwhile. The guard is held.
    log, day = work.log, work.files.day
    if log.series not in logs.logs:
        raise PermanentError("sealing", "the store is closed")
    now = log.facts.get(work.plain)
    if now is None or (now.rows, now.checksum) != (work.facts.rows, work.facts.checksum):
        return False
    target = sealed_path(log.folder, day)
    try:
        part.replace(target)
    except OSError as error:
        raise storage_error("sealing", target, error) from error
    log.learn(target, made)
    _remove_plain(logs, log, work.plain)
    log.correct()
    _save(logs)
    return True


def _save(logs: SeriesLogs) -> None:
    with contextlib.suppress(ConsoleError):
        logs.save()  # else with the next sync


def _remove_plain(logs: SeriesLogs, log: SeriesLog, plain: Path) -> None:
    # Should it stay, its generation says that it is in the seal, and not to be read.
    segment = log.open.get(day_of_path(plain))
    if segment is not None:
        logs.let_go(segment)
    log.forget(plain)
    try:
        sync_folder(log.folder)  # the seal's name before the plain one goes
        plain.unlink(missing_ok=True)
        sync_folder(log.folder)
    except OSError as error:
        raise storage_error("sealing", plain, error) from error
