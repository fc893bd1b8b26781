"""What the embedded store knows while it writes: each series' cursor and segments, and which files are open.

Not for several threads: its owner holds a guard.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from core.errors import ConsoleError
from core.store.catalogue import Catalogue, Cursor
from core.store.faults import storage_error
from core.store.losses import asides_of, loss_of
from core.store.paths import (
    DayFiles,
    all_series,
    day_of_path,
    days_of_folder,
    is_sealed,
    plain_path,
    sealed_path,
    series_directory,
    strays_of,
)
from core.store.repair import Inspection, inspect, inspect_seal, reissue_leftover
from core.store.repository import SeriesKey
from core.store.sealed import SealedDays, is_leftover
from core.store.segment import SegmentFacts, expected_head
from core.store.serieslog import CatalogueChanges, SeriesLog
from core.store.writer import SealedPart, Segment, create_segment

_logger = logging.getLogger("ringside.store")


class SeriesLogs:
    """The logs of all series under `directory`; at most `open_limit` files are open. `repairs` is told in words what
    had to be mended."""

    def __init__(self, directory: Path, catalogue: Catalogue, *, open_limit: int, repairs: list[str]) -> None:
        self.directory = directory
        self.logs: dict[SeriesKey, SeriesLog] = {}
        self.sealed = SealedDays(0)
        self.changes = CatalogueChanges(catalogue)
        self._catalogue = catalogue
        self._open_limit = open_limit
        self._repairs = repairs
        self._open: OrderedDict[Segment, SeriesLog] = OrderedDict()  # the least recently used first

    def reconcile(self) -> None:
        """Look at every segment, mend what is damaged or was left half done, and correct the catalogue.

        Raises:
            ConsoleError: the directory cannot be used.
        """
        known = self._catalogue.segments(self.directory)
        cursors = {cursor.series: cursor for cursor in self._catalogue.cursors()}
        for series, folder in all_series(self.directory):
            log = self._begin(series, cursors.get(series) or Cursor(series=series))
            _remove_unfinished(folder)
            for files in days_of_folder(folder):
                for path in files:
                    self._admit(log, path, known.pop(path, None))
                self.settle(log, files)
            log.correct()
        self._settle_losses(known)
        for path in known:
            self.changes.gone(path)
        self.save()

    def _settle_losses(self, gone: Mapping[Path, SegmentFacts]) -> None:
        # What became of the damaged files that were put aside, and of those of which a killed writer did not say so.
        noted = self._catalogue.put_aside(self.directory)
        for aside, loss in noted.items():
            if not os.path.lexists(aside):
                self.changes.gone(aside)
                if not loss.missing(aside.parent):
                    self.changes.restored(loss)
        folders = {log.folder: log for log in self.logs.values()}
        for path, facts in gone.items():
            if path.parent in folders:
                found = [aside for aside in asides_of(path, strays_of(path.parent)) if aside not in noted]
                if found:
                    self._note_damage(folders[path.parent], path, facts, Inspection(None, aside=found[-1]))

    def log(self, series: SeriesKey) -> SeriesLog:
        """The log of a series, begun when there is none. Raises `RefusedError` when it cannot name a directory."""
        return self.logs.get(series) or self._begin(series, Cursor(series=series))

    def _begin(self, series: SeriesKey, cursor: Cursor) -> SeriesLog:
        folder = series_directory(self.directory, series)
        log = SeriesLog(cursor, folder, expected_head(series), self.changes)
        self.logs[series] = log
        return log

    def _admit(self, log: SeriesLog, path: Path, facts: SegmentFacts | None) -> None:
        # The catalogue is written after the data is durable: a file of the size it knows is what it says.
        try:
            size = path.stat().st_size
        except OSError as error:
            raise storage_error("opening the store", path, error) from error
        if facts is None or facts.stored_bytes != size:
            inspection = (inspect_seal if is_sealed(path) else inspect)(path, log.series)
            self._note_damage(log, path, facts, inspection)
            facts = inspection.facts
            if facts is None:
                self.changes.gone(path)
                return
            log.learn(path, facts)
        log.facts[path] = facts

    def settle(self, log: SeriesLog, files: DayFiles) -> None:
        """Deal with a plain segment that its seal should hold, because sealing ended before it was removed: what the
        seal does not hold goes on as what came late.

        Raises:
            ConsoleError: the operating system refused.
        """
        if files.plain is None or files.sealed is None or not {files.plain, files.sealed} <= log.facts.keys():
            return
        seal = log.facts[files.sealed]
        if is_leftover(log.facts[files.plain], seal):
            inspection = reissue_leftover(files.plain, files.sealed, log.series)
            _logger.info("finished sealing %s", files.sealed)
            self._note_repair(inspection.repaired)
            log.forget(files.plain)
            if inspection.facts is not None:
                log.learn(files.plain, inspection.facts)

    def _note_repair(self, repaired: str) -> None:
        if repaired:
            self._repairs.append(repaired)
            _logger.warning("mended a segment: %s", repaired)

    def _note_damage(self, log: SeriesLog, path: Path, known: SegmentFacts | None, inspection: Inspection) -> None:
        # Tell what had to be done with a file and what was lost with it.
        seal = log.facts.get(sealed_path(log.folder, day_of_path(path)))
        if known is not None and seal is not None and not is_sealed(path) and is_leftover(known, seal):
            known = None  # its records are in the seal
        loss = loss_of(path, log.series, known=known, left=inspection.facts, aside=inspection.aside)
        if loss is None:
            self._note_repair(inspection.repaired)
            return
        self.changes.lost(loss)
        told = f"{inspection.repaired or path}: {loss.rows or 'an unknown number of'} records cannot be read"
        self._repairs.append(told)
        _logger.error("a segment is damaged: %s", told)

    def segment(self, log: SeriesLog, day: int, *, first_id: int) -> Segment:
        """The open segment of a day, made when there is none, where ids begin at `first_id`.

        Raises:
            ConsoleError: the operating system refused.
        """
        segment = log.open.get(day)
        if segment is not None:
            self._open.move_to_end(segment)
        else:
            segment = self._open_segment(log, day, first_id=first_id)
        if first_id and not segment.facts.first_id:
            segment.begin_ids(first_id)
        return segment

    def _open_segment(self, log: SeriesLog, day: int, *, first_id: int) -> Segment:
        while len(self._open) >= self._open_limit:
            self.shut(next(iter(self._open)))
        path, seal = plain_path(log.folder, day), sealed_path(log.folder, day)
        self._look_again(log, path)
        self._look_again(log, seal)
        self.settle(log, DayFiles(day, path, seal))
        sealed = log.facts.get(seal)
        facts = log.facts.get(path)
        if facts is None:
            generation = 0 if sealed is None else sealed.generation + 1
            facts = create_segment(path, log.series, first_id=first_id, generation=generation)
            log.learn(path, facts)
        part = None if sealed is None else SealedPart(sealed, lambda: self.sealed.get(seal, log.series).records)
        segment = Segment(path, log.series, facts, part)
        for older in log.open.values():
            older.seen.forget()
            older.seen_marked.forget()
        log.open[day] = segment
        self._open[segment] = log
        return segment

    def _look_again(self, log: SeriesLog, path: Path) -> None:
        # Somebody may have touched the file since it was last open.
        known = log.facts.pop(path, None)
        if os.path.exists(path):  # noqa: PTH110 - Path.exists raises where it may not look
            self._admit(log, path, known)
        elif known is not None:
            self.changes.gone(path)
        if log.facts.get(path) is not known:
            log.correct()

    def drop_damaged_seals(self, log: SeriesLog, days: Iterable[int]) -> bool:
        """Put seals of `days` that cannot be read aside; returns whether there were any. Raises as `segment` does."""
        found = False
        for day in days:
            path = sealed_path(log.folder, day)
            if path in log.facts and inspect_seal(path, log.series, put_aside_damaged=False).facts is None:
                found = True
                if day in log.open:
                    self.shut(log.open[day])
                inspection, known = inspect_seal(path, log.series), log.facts[path]
                log.forget(path)
                self._note_damage(log, path, known, inspection)
        if found:
            log.correct()
        return found

    def _abandon(self, segment: Segment, *, reason: str) -> None:
        log = self._open[segment]
        facts = log.facts[segment.path]
        log.forget(segment.path)
        log.cursor.rows -= facts.rows
        log.moved()
        segment.dirty = False
        self.shut(segment)
        self._repairs.append(f"{segment.path}: {reason} with {facts.rows} records while it was written")
        _logger.error("lost a segment that was being written: %s", self._repairs[-1])

    def secure(self, segment: Segment) -> None:
        """Make one segment durable. One whose last sync failed may have lost what it should have written.

        Raises:
            ConsoleError: the operating system refused.
        """
        if not segment.dirty:
            return
        if segment.removed:
            self._abandon(segment, reason="was deleted")
            return
        if segment.suspect:
            segment.undo()
            segment.tidy()  # what was never noted is not to be found
            log, inspection = self._open[segment], inspect(segment.path, segment.series)
            self._note_damage(log, segment.path, log.facts[segment.path], inspection)
            if inspection.facts is None:
                self._abandon(segment, reason="was put aside")
                return
            segment.restate(inspection.facts)
            log.learn(segment.path, inspection.facts)
            log.correct()
        segment.sync()

    def secure_all(self) -> None:
        """Make every open segment durable, those behind one that cannot be made so too. Raises as `secure` does."""
        refused: ConsoleError | None = None
        for segment in list(self._open):
            try:
                self.secure(segment)
            except ConsoleError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def shut(self, segment: Segment) -> None:
        """Make an open segment durable and close it. Raises as `secure` does."""
        self.secure(segment)
        self.let_go(segment)

    def let_go(self, segment: Segment) -> None:
        """Close an open segment as it is."""
        segment.close()
        log = self._open.pop(segment, None)
        if log is not None:
            log.open = {day: other for day, other in log.open.items() if other is not segment}

    def save(self) -> None:
        """Write down in the catalogue what changed; all of it is durable. Raises as the catalogue does."""
        self.changes.save()

    def close(self) -> None:
        """Let go of every file as it is."""
        for segment in self._open:
            segment.close()
        self._open.clear()
        self.logs.clear()


def _remove_unfinished(folder: Path) -> None:
    # Nobody else writes here: what was being made when a writer died is never the only copy.
    for path in strays_of(folder):
        if path.suffix == ".part":
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error("opening the store", path, error) from error
