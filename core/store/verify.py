"""Checks everything the embedded store keeps and says what is wrong; changes nothing, beside a writer too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote

import attrs
import numpy as np

from core.errors import ConsoleError
from core.model.records import Records, Schema
from core.store.audit import audit
from core.store.catalogue import Catalogue
from core.store.coverage import not_live
from core.store.coverage_facts import days_by_series, facts_of
from core.store.days import DayReader, Piece, map_plain, merged
from core.store.faults import DayMovedError, storage_error
from core.store.fetched import CatalogueFetched
from core.store.history import EmbeddedHistory
from core.store.holes import IdHoles
from core.store.lock import is_locked
from core.store.losses import Loss, is_put_aside, loss_of_aside
from core.store.paths import DayFiles, all_series, day_of_path, days_of_folder, strays_of
from core.store.repository import Gap, SeriesKey
from core.store.sealed import file_sha256, is_leftover, read_seal_facts
from core.store.segment import UNKNOWN_CHECKSUM, SegmentFacts, checksum_of, expected_head

Severity = Literal["error", "warning", "info"]
VerifyProgress = Callable[[int, int], None]
"""Is told (days checked, days in all)."""

ERROR: Final[Severity] = "error"
WARNING: Final[Severity] = "warning"
INFO: Final[Severity] = "info"
_ATTEMPTS: Final = 5


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing: of `series`, on `day` since the epoch where it is about one, and how
    many records, ids or files it is about. `code` is for programs, `message` for people. What lies between two
    instants has `start_ns` and `end_ns`."""

    severity: Severity
    series: SeriesKey
    day: int | None
    code: str
    message: str
    count: int = 1
    start_ns: int | None = None
    end_ns: int | None = None


def verify_directory(
    directory: Path, catalogue: Catalogue | None, progress: VerifyProgress | None = None
) -> Iterator[Finding]:
    """Read everything under `directory` and compare it with itself and with what `catalogue`, if any, says of it.

    Errors: `damaged` (cannot be read, or its header names another series), `checksum`, `rows`, `invalid`,
    `misplaced`, `duplicate`, `overlap`, `disorder` (of a sealed day), `id_gap`, `missing_file`; `torn` when nobody
    writes; `damaged_kept` when records of a file that was put aside are in the store no more. Warnings: `known_gap`
    (ids that are missing within a recorded gap), `damaged_kept` otherwise, `leftover`, `uncatalogued`, and `rows`
    when there are more than the catalogue knows. For information: `stranger`, `no_checksum`.

    Raises:
        ConsoleError: the directory or the catalogue cannot be read.
    """
    directory = directory.absolute()
    known = {} if catalogue is None else catalogue.segments(directory)
    found = [(series, folder, days_of_folder(folder)) for series, folder in all_series(directory)]
    aside = {} if catalogue is None else catalogue.put_aside(directory)
    check = _Check(known if catalogue is not None else None, aside, alive=is_locked(directory))
    gaps = [] if catalogue is None else [*catalogue.gaps(), *_asked_for(catalogue, directory)]
    total, done = sum(len(days) for _, _, days in found), 0
    for series, folder, days in found:
        holes = holes_of(series, gaps)
        for files in days:
            yield from check.day(files, series, holes)
            done += 1
            if progress is not None:
                progress(done, total)
        yield from check.strays(folder, series)
        yield from hole_findings(series, holes)
    if catalogue is not None:
        yield from check.missing(catalogue.segments(directory))


def _asked_for(catalogue: Catalogue, directory: Path) -> list[Gap]:
    # Of series of which something was fetched: whenever they were not followed live.
    with contextlib.closing(CatalogueFetched(catalogue.path, read_only=True)) as book:
        wanted = {one.series for one in book.fetched()}
        days = days_by_series(catalogue.day_rows())
        history = EmbeddedHistory(directory)
        return [gap for facts in facts_of(history, catalogue, book, wanted, known=days) for gap in not_live(facts)]


class _Check:
    # `known` is what the catalogue says by path, None when there is none; `put_aside` what it says of damaged files.
    def __init__(self, known: dict[Path, SegmentFacts] | None, put_aside: dict[Path, Loss], *, alive: bool) -> None:
        self._known = known
        self._put_aside = put_aside
        self._left = dict(known or {})
        self._alive = alive
        self._reader = DayReader(0)

    def day(self, files: DayFiles, series: SeriesKey, holes: IdHoles | None) -> list[Finding]:
        """All that is wrong with one day."""
        folder = next(iter(files)).parent
        for _ in range(_ATTEMPTS):
            try:
                found = list(self._day(files, series, holes))
            except DayMovedError:  # sealed or removed while it was looked at
                self._settle(files)
                now = [found for found in days_of_folder(folder) if found.day == files.day]
                if not now:
                    break
                files = now[0]
            except ConsoleError as error:
                self._settle(files)
                return [_about(ERROR, files, series, "damaged", str(error))]
            else:
                self._settle(files)
                return found
        return []

    def _day(self, files: DayFiles, series: SeriesKey, holes: IdHoles | None) -> Iterator[Finding]:
        pieces: list[tuple[SegmentFacts, Piece]] = []
        for path, facts, piece in self._files(files, series):
            sealed = path == files.sealed
            if not sealed and pieces and is_leftover(facts, pieces[0][0]):
                yield _about(WARNING, files, series, "leftover", f"{path.name} is in its seal already")
                continue
            yield from self._file(path, facts, piece, series, sealed=sealed)
            pieces.append((facts, piece))
        yield from self._records(files, series, [piece for _, piece in pieces], holes)

    def _settle(self, files: DayFiles) -> None:
        # What is left in the end is what the catalogue knows and nobody found.
        for path in files:
            self._left.pop(path, None)

    def _files(self, files: DayFiles, series: SeriesKey) -> Iterator[tuple[Path, SegmentFacts, Piece]]:
        # The sealed file first.
        if files.sealed is not None:
            yield (files.sealed, *self._reader.sealed_day(files.sealed, series))
        if files.plain is not None:
            facts, records = map_plain(files.plain, series)
            yield files.plain, facts, Piece(records, series.schema, facts.first_id, ascending=False)

    def _file(
        self, path: Path, facts: SegmentFacts, piece: Piece, series: SeriesKey, *, sealed: bool
    ) -> Iterator[Finding]:
        files = DayFiles(day_of_path(path))
        known = None if self._known is None else self._known.get(path)
        if sealed and not piece.ascending:
            yield _about(ERROR, files, series, "disorder", f"{path.name} is not in order")
        if not sealed:
            yield from self._tail(path, facts, series, files)
        if known is not None and self._alive and known.generation != facts.generation:
            return  # sealed since the catalogue was asked
        if known is None:
            if self._known is not None and not self._alive:
                yield _about(WARNING, files, series, "uncatalogued", f"the catalogue does not know {path.name}")
            return
        if facts.rows < known.rows or (facts.rows > known.rows and not self._alive):
            yield _about(
                ERROR if facts.rows < known.rows else WARNING, files, series, "rows",
                f"{path.name} holds {facts.rows} records, the catalogue says {known.rows}",
                abs(facts.rows - known.rows),
            )  # fmt: skip
        if facts.rows >= known.rows:
            yield from self._checksum(path, piece.records[: known.rows], known, files, series)

    def _tail(self, path: Path, facts: SegmentFacts, series: SeriesKey, files: DayFiles) -> Iterator[Finding]:
        try:
            torn = (path.stat().st_size - facts.stored_bytes) % series.schema.dtype.itemsize
        except OSError as error:
            raise storage_error("reading", path, error) from error
        if torn:
            message = f"{path.name} ends with {torn} bytes of a record"
            yield _about(WARNING if self._alive else ERROR, files, series, "torn", message)

    def _checksum(
        self, path: Path, records: Records, known: SegmentFacts, files: DayFiles, series: SeriesKey
    ) -> Iterator[Finding]:
        if known.checksum == UNKNOWN_CHECKSUM:
            yield _about(INFO, files, series, "no_checksum", f"no checksum of {path.name} was kept")
        elif checksum_of(np.ascontiguousarray(records)) != known.checksum:
            yield _about(ERROR, files, series, "checksum", f"{path.name} is not what was written")
        if known.sha256:
            try:
                digest = file_sha256(path)
            except OSError as error:
                raise storage_error("reading", path, error) from error
            if digest != known.sha256 and read_seal_facts(path, series).generation == known.generation:
                yield _about(ERROR, files, series, "checksum", f"{path.name} is not the file that was sealed")

    def _records(
        self, files: DayFiles, series: SeriesKey, pieces: list[Piece], holes: IdHoles | None
    ) -> Iterator[Finding]:
        pieces = [piece for piece in pieces if len(piece.records)]
        if not pieces:
            return
        head, within = expected_head(series), 0
        for piece in pieces:
            records = np.ascontiguousarray(piece.records)
            result = audit(records, piece.ids(), schema=series.schema, day=files.day, head=head)
            within += result.duplicates
            if result.invalid:
                message = "records belong to another series or have no time"
                yield _about(ERROR, files, series, "invalid", message, result.invalid)
            if result.misplaced:
                yield _about(ERROR, files, series, "misplaced", "records are of another day", result.misplaced)
            if result.duplicates:
                yield _about(ERROR, files, series, "duplicate", "records are stored twice", result.duplicates)
        day = merged(pieces)
        ids = day.ids()
        if len(pieces) > 1:
            result = audit(np.ascontiguousarray(day.records), ids, schema=series.schema, day=files.day, head=head)
            if result.duplicates > within:
                message = "records are in the sealed file and in the plain one"
                yield _about(ERROR, files, series, "overlap", message, result.duplicates - within)
        if holes is not None:
            holes.add(files.day, day.records, ids)

    def strays(self, folder: Path, series: SeriesKey) -> Iterator[Finding]:
        """Files beside the segments of a series."""
        for path in strays_of(folder):
            name = ascii(path.name)[1:-1]
            if is_put_aside(path):
                yield self._damaged(path, series, self._put_aside.get(path) or loss_of_aside(path, series))
                continue
            if name.endswith(".part"):
                finding = (INFO if self._alive else WARNING), "leftover", f"{name} was never finished"
            else:
                finding = INFO, "stranger", f"{name} is no file of this program"
            yield Finding(severity=finding[0], series=series, day=None, code=finding[1], message=finding[2])

    def _damaged(self, path: Path, series: SeriesKey, loss: Loss | None) -> Finding:
        files, message = DayFiles(day_of_path(path)), f"{path.name} was put aside because it was damaged"
        missing = 0 if loss is None else loss.missing(path.parent)
        if loss is None or not missing:
            known = loss is not None and loss.rows
            return _about(
                WARNING, files, series, "damaged_kept", f"{message}; its records are stored" if known else message
            )
        message += f"; {missing} of the {loss.rows} records it held are not stored"
        finding = _about(ERROR, files, series, "damaged_kept", message, missing)
        return attrs.evolve(finding, start_ns=loss.start_ns, end_ns=loss.end_ns)

    def missing(self, now_known: dict[Path, SegmentFacts]) -> Iterator[Finding]:
        """Segments that the catalogue knew, and knows now, and that are not there."""
        schemas = {schema.value: schema for schema in Schema}
        for path, facts in sorted(self._left.items()):
            venue, symbol, schema = path.parts[-4:-1]
            if path in now_known and not path.exists() and schema in schemas:
                series = SeriesKey(unquote(venue), unquote(symbol), schemas[schema])
                message = f"{path.name} with {facts.rows} records is gone"
                yield _about(ERROR, DayFiles(day_of_path(path)), series, "missing_file", message, facts.rows)


def holes_of(series: SeriesKey, gaps: Iterable[Gap]) -> IdHoles | None:
    """What finds the holes of a series, of which `gaps` and others are recorded; None when it has no trade ids."""
    if series.schema is not Schema.TRADES:
        return None
    return IdHoles(gap for gap in gaps if gap.series == series)


def hole_findings(series: SeriesKey, holes: IdHoles | None) -> Iterator[Finding]:
    """The ids that are missing: `id_gap`, an error, where nothing explains it, else `known_gap`."""
    for hole in () if holes is None else holes.finish():
        yield Finding(
            severity=WARNING if hole.causes else ERROR,
            series=series,
            day=hole.day,
            code="known_gap" if hole.causes else "id_gap",
            message=hole.message,
            count=hole.missing,
            start_ns=hole.start_ns,
            end_ns=hole.end_ns,
        )


def _about(
    severity: Severity, files: DayFiles, series: SeriesKey, code: str, message: str, count: int = 1
) -> Finding:
    return Finding(severity=severity, series=series, day=files.day, code=code, message=message, count=count)
